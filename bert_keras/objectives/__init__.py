"""What training makes small, apart from the models; see ``Objective``."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.objectives.classification import (
    EXAMPLE_WEIGHTS,
    IGNORED_LABEL,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SpanCrossEntropy,
    SquaredError,
    spread_weights,
)
from bert_keras.objectives.means import (
    Means,
    WeightedMean,
    divided,
    mean_values,
    perplexity,
    total_loss,
)
from bert_keras.objectives.objective import Batch, Objective, SumOf, SupervisedObjective

__all__ = [
    "EXAMPLE_WEIGHTS",
    "IGNORED_LABEL",
    "Batch",
    "Means",
    "Objective",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "SpanCrossEntropy",
    "SquaredError",
    "SumOf",
    "SupervisedObjective",
    "WeightedMean",
    "divided",
    "mean_values",
    "perplexity",
    "spread_weights",
    "total_loss",
]
