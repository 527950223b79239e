"""Losses and measures, and the training step that minimizes a loss; see ``Objective``."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.objectives.checks import check_may_split
from bert_keras.objectives.classification import (
    EXAMPLE_WEIGHTS,
    IGNORED_LABEL,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SpanCrossEntropy,
    SquaredError,
    SumOf,
    sequence_length,
    spread_weights,
)
from bert_keras.objectives.compilation import device_kind, is_compiled, is_tpu
from bert_keras.objectives.contrastive import InBatchNegatives, Triplet
from bert_keras.objectives.distillation import TeacherCosines, TeacherVectors
from bert_keras.objectives.embedding import CoSENT, CosineSquaredError, Matryoshka
from bert_keras.objectives.means import (
    Means,
    WeightedMean,
    divided,
    mean_values,
    perplexity,
    sum_over_replicas,
    total_loss,
    with_whole_value,
)
from bert_keras.objectives.pair_classes import PairSoftmax
from bert_keras.objectives.ranking import ListNet
from bert_keras.objectives.steps import (
    Batch,
    Model,
    Objective,
    SupervisedObjective,
    TrainStep,
    make_eval_step,
)

__all__ = [
    "EXAMPLE_WEIGHTS",
    "IGNORED_LABEL",
    "Batch",
    "CoSENT",
    "CosineSquaredError",
    "InBatchNegatives",
    "ListNet",
    "Matryoshka",
    "Means",
    "Model",
    "Objective",
    "PairSoftmax",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "SpanCrossEntropy",
    "SquaredError",
    "SumOf",
    "SupervisedObjective",
    "TeacherCosines",
    "TeacherVectors",
    "TrainStep",
    "Triplet",
    "WeightedMean",
    "check_may_split",
    "device_kind",
    "divided",
    "is_compiled",
    "is_tpu",
    "make_eval_step",
    "mean_values",
    "perplexity",
    "sequence_length",
    "spread_weights",
    "sum_over_replicas",
    "total_loss",
    "with_whole_value",
]
