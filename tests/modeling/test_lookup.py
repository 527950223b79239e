import keras
import numpy as np
import tensorflow as tf

from bert_keras.modeling.lookup import lookup

ROWS = tf.constant([[1, 1, 3], [0, 1, 3]])  # row 1 three times, row 2 never


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
