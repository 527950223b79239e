"""The default arithmetic compared with the formulas, in numpy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic import MASKED_SCORE, PLAIN, Arithmetic

X = np.random.default_rng(0).normal(0, 2, (5, 8)).astype("float32")


def test_layer_norm_has_the_mean_and_variance_of_its_weights():
    layer = keras.layers.LayerNormalization(epsilon=1e-12)
    layer.build(X.shape)
    gamma, beta = np.linspace(0.5, 2, 8), np.linspace(-1, 1, 8)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    centered = X - X.mean(axis=1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True)) * gamma + beta
    np.testing.assert_allclose(PLAIN.layer_norm(layer, tf.constant(X)), expected, atol=1e-5)


def test_gelu_is_exact_and_gelu_tanh_is_its_approximation():
    exact = X / 2 * (1 + np.vectorize(math.erf)(X / math.sqrt(2)))
    approximate = X / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))
    np.testing.assert_allclose(PLAIN.gelu(tf.constant(X)), exact, atol=1e-6)
    np.testing.assert_allclose(PLAIN.gelu_tanh(tf.constant(X)), approximate, atol=1e-6)
    assert np.abs(exact - approximate).max() > 1e-5


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_the_gradient_of_a_bias_loses_no_small_addend(dtype):
    """4,096 gradients of 1: bfloat16 alone would stop counting at 256."""
    bias = tf.zeros([3], dtype)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        outputs = PLAIN.add_bias(tf.ones([4096, 3], dtype), bias)
    gradient = tape.gradient(outputs, bias)
    assert gradient.dtype == dtype
    assert tf.cast(gradient, tf.float32).numpy().tolist() == [4096.0] * 3


def test_heads_are_split_product_by_product():
    """[B, L, count * N * K] to count of [B, N, L, K]; each number tells its place."""
    batch, length, count, heads, size = 2, 3, 3, 2, 4
    places = np.stack(np.indices((batch, length, count, heads, size)), axis=-1)
    numbers = np.ravel_multi_index(np.moveaxis(places, -1, 0), places.shape[:-1])
    products = tf.constant(numbers.reshape(batch, length, -1))
    split = PLAIN.split_heads(products, (batch, length), count, heads)
    for number, product in enumerate(split):
        expected = np.transpose(numbers[:, :, number], (0, 2, 1, 3))
        np.testing.assert_array_equal(product, expected)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_cross_entropy_is_float32_and_tells_whether_the_label_is_the_likeliest(dtype):
    logits = tf.cast(X, dtype)
    labels = np.array([0, X[1].argmax(), 3, 3, 5], "int32")
    losses, is_best = PLAIN.cross_entropy(logits, labels)
    values = tf.cast(logits, tf.float64).numpy()
    expected = np.log(np.exp(values).sum(axis=1)) - values[np.arange(5), labels]
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(is_best, values.argmax(axis=1) == labels)
    assert 0 < np.mean(is_best) < 1


def test_arithmetics_are_equal_by_their_settings():
    assert Arithmetic() == PLAIN == Arithmetic(masked_score=MASKED_SCORE)
    assert Arithmetic(rematerialize=True) != PLAIN
    # So far below any score that padding has a weight of exactly 0 in float32.
    assert float(tf.nn.softmax([20.0, MASKED_SCORE])[1]) == 0.0
