"""How layers compute: the same numbers, in the operations that a machine is quick at."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.arithmetic.few_passes import FewPasses, for_training
from bert_keras.arithmetic.inference import XNNPACK, Inference, OneDNN
from bert_keras.arithmetic.plain import MASKED_SCORE, PLAIN, Arithmetic

__all__ = [
    "MASKED_SCORE",
    "PLAIN",
    "XNNPACK",
    "Arithmetic",
    "FewPasses",
    "Inference",
    "OneDNN",
    "for_training",
]
