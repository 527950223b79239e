"""Attention beside the textbook's formula and beside Keras's own layer."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig
from bert_keras.arithmetic import XNNPACK
from bert_keras.errors import InputError
from bert_keras.modeling import Mask, packed_layout, padded_layout
from bert_keras.modeling.encoder import Attention

B, L, S, H = 3, 4, 6, 16
OWN = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], "int32")
OTHER = (np.arange(S) < [[6], [2], [5]]).astype("int32")
BLOCKS = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]], "int32")
LAYOUTS = pytest.mark.parametrize("make_layout", [padded_layout, packed_layout])


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(B, L, H)).astype("float32")


@pytest.fixture
def others() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(B, S, H)).astype("float32")


@pytest.fixture
def layer(config: BertConfig) -> Attention:
    layer = Attention(config, seed=1)
    layer.build()
    for weight in layer.weights:  # biases too
        weight.assign(np.random.default_rng(2).normal(0, 0.3, weight.shape))
    return layer


def by_hand(
    layer: Attention, query: np.ndarray, memory: np.ndarray, may_see: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vaswani et al., section 3.2, one head after the other; what may be seen is [B, L, S]."""
    kernel, bias, output, output_bias = (weight.numpy() for weight in layer.weights)
    queries = query @ kernel[:, :H] + bias[:H]
    keys = memory @ kernel[:, H : 2 * H] + bias[H : 2 * H]
    values = memory @ kernel[:, 2 * H :] + bias[2 * H :]
    heads, weights = [], []
    for columns in np.split(np.arange(H), layer.config.num_attention_heads):
        scores = queries[..., columns] @ keys[..., columns].swapaxes(1, 2)
        exponentials = np.exp(scores / np.sqrt(len(columns))) * may_see
        weights.append(exponentials / np.maximum(exponentials.sum(-1, keepdims=True), 1e-9))
        heads.append(weights[-1] @ values[..., columns])
    return np.concatenate(heads, axis=-1) @ output + output_bias, np.stack(weights, axis=1)


def visible(padding: np.ndarray, is_causal: bool, blocks: np.ndarray | None) -> np.ndarray:
    """Which tokens each sees, [B, L, L], in loops."""
    may_see = np.zeros((B, L, L))
    for row, query, key in np.ndindex(B, L, L):
        seen = padding[row, key] == 1 and not (is_causal and key > query)
        if blocks is not None:
            seen = seen and blocks[row, query] == blocks[row, key]
        may_see[row, query, key] = seen
    return may_see


@LAYOUTS
@pytest.mark.parametrize("blocks", [None, BLOCKS], ids=["", "blocks"])
@pytest.mark.parametrize("is_causal", [False, True], ids=["", "causal"])
def test_a_sequence_sees_of_itself_what_its_mask_says(
    make_layout: Any, is_causal: bool, blocks: Any, layer: Attention, tokens: np.ndarray
) -> None:
    layout = make_layout(tf.constant(OWN))
    mask = Mask(layout.attention_mask, is_causal, blocks if blocks is None else tf.constant(blocks))
    ours = layer(layout.to_tokens(tokens), layout, attention_mask=mask)
    expected, weights = by_hand(layer, tokens, tokens, visible(OWN, is_causal, blocks))
    is_real = OWN == 1
    given = layout.to_sequences(ours.tokens).numpy()
    np.testing.assert_allclose(given[is_real], expected[is_real], atol=1e-5)
    given_weights = ours.weights.numpy().transpose(0, 2, 1, 3)
    np.testing.assert_allclose(
        given_weights[is_real], weights.transpose(0, 2, 1, 3)[is_real], atol=1e-6
    )


def test_without_a_mask_all_is_seen_that_is_not_padding(
    layer: Attention, tokens: np.ndarray
) -> None:
    layout = padded_layout(tf.constant(OWN))
    flat = layout.to_tokens(tokens)
    given, expected = (
        layer(flat, layout),
        layer(flat, layout, attention_mask=Mask(layout.attention_mask)),
    )
    np.testing.assert_array_equal(given.tokens, expected.tokens)


@LAYOUTS
def test_a_sequence_sees_another_one(
    make_layout: Any, layer: Attention, tokens: np.ndarray, others: np.ndarray
) -> None:
    layout, of_others = make_layout(tf.constant(OWN)), make_layout(tf.constant(OTHER))
    memory = (of_others.to_tokens(others), of_others)
    ours = layer(layout.to_tokens(tokens), layout, memory)
    may_see = np.broadcast_to(OTHER[:, None], (B, L, S))
    expected, _ = by_hand(layer, tokens, others, may_see)
    given = layout.to_sequences(ours.tokens).numpy()
    np.testing.assert_allclose(given[OWN == 1], expected[OWN == 1], atol=1e-5)


