"""Row look-up with a dense gradient."""

from collections.abc import Callable

import tensorflow as tf


def lookup(table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """``table[rows]``, whose gradient is one dense tensor.

    TensorFlow's own gather hands back ``IndexedSlices`` that name a row as often as it was read,
    and Keras's Adam then squares the parts of a row's gradient instead of their sum: a wrong
    second moment. A segment sum adds them at the source. Nor can a layer be rematerialised whose
    output has such a gradient.

    Args:
        table: [V, H].
        rows: int32 of any shape S.

    Returns:
        [S..., H].
    """
    # A tensor, not the variable: else TensorFlow would want the variable's gradient apart.
    return _lookup(tf.convert_to_tensor(table), rows)


@tf.custom_gradient
def _lookup(table: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        flat = tf.reshape(upstream, [-1, table.shape[-1]])
        return tf.math.unsorted_segment_sum(flat, tf.reshape(rows, [-1]), tf.shape(table)[0]), None

    return tf.gather(table, rows), gradient
