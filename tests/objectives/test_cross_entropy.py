import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic.fusion import fusing
from bert_keras.objectives.cross_entropy import cross_entropy

LOGITS = 20 * tf.random.stateless_normal([3, 5, 400], seed=[1, 2])
LABELS = tf.random.stateless_uniform([3, 5], [3, 4], 0, 400, tf.int32)
WEIGHTS = tf.constant(np.linspace(0, 2, 15, dtype=np.float32).reshape(3, 5))


def losses_and_gradient(logits, is_fused, double=False):
    with fusing(is_fused), tf.GradientTape() as tape:
        tape.watch(logits)
        if double:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits)
        else:
            losses = cross_entropy(logits, LABELS)
        total = tf.reduce_sum(losses * tf.cast(WEIGHTS, losses.dtype))
    return losses, tape.gradient(total, logits)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_fused_losses_and_their_gradient_are_tensorflows_in_double_precision(dtype):
    logits = tf.cast(LOGITS, dtype)
    losses, gradient = losses_and_gradient(logits, is_fused=True)
    expected = losses_and_gradient(tf.cast(logits, tf.float64), is_fused=False, double=True)
    assert losses.dtype == tf.float32
    assert gradient.dtype == dtype
    np.testing.assert_allclose(losses, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        tf.cast(gradient, tf.float64), expected[1], rtol=dtype_error(dtype), atol=1e-6
    )


def dtype_error(dtype):
    """Half a unit in the last place, and what float32 before it may have been off."""
    return max(float(np.finfo(dtype.as_numpy_dtype).eps) if dtype != tf.bfloat16 else 2**-7, 1e-5)


def test_fused_and_plain_agree():
    fused, plain = (losses_and_gradient(LOGITS, is_fused) for is_fused in (True, False))
    for ours, theirs in zip(fused, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_certain_and_hopeless_logits_stay_finite():
    logits = tf.constant([[1e30, 0.0, -1e30], [-1e30, 0.0, 1e30]])
    with fusing():
        losses = cross_entropy(logits, tf.constant([0, 0]))
    np.testing.assert_allclose(losses, [0.0, 2e30])
