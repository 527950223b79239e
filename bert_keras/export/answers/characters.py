"""Parts of texts by their characters."""

import tensorflow as tf


def characters(
    codes: tf.Tensor, splits: tf.Tensor, rows: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tf.Tensor:
    """The characters from ``starts`` to ``ends`` of the texts ``rows``, string [E].

    Args:
        codes: The code points of all texts, one after another, int32.
        splits: Where those of each text begin, int32 [B + 1].
        rows: The numbers of the texts, int32 [E].
        starts: The first character of each part in its text, int32 [E].
        ends: Behind its last character, int32 [E].
    """
    base = tf.gather(splits, rows)
    ranges = tf.ragged.range(base + starts, base + ends)
    parts: tf.Tensor = tf.strings.unicode_encode(tf.gather(codes, ranges), "UTF-8")
    return parts
