"""Arithmetic that waits for memory, in few passes over it.

TensorFlow's own graph runs every operation of a chain over the whole tensor, and GELU's backward
pass alone has a dozen: on a CPU they wait for memory. XLA makes one loop of them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

import tensorflow as tf

from bert_keras.arithmetic.scope import holding

Function = Callable[[tf.Tensor], tf.Tensor]

_is_fusing = ContextVar("_is_fusing", default=False)


def fusing(is_wanted: bool = True) -> AbstractContextManager[None]:
    """What is traced in the block is compiled piece by piece where ``fuses`` says so.

    Gradients have to be taken in the block too.
    """
    return holding(_is_fusing, is_wanted)


def fuses(tensor: tf.Tensor) -> bool:
    """Whether arithmetic on the tensor is to be compiled: in ``fusing``, and of a static shape.

    Where a shape is not static XLA would compile for each one that comes.
    """
    return _is_fusing.get() and tensor.shape.is_fully_defined()


def fused(function: Function) -> Function:
    """``function``, its passes each compiled to one loop where ``fuses`` says so.

    The loop computes in float32 and rounds at its end. The backward pass computes ``function``
    once more rather than keep what lies between: less memory, and no slower.

    Args:
        function: From a float tensor to one of its shape and dtype, element by element.
    """
    forward = tf.function(lambda x: _in_float32(function, x), jit_compile=True)
    backward = tf.function(lambda x, dy: _gradient(function, x, dy), jit_compile=True)

    @tf.custom_gradient
    def as_one_pass(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return forward(x), lambda upstream: backward(x, upstream)

    def call(x: tf.Tensor) -> tf.Tensor:
        return as_one_pass(x) if fuses(x) else function(x)

    return call


def _in_float32(function: Function, x: tf.Tensor) -> tf.Tensor:
    return tf.cast(function(tf.cast(x, tf.float32)), x.dtype)


def _gradient(function: Function, x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = _in_float32(function, x)
    return tape.gradient(y, x, upstream)
