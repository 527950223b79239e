"""``SequenceTemplate`` as TensorFlow operations: batches of texts with special tokens around."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from bert_keras.tokenization.template import SequenceTemplate


class Placed(NamedTuple):
    """The places of texts in B sequences of L tokens.

    Attributes:
        texts: For each of the one or two texts whether a place is its, bool [B, L], and which of
            its tokens that is, int32 [B, L].
        special: The ids of the special tokens and of padding, int32 [B, L]; any in a text.
        is_text: Whether a place is of any text, bool [B, L].
        attention_mask: int32 [B, L].
        token_type_ids: int32 [B, L].
    """

    texts: list[tuple[tf.Tensor, tf.Tensor]]
    special: tf.Tensor
    is_text: tf.Tensor
    attention_mask: tf.Tensor
    token_type_ids: tf.Tensor


def place_texts(template: SequenceTemplate, lengths: Sequence[tf.Tensor], pad_id: int) -> Placed:
    """The places of texts as ``SequenceTemplate.build`` lays them out, padded to the longest.

    Args:
        template: The template.
        lengths: The number of tokens of each of the one or two texts, int32 [B] each.
        pad_id: The id of padding.
    """
    total = (tf.add_n(list(lengths)) + template.overhead(len(lengths)))[:, tf.newaxis]
    place = tf.range(tf.maximum(tf.reduce_max(total), 0))[tf.newaxis]
    special = tf.fill(tf.shape(place + total), pad_id)
    is_text, types = tf.zeros_like(special, tf.bool), tf.zeros_like(special)
    texts: list[tuple[tf.Tensor, tf.Tensor]] = []
    begin = tf.zeros_like(total)
    for part in template.in_order([length[:, tf.newaxis] for length in lengths]):
        if isinstance(part, tuple):
            for number in part:
                special = tf.where(place == begin, number, special)
                begin += 1
            continue
        inside = (place >= begin) & (place < begin + part)
        if texts:
            is_second = (place >= begin) & (place < total)
            types = tf.where(is_second, template.second_type, types)
        texts.append((inside, place - begin))
        is_text |= inside
        begin += part
    return Placed(texts, special, is_text, tf.cast(place < total, tf.int32), types)