def test_keys_and_values_of_another_sequence_are_not_computed_again(
    layer: Attention, tokens: np.ndarray, others: np.ndarray
) -> None:
    layout, of_others = padded_layout(tf.constant(OWN)), padded_layout(tf.constant(OTHER))
    flat, memory = layout.to_tokens(tokens), (of_others.to_tokens(others), of_others)
    first = layer(flat, layout, memory)
    forgotten = (tf.zeros_like(memory[0]), of_others)
    again = layer(flat, layout, forgotten, cache=first.cache)
    np.testing.assert_array_equal(again.tokens, first.tokens)


@pytest.mark.parametrize("steps", [(1, 1, 1, 1), (2, 1, 1), (3, 1), (1, 3)], ids=str)
def test_tokens_one_after_another_see_what_they_see_all_at_once(
    steps: tuple[int, ...], layer: Attention, tokens: np.ndarray
) -> None:
    layout = padded_layout(tf.constant(OWN))
    whole = layer(
        layout.to_tokens(tokens), layout, attention_mask=Mask(layout.attention_mask, True)
    )
    found, cache, done = [], None, 0
    for count in steps:
        part = padded_layout(tf.constant(OWN[:, done : done + count]))
        mask = Mask(tf.constant(OWN[:, : done + count]), is_causal=True)
        new = part.to_tokens(tokens[:, done : done + count])
        attended = layer(new, part, attention_mask=mask, cache=cache)
        cache, done = attended.cache, done + count
        found.append(part.to_sequences(attended.tokens))
    expected = layout.to_sequences(whole.tokens).numpy()
    given = np.concatenate(found, axis=1)
    np.testing.assert_allclose(given[OWN == 1], expected[OWN == 1], atol=1e-5)


def test_a_token_after_others_without_their_mask_is_refused(
    layer: Attention, tokens: np.ndarray
) -> None:
    layout = padded_layout(tf.constant(OWN))
    flat = layout.to_tokens(tokens)
    with pytest.raises(InputError, match="need the attention_mask of all"):
        layer(flat, layout, cache=layer(flat, layout).cache)


def test_a_causal_sequence_is_that_of_keras(layer: Attention, tokens: np.ndarray) -> None:
    heads = layer.config.num_attention_heads
    theirs = keras.layers.MultiHeadAttention(heads, H // heads)
    theirs.build((B, L, H), (B, L, H))
    kernel, bias, output, output_bias = (weight.numpy() for weight in layer.weights)
    weights = []
    for part, shift in zip(np.split(kernel, 3, axis=1), np.split(bias, 3), strict=True):
        weights += [part.reshape(H, heads, -1), shift.reshape(heads, -1)]
    theirs.set_weights([*weights, output.reshape(heads, -1, H), output_bias])
    layout = padded_layout(tf.ones([B, L], tf.int32))
    ours = layer(layout.to_tokens(tokens), layout, attention_mask=Mask(layout.attention_mask, True))
    expected = theirs(tokens, tokens, use_causal_mask=True)
    np.testing.assert_allclose(layout.to_sequences(ours.tokens), expected, atol=1e-5)


def test_it_trains_and_compiles_with_another_sequence_and_open_shapes(
    config: BertConfig, tokens: np.ndarray, others: np.ndarray
) -> None:
    """In a graph that knows no size, under bfloat16, in another arithmetic."""
    layer = Attention(config, dtype="mixed_bfloat16", arithmetic=XNNPACK())
    layer.build()

    @tf.function(input_signature=[tf.TensorSpec([None, None, H]), tf.TensorSpec([None, None, H])])
    def gradients(tokens: tf.Tensor, others: tf.Tensor) -> Any:
        layouts = [padded_layout(tf.ones(tf.shape(x)[:2], tf.int32)) for x in (tokens, others)]
        with tf.GradientTape() as tape:
            memory = (layouts[1].to_tokens(others), layouts[1])
            attended = layer(layouts[0].to_tokens(tokens), layouts[0], memory)
            loss = tf.reduce_sum(tf.cast(attended.tokens, tf.float32) ** 2)
        return tape.gradient(loss, layer.trainable_weights)

    found = gradients(tokens, others)
    assert all(np.abs(gradient).max() > 0 for gradient in found)


def test_dropout_takes_whole_connections_and_leaves_the_weights_that_are_handed_out(
    config: BertConfig, tokens: np.ndarray
) -> None:
    layer = Attention(replace(config, attention_probs_dropout_prob=0.5))
    layout = padded_layout(tf.constant(OWN))
    flat, seed = layout.to_tokens(tokens), tf.constant([3, 0], tf.int64)
    still, dropped = layer(flat, layout), layer(flat, layout, dropout_seed=seed)
    np.testing.assert_array_equal(still.weights, dropped.weights)
    assert np.abs(still.tokens - dropped.tokens).max() > 0.01
