"""The cross-entropy of a softmax over many classes, without a float32 copy of the logits.

Of a vocabulary's logits such a copy, its softmax and its gradient take more memory than anything
else in the step.
"""

from collections.abc import Callable

import tensorflow as tf

from bert_keras.arithmetic.fusion import fuses


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The losses in nats, float32 [...].

    Args:
        logits: [..., classes], of any float dtype; what is computed of them is float32.
        labels: int32 [...].
    """
    if fuses(logits):
        return _in_two_passes(logits, labels)
    logits = tf.cast(logits, tf.float32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


@tf.custom_gradient
def _in_two_passes(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """One over the logits, and one more for the gradient, which is all that it writes."""
    log_sums = _log_sums(logits)
    of_labels = tf.gather(logits, labels, batch_dims=labels.shape.rank)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _gradient(logits, labels, log_sums, upstream), None

    return log_sums - tf.cast(of_labels, tf.float32), gradient


@tf.function(jit_compile=True)
def _log_sums(logits: tf.Tensor) -> tf.Tensor:
    """The logarithm of the sum of the exponentials, [...]."""
    return tf.reduce_logsumexp(tf.cast(logits, tf.float32), axis=-1)


@tf.function(jit_compile=True)
def _gradient(
    logits: tf.Tensor, labels: tf.Tensor, log_sums: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """The softmax less the labels, times the upstream gradient; [..., classes] like the logits."""
    softmax = tf.exp(tf.cast(logits, tf.float32) - log_sums[..., tf.newaxis])
    is_label = tf.range(logits.shape[-1]) == labels[..., tf.newaxis]
    difference = softmax - tf.cast(is_label, tf.float32)
    return tf.cast(difference * upstream[..., tf.newaxis], logits.dtype)
