import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.modeling import packed_layout, padded_layout
from bert_keras.modeling.layout import Layout, lookup

MASK = tf.constant([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
ROWS = tf.constant([[1, 1, 3], [0, 1, 3]])  # row 1 three times, row 2 never
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


def _table() -> tf.Variable:
    return tf.Variable(np.random.default_rng(0).normal(size=(5, 4)).astype("float32"))


def _gradients(read: object, upstream: tf.Tensor) -> tf.Tensor:
    table = _table()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(read(table) * upstream)
    return tape.gradient(loss, table)


def test_lookup_gathers_rows() -> None:
    table = _table()
    np.testing.assert_array_equal(lookup(table, ROWS), tf.gather(table, ROWS))


def test_gradient_is_dense_and_that_of_a_one_hot_product() -> None:
    upstream = tf.constant(np.random.default_rng(1).normal(size=(2, 3, 4)), tf.float32)
    ours = _gradients(lambda table: lookup(table, ROWS), upstream)
    one_hot = _gradients(lambda table: tf.tensordot(tf.one_hot(ROWS, 5), table, 1), upstream)
    assert isinstance(ours, tf.Tensor)
    np.testing.assert_allclose(ours, one_hot, rtol=1e-6)


def test_second_moment_of_a_row_read_twice_is_that_of_the_summed_gradient() -> None:
    """Gradients 1 and 2 on one row: Adam must see (1 + 2)^2, not 1 + 4 nor 4."""
    table = keras.Variable(np.zeros((2, 1), "float32"))
    optimizer = keras.optimizers.Adam(beta_2=0.5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(lookup(table, tf.constant([0, 0])) * [[1.0], [2.0]])
    optimizer.apply(tape.gradient(loss, [table.value]), [table])
    np.testing.assert_allclose(optimizer._velocities[0][0, 0], 0.5 * 9.0)


def test_lookup_compiles_with_xla() -> None:
    table, upstream = _table(), tf.ones([2, 3, 4])

    @tf.function(jit_compile=True)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(lookup(table, ROWS) * upstream)
        return tape.gradient(loss, table)

    np.testing.assert_allclose(gradient()[:, 0], [1, 3, 0, 2, 0])
