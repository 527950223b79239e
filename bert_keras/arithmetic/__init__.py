"""The arithmetic of layers: the same functions, in operations that are fast on a device."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.arithmetic.few_passes import FewPasses, for_training
from bert_keras.arithmetic.inference import XNNPACK, Inference, OneDNN
from bert_keras.arithmetic.plain import MASKED_SCORE, PLAIN, Arithmetic
from bert_keras.arithmetic.tpu import TPU

__all__ = [
    "MASKED_SCORE",
    "PLAIN",
    "TPU",
    "XNNPACK",
    "Arithmetic",
    "FewPasses",
    "Inference",
    "OneDNN",
    "for_training",
]
