import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig
from bert_keras.modeling import packed_layout, padded_layout
from bert_keras.modeling.layers import BertEmbeddings


@pytest.mark.parametrize("make_layout", [padded_layout, packed_layout])
def test_sum_of_token_segment_and_position_is_normalized(
    make_layout: Any, config: BertConfig, batch: dict[str, Any]
) -> None:
    layer = BertEmbeddings(config, seed=1)
    layer.build()
    layout = make_layout(tf.constant(batch["attention_mask"]))
    ids, types = batch["input_ids"], batch["token_type_ids"]
    ours = layout.to_sequences(layer(ids, types, layout)).numpy()

    word, position, segment = (
        getattr(layer, f"{name}_embeddings").numpy() for name in ("word", "position", "token_type")
    )
    total = word[ids] + position[np.arange(ids.shape[1])] + segment[types]
    centered = total - total.mean(-1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + config.layer_norm_eps)
    is_real = batch["attention_mask"] == 1
    np.testing.assert_allclose(ours[is_real], expected[is_real], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gradients_of_the_tables_are_dense_float32(
    dtype: str, config: BertConfig, batch: dict[str, Any]
) -> None:
    layer = BertEmbeddings(config, dtype=dtype)
    layer.build()
    layout = padded_layout(tf.constant(batch["attention_mask"]))
    with tf.GradientTape() as tape:
        embedded = layer(batch["input_ids"], batch["token_type_ids"], layout)
        loss = tf.reduce_sum(tf.square(tf.cast(embedded, tf.float32))[:, 0])
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert all(isinstance(gradient, tf.Tensor) for gradient in gradients)
    assert {gradient.dtype for gradient in gradients} == {tf.float32}


def test_dropout_follows_the_normalization(config: BertConfig, batch: dict[str, Any]) -> None:
    layer = BertEmbeddings(replace(config, hidden_dropout_prob=0.5), seed=1)
    layer.build()
    layout = padded_layout(tf.constant(batch["attention_mask"]))
    arguments = (batch["input_ids"], batch["token_type_ids"], layout)
    whole, dropped = layer(*arguments), layer(*arguments, tf.constant([0, 0], tf.int64)).numpy()
    kept = dropped != 0
    assert abs(kept.mean() - 0.5) < 0.1
    np.testing.assert_allclose(dropped[kept], 2 * whole.numpy()[kept], rtol=1e-6)


def test_fixed_positions_are_vaswanis_sines_and_cosines_and_are_not_trained(
    config: BertConfig,
) -> None:
    layer = BertEmbeddings(config)
    layer.build()
    layer.fix_positions()
    table, width = layer.position_embeddings.numpy() / config.initializer_range, config.hidden_size
    for position in (0, 1, config.max_position_embeddings - 1):
        for column in range(width):
            angle = position / 10000 ** (column // 2 * 2 / width)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[position, column] == pytest.approx(expected, abs=1e-6)
    assert [each.path for each in layer.trainable_weights] == [
        each.path for each in layer.weights if "position" not in each.path
    ]
