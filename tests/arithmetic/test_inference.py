"""What models answer with, beside the plain arithmetic."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from bert_keras import BertConfig
from bert_keras.arithmetic import PLAIN, XNNPACK, Inference, OneDNN
from bert_keras.modeling import padded_layout
from bert_keras.modeling.encoder import TransformerLayer
from bert_keras.modeling.layers import LayerNorm

B, L, H = 4, 12, 16
CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=H,
    num_attention_heads=2,
    intermediate_size=24,
    initializer_range=0.2,
)


def operations_of(function, *arguments):
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph
    return [operation.type for operation in graph.get_operations()]


def layer_norm(arithmetic):
    return LayerNorm(epsilon=1e-12, arithmetic=arithmetic)


def transformer_layer(arithmetic):
    return TransformerLayer(CONFIG, arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", [OneDNN(), XNNPACK(), Inference()])
@pytest.mark.parametrize("make", [layer_norm, transformer_layer])
def test_answers_are_those_of_the_plain_one(make, arithmetic):
    generator = np.random.default_rng(3)
    tokens = tf.constant(generator.normal(1.0, 2.0, (B * L, H)), tf.float32)
    mask = tf.constant(np.arange(L)[None] < generator.integers(2, L, (B, 1)), tf.int32)
    arguments = () if make is layer_norm else (padded_layout(mask),)
    plain, given = make(PLAIN), make(arithmetic)
    for layer in (plain, given):
        layer.build(tokens.shape)
    for one, other in zip(plain.weights, given.weights, strict=True):
        one.assign(generator.normal(0.5, 0.5, one.shape))
        other.assign(one)
    expected = plain(tokens, *arguments)
    np.testing.assert_allclose(given(tokens, *arguments), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("arithmetic", [OneDNN(), Inference()])
def test_a_served_gelu_is_written_by_erf_which_onnx_knows_and_stays_the_same(arithmetic, dtype):
    x = tf.cast(tf.linspace(-6.0, 6.0, 4001)[:, None], dtype)
    operations = operations_of(arithmetic.gelu, x)
    assert "Erf" in operations
    assert "Erfc" not in operations
    steps = {"float32": 1e-6, "bfloat16": 2**-6}
    graph = tf.function(arithmetic.gelu, autograph=False)
    given, exact = (tf.cast(y, tf.float64).numpy() for y in (graph(x), PLAIN.gelu(x)))
    np.testing.assert_allclose(given, exact, atol=steps[dtype])
    double = tf.cast(x, tf.float64).numpy()
    normal = special.ndtr(double)
    np.testing.assert_allclose(given, double * normal, atol=2 * steps[dtype], rtol=steps[dtype])


@pytest.mark.parametrize("arithmetic", [PLAIN, OneDNN(), XNNPACK()])
def test_heads_are_split_alike(arithmetic):
    products = np.random.default_rng(0).normal(size=(2, 3, 3 * 2 * 4)).astype(np.float32)
    found = arithmetic.split_heads(tf.constant(products), (2, 3), 3, 2)
    for part, expected in zip(found, np.split(products, 3, axis=-1), strict=True):
        per_head = expected.reshape(2, 3, 2, 4).transpose(0, 2, 1, 3)
        np.testing.assert_array_equal(part, per_head)


@pytest.mark.parametrize(
    ("arithmetic", "present", "absent"),
    [
        (PLAIN, "Unpack", "FusedBatchNormV3"),
        (Inference(), "Unpack", "FusedBatchNormV3"),
        (OneDNN(), "FusedBatchNormV3", "Split"),
        (XNNPACK(), "Split", "Unpack"),
    ],
)
def test_each_is_written_in_the_operations_that_its_machine_is_quick_at(
    arithmetic, present, absent
):
    layer, layout = transformer_layer(arithmetic), padded_layout(tf.ones([B, L], tf.int32))
    layer.build()
    operations = operations_of(lambda x: layer(x, layout), tf.zeros([B * L, H]))
    assert present in operations
    assert absent not in operations


def test_the_masked_score_of_an_arithmetic_is_that_of_attention():
    """A score that hides nothing lets padding through; the default hides it."""
    mask = tf.constant([[1, 1, 0, 0]])
    layers = [transformer_layer(PLAIN), transformer_layer(XNNPACK(masked_score=-1.0))]
    for layer in layers:
        layer.build()
    one, other = (np.random.default_rng(n).normal(size=(4, H)).astype("float32") for n in (0, 1))
    other[:2] = one[:2]  # they differ in padding alone
    hides, shows = (
        np.abs(layer(one, padded_layout(mask))[:2] - layer(other, padded_layout(mask))[:2]).max()
        for layer in layers
    )
    assert hides == 0
    assert shows > 1e-3
