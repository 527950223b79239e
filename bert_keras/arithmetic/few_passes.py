"""The arithmetic for training on a CPU: few passes over memory.

TensorFlow's own graph runs every operation of a chain over the whole tensor, a dozen in GELU's
backward pass alone, and on a CPU they wait for memory. XLA compiles them to one loop.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from bert_keras.arithmetic.plain import PLAIN, Arithmetic, Function


class FewPasses(Arithmetic):
    """LayerNorm, GELU and cross-entropy by one XLA loop each, for training on a CPU.

    The loops compute in float32 and round at their end. The backward pass computes the inner values
    again instead of keeping them: less memory, and no slower. A tensor without a static shape is
    computed as by ``Arithmetic``: XLA would compile for each new shape.
    """

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """One loop forward, one back."""
        if not x.shape.is_fully_defined():
            return super().layer_norm(layer, x)
        gamma, beta = (tf.convert_to_tensor(weight) for weight in (layer.gamma, layer.beta))
        return layer_norm(x, gamma, beta, layer.epsilon, _layer_norm_forward, _layer_norm_backward)

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        """One loop forward, one back."""
        return _gelu(x) if x.shape.is_fully_defined() else super().gelu(x)

    def gelu_tanh(self, x: tf.Tensor) -> tf.Tensor:
        """One loop forward, one back."""
        return _gelu_tanh(x) if x.shape.is_fully_defined() else super().gelu_tanh(x)

    def cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The cross-entropy without a float32 copy of the logits.

        For a whole vocabulary the copy, its softmax and its gradient would take more memory than
        anything else in the step.
        """
        if not logits.shape.is_fully_defined():
            return super().cross_entropy(logits, labels)
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return _cross_entropy(logits, labels), best == labels


def in_one_pass(function: Function) -> Function:
    """``function`` and its gradient, each compiled to one loop.

    Args:
        function: From a float tensor to one of its shape and dtype, element by element.
    """

    def in_float32(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(function(tf.cast(x, tf.float32)), x.dtype)

    @tf.function(jit_compile=True)
    def forward(x: tf.Tensor) -> tf.Tensor:
        return in_float32(x)

    @tf.function(jit_compile=True)
    def backward(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = in_float32(x)
        return tape.gradient(y, x, upstream)

    @tf.custom_gradient
    def call(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
        return forward(x), lambda upstream: backward(x, upstream)

    return call


_gelu, _gelu_tanh = in_one_pass(PLAIN.gelu), in_one_pass(PLAIN.gelu_tanh)


def layer_norm(
    x: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    forward: Callable,
    backward: Callable,
) -> tf.Tensor:
    """LayerNorm that keeps its input alone for the gradient.

    Args:
        x: [T, H].
        gamma: [H].
        beta: [H].
        epsilon: Added to the variance.
        forward: ``layer_norm_forward``, compiled or not.
        backward: ``layer_norm_backward``, likewise.
    """

    @tf.custom_gradient
    def normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.name_scope("layer_norm"):  # which a profile tells it by
                return backward(x, gamma, upstream, epsilon)

        return forward(x, gamma, beta, epsilon), gradient

    return normalize(x, gamma, beta)


def layer_norm_forward(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """LayerNorm of each row [H], computed in float32."""
    standardized, _ = _standardized(x, epsilon)
    return tf.cast(standardized * gamma + beta, x.dtype)


def layer_norm_backward(
    x: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The gradients of the input, gamma and beta."""
    standardized, scale = _standardized(x, epsilon)
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gamma
    mean = tf.reduce_mean(inner, axis=-1, keepdims=True)
    slope = tf.reduce_mean(inner * standardized, axis=-1, keepdims=True)
    of_x = scale * (inner - mean - slope * standardized)
    of_gamma = tf.reduce_sum(upstream * standardized, axis=0)
    return tf.cast(of_x, x.dtype), of_gamma, tf.reduce_sum(upstream, axis=0)


_layer_norm_forward = tf.function(layer_norm_forward, jit_compile=True)
_layer_norm_backward = tf.function(layer_norm_backward, jit_compile=True)


def _standardized(x: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Each row [H] scaled to mean 0 and variance 1, and the scale."""
    x = tf.cast(x, tf.float32)
    centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(centered * centered, axis=-1, keepdims=True) + epsilon)
    return centered * scale, scale


@tf.custom_gradient
def _cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The losses in one pass over the logits, their gradient in another."""
    log_sums = _log_sums(logits)
    of_labels = tf.gather(logits, labels, batch_dims=labels.shape.rank)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _cross_entropy_backward(logits, labels, log_sums, upstream), None

    return log_sums - tf.cast(of_labels, tf.float32), gradient


@tf.function(jit_compile=True)
def _log_sums(logits: tf.Tensor) -> tf.Tensor:
    """The logarithm of the sum of the exponentials, [...]."""
    return tf.reduce_logsumexp(tf.cast(logits, tf.float32), axis=-1)


def cross_entropy_backward(
    logits: tf.Tensor, labels: tf.Tensor, log_sums: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """The softmax less the labels, times the upstream gradient; [..., classes] like the logits."""
    softmax = tf.exp(tf.cast(logits, tf.float32) - log_sums[..., tf.newaxis])
    is_label = tf.range(logits.shape[-1]) == labels[..., tf.newaxis]
    difference = softmax - tf.cast(is_label, tf.float32)
    return tf.cast(difference * upstream[..., tf.newaxis], logits.dtype)


_cross_entropy_backward = tf.function(cross_entropy_backward, jit_compile=True)
