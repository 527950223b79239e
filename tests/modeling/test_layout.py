import numpy as np
import pytest
import tensorflow as tf

from bert_keras.modeling import packed_layout, padded_layout
from bert_keras.modeling.layout import Layout

MASK = tf.constant([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
LAYOUTS = {"padded": padded_layout, "packed": packed_layout}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param](MASK)


@pytest.fixture
def sequences() -> tf.Tensor:
    return tf.reshape(tf.range(3 * 4 * 2, dtype=tf.float32), [3, 4, 2])


def test_packed_tokens_are_the_real_ones_in_order(sequences: tf.Tensor) -> None:
    tokens = packed_layout(MASK).to_tokens(sequences)
    np.testing.assert_array_equal(tokens, sequences.numpy()[MASK.numpy() == 1])


def test_padded_tokens_are_all_positions_in_order(sequences: tf.Tensor) -> None:
    tokens = padded_layout(MASK).to_tokens(sequences)
    np.testing.assert_array_equal(tokens, sequences.numpy().reshape(12, 2))


def test_sequences_come_back_where_tokens_are_real(layout: Layout, sequences: tf.Tensor) -> None:
    back = layout.to_sequences(layout.to_tokens(sequences))
    assert back.shape == (3, 4, 2)
    is_real = MASK.numpy() == 1
    np.testing.assert_array_equal(back.numpy()[is_real], sequences.numpy()[is_real])


def test_rows_find_the_token_at_a_position(layout: Layout, sequences: tf.Tensor) -> None:
    positions = tf.constant([[3, 0], [0, 0], [1, 0]])
    found = tf.gather(layout.to_tokens(sequences), layout.rows(positions))
    np.testing.assert_array_equal(found, tf.gather(sequences, positions, batch_dims=1))


def test_shapes_stay_static_when_padded() -> None:
    seen = {}

    @tf.function(input_signature=[tf.TensorSpec([3, 4], tf.int32)])
    def trace(mask: tf.Tensor) -> tf.Tensor:
        layout = padded_layout(mask)
        tokens = layout.to_tokens(tf.zeros([3, 4, 2]))
        seen["tokens"], seen["sequences"] = tokens.shape, layout.to_sequences(tokens).shape
        return tokens

    trace(MASK)
    assert seen == {"tokens": (12, 2), "sequences": (3, 4, 2)}


def test_batch_of_nothing_but_padding_still_packs(sequences: tf.Tensor) -> None:
    layout = packed_layout(tf.zeros_like(MASK))
    back = layout.to_sequences(layout.to_tokens(sequences))
    np.testing.assert_array_equal(back[:, 0], sequences[:, 0])


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_empty_batch_is_no_error(make: object) -> None:
    layout = make(tf.zeros([0, 4], tf.int32))
    assert layout.to_sequences(layout.to_tokens(tf.zeros([0, 4, 2]))).shape == (0, 4, 2)
