"""Long texts in overlapping windows, in the graph: the rules of ``bert_keras.tasks.windows``."""

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Windows over the tokens of B texts, W in all, text by text.

    Attributes:
        text: The number of the text of each window, int32 [W].
        start: Its first token, int32 [W].
        end: Behind its last token, int32 [W].
    """

    text: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor


def cut_windows(lengths: tf.Tensor, sizes: tf.Tensor, stride: int, most: int) -> Windows:
    """Cuts texts into windows of at most ``sizes`` tokens, each ``stride`` after the one before.

    Args:
        lengths: The tokens of each text, int32 [B].
        sizes: The most tokens of a window of each text, int32 [B].
        stride: Tokens from one window to the next; no more than the size is taken.
        most: The most windows of a text; what follows them is left out.
    """
    strides = tf.minimum(sizes, stride)
    beyond = tf.maximum(lengths - sizes, 0)
    counts = tf.minimum(1 + (beyond + strides - 1) // strides, most)
    text = tf.repeat(tf.range(tf.shape(lengths)[0]), counts)
    number = tf.range(tf.shape(text)[0]) - tf.gather(tf.cumsum(counts, exclusive=True), text)
    start = number * tf.gather(strides, text)
    end = tf.minimum(start + tf.gather(sizes, text), tf.gather(lengths, text))
    return Windows(text, start, end)


def tokens_read(sizes: tf.Tensor, stride: int, most: int) -> tf.Tensor:
    """The most tokens that the windows of each text hold together, int32 [B].

    The arguments are those of ``cut_windows``.
    """
    return sizes + (most - 1) * tf.minimum(sizes, stride)


def best_windows(windows: Windows, width: tf.Tensor) -> tf.Tensor:
    """Whether a token has more context in a window than in the others, bool [W, S].

    S places of each window, the longest's. Of windows alike the first has the token; each token of
    a text is in one window alone.

    Args:
        windows: The windows.
        width: The most tokens of any text.
    """
    lengths = windows.end - windows.start
    places = tf.range(tf.reduce_max(tf.concat([[0], lengths], axis=0)))[None]
    inside = places < lengths[:, None]
    # float64 as on the host, so that the same windows are alike.
    around = tf.minimum(places, lengths[:, None] - 1 - places)
    score = tf.cast(around, tf.float64) + 0.01 * tf.cast(lengths, tf.float64)[:, None]
    tokens = windows.text[:, None] * width + windows.start[:, None] + places
    tokens = tf.where(inside, tokens, -1)  # segment sums pass over negative numbers
    count = (tf.reduce_max(tf.concat([[-1], windows.text], axis=0)) + 1) * width
    highest = tf.math.unsorted_segment_max(score, tokens, count)
    found = tf.maximum(tokens, 0)
    is_highest = inside & (score >= tf.gather(_at_least_one(highest), found))
    rows = tf.range(tf.shape(lengths)[0])[:, None] + tf.zeros_like(places)
    first = tf.math.unsorted_segment_min(rows, tf.where(is_highest, tokens, -1), count)
    return is_highest & (rows == tf.gather(_at_least_one(first), found))


def _at_least_one(values: tf.Tensor) -> tf.Tensor:
    """The values and one more, so that there is something to gather from."""
    return tf.concat([values, tf.zeros([1], values.dtype)], axis=0)
