"""The devices of a strategy, and whether XLA compiles what they compute."""

import tensorflow as tf

from bert_keras.config import AUTO


def device_kind(strategy: tf.distribute.Strategy) -> str:
    """The kind of a strategy's devices, ``"TPU"``, ``"GPU"`` or ``"CPU"``.

    Args:
        strategy: Which devices share a step. Any but a TPU's takes GPUs where TensorFlow sees one.
    """
    if is_tpu(strategy):
        return "TPU"
    return "GPU" if tf.config.list_logical_devices("GPU") else "CPU"


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether the strategy's devices are those of a TPU."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def is_compiled(jit_compile: bool | str, strategy: tf.distribute.Strategy) -> bool:
    """Tell whether XLA compiles what a strategy's devices compute, which then has static shapes.

    Args:
        jit_compile: ``train.jit_compile``. ``"auto"`` is true on GPUs and TPUs; a TPU computes
            nothing that XLA has not compiled, so there ``False`` is true as well.
        strategy: Which devices share a step.
    """
    kind = device_kind(strategy)
    if kind == "TPU":
        return True
    return kind == "GPU" if jit_compile == AUTO else bool(jit_compile)
