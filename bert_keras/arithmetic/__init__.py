"""The arithmetic of layers: the same functions, in operations that are fast on a device."""

import tensorflow as tf

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.arithmetic.few_passes import FewPasses
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


def for_training(jit_compile: bool | str, rematerialize: bool = False) -> Arithmetic:
    """The arithmetic for training on the devices that TensorFlow sees.

    Args:
        jit_compile: As ``train.jit_compile``. Where XLA compiles the whole step, it makes these
            loops too; by ``"auto"`` it does so on other devices than CPUs alone.
        rematerialize: See ``Arithmetic``.
    """
    kind: type[Arithmetic] = FewPasses
    if tf.config.list_logical_devices("TPU"):
        kind = TPU
    elif jit_compile is True or tf.config.list_logical_devices("GPU"):
        kind = Arithmetic
    return kind(rematerialize=rematerialize)
