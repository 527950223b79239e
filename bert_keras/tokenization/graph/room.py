"""How texts share the tokens of a sequence, as ``BertTokenizer.encode`` lets them."""

import tensorflow as tf

from bert_keras.errors import InputError


def room_for(max_length: int, texts: int) -> int:
    """The tokens that a sequence of one text or a pair has beside the special ones.

    Raises:
        InputError: When it has no room for the special tokens.
    """
    if max_length < 1 + texts:
        raise InputError(
            f"max_length must be at least {1 + texts}, the special tokens. Received: {max_length}"
        )
    return max_length - 1 - texts


def truncated(lengths: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    """How many tokens of each text stay; the longer of a pair is cut first."""
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    first, second = lengths
    short = tf.minimum(tf.minimum(first, second), room // 2)
    fits, first_is_short = first + second <= room, first <= second
    return [
        tf.where(fits, first, tf.where(first_is_short, short, room - short)),
        tf.where(fits, second, tf.where(first_is_short, room - short, short)),
    ]
