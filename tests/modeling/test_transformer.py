from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig
from bert_keras.modeling import Mask, padded_layout
from bert_keras.modeling.encoder import Attention, TransformerLayer
from bert_keras.modeling.layers import FeedForward

MASK = tf.constant([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])


@pytest.fixture
def sequences() -> tf.Tensor:
    draw = np.random.default_rng(0)
    return tf.constant(draw.normal(size=(3, 4, 16)), tf.float32)


def test_softmax_is_float32_in_bfloat16(config: BertConfig, sequences: tf.Tensor) -> None:
    layer = Attention(config, dtype="mixed_bfloat16")
    layout = padded_layout(MASK)
    graph = tf.function(lambda tokens: layer(tokens, layout)).get_concrete_function(
        layout.to_tokens(sequences)
    )
    softmaxes = [op for op in graph.graph.get_operations() if op.type == "Softmax"]
    assert [op.inputs[0].dtype for op in softmaxes] == [tf.float32]


def test_layer_norm_statistics_are_float32_in_bfloat16(
    config: BertConfig, sequences: tf.Tensor
) -> None:
    """A mean of 256 cannot be told from 256.5 in bfloat16, their difference can."""
    layer = TransformerLayer(config, dtype="mixed_bfloat16")
    layer.build()
    x = tf.constant([[254.0, 256.0, 258.0, 260.0] * 4], tf.bfloat16)
    normed = tf.cast(layer.attention_norm(x), tf.float32).numpy()
    exact = (np.array([254.0, 256.0, 258.0, 260.0] * 4) - 257) / np.sqrt(5)
    np.testing.assert_allclose(normed[0], exact, rtol=0.01)


def test_feed_forward_is_two_products_with_gelu_between(
    config: BertConfig, sequences: tf.Tensor
) -> None:
    layer = FeedForward(config, seed=1)
    tokens = sequences[0]
    ours = layer(tokens)
    kernel, bias, output, output_bias = layer.weights
    inner = tf.nn.gelu(tokens @ kernel + bias, approximate=False)
    np.testing.assert_allclose(ours, inner @ output + output_bias, atol=1e-5)


def test_each_part_is_added_to_its_input_and_normalized(
    config: BertConfig, sequences: tf.Tensor
) -> None:
    layer, layout = TransformerLayer(config, seed=1), padded_layout(MASK)
    tokens = layout.to_tokens(sequences)
    ours, weights = layer(tokens, layout, return_weights=True)
    np.testing.assert_array_equal(weights, layer.attention(tokens, layout).weights)

    def normalize(x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return (x - mean) / tf.sqrt(variance + config.layer_norm_eps)

    attended = normalize(tokens + layer.attention(tokens, layout).tokens)
    expected = normalize(attended + layer.feed_forward(attended))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_no_two_places_share_a_dropout_mask(config: BertConfig, sequences: tf.Tensor) -> None:
    layer = TransformerLayer(config)
    sites = [layer.attention.dropout_site, layer.attention_site, layer.feed_forward_site]
    assert len(set(sites)) == 3


@pytest.mark.parametrize("kind", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_dropout_changes_the_output_in_training_only(
    kind: str, config: BertConfig, sequences: tf.Tensor
) -> None:
    off = replace(config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    layer, layout = TransformerLayer(replace(off, **{kind: 0.3})), padded_layout(MASK)
    tokens = layout.to_tokens(sequences)
    seed = tf.constant([0, 0], tf.int64)
    still, dropped = layer(tokens, layout), layer(tokens, layout, seed)
    assert np.abs(still - dropped).max() > 0.01
    np.testing.assert_array_equal(still, layer(tokens, layout))
    np.testing.assert_array_equal(dropped, layer(tokens, layout, seed))


def test_a_layer_may_see_less_than_all(config: BertConfig, sequences: tf.Tensor) -> None:
    """Of a causal layer the first token does not know the others."""
    layer, layout = TransformerLayer(config, seed=1), padded_layout(MASK)
    changed = tf.concat([sequences[:, :1], 2 * sequences[:, 1:]], axis=1)
    mask = Mask(MASK, is_causal=True)
    one, other = (
        layout.to_sequences(layer(layout.to_tokens(x), layout, attention_mask=mask)).numpy()
        for x in (sequences, changed)
    )
    np.testing.assert_array_equal(one[:, 0], other[:, 0])
    assert np.abs(one[0, 1:] - other[0, 1:]).max() > 0.01
