"""The words of raw text, in the graph: the rules of ``bert_keras.tasks.reading.words``.

They stand twice. The host asks for the words of one text, or of one word, at a time, which takes a
regular expression microseconds and these operations milliseconds; and the regular expressions of a
graph have no back-references and other classes of characters. The classes are taken from the host;
``tests/export/test_words.py`` compares the two on generated text.
"""

import re
import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.tasks.reading.words import is_mark
from bert_keras.tokenization.chunks import IDEOGRAPHS

# Bits of a character's class.
SPACE, IDEOGRAPH, MARK, WORD, STOP, SIGN, APOSTROPHE, S = (1 << bit for bit in range(8))
_TESTS: dict[int, Callable[[str], object]] = {
    SPACE: re.compile(r"\s").fullmatch,
    IDEOGRAPH: re.compile(f"[{IDEOGRAPHS}]").fullmatch,
    MARK: is_mark,
    WORD: re.compile(r"\w").fullmatch,
    STOP: re.compile(r"\.").fullmatch,
    SIGN: re.compile("[@#]").fullmatch,
    APOSTROPHE: re.compile("['’]").fullmatch,
    S: re.compile("s", re.IGNORECASE).fullmatch,
}


class Words(NamedTuple):
    """The words of B texts, D in all, text by text.

    Attributes:
        text: The number of the text of each word, int32 [D].
        start: Its first character in the text, int32 [D].
        end: The one after its last character, int32 [D].
        splits: The offset of each text's characters among those of all, int32 [B + 1].
        word_of_character: The word of each character of all texts, int32; -1 for a space.
    """

    text: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor
    splits: tf.Tensor
    word_of_character: tf.Tensor


@cache
def _ranges() -> tuple[np.ndarray, np.ndarray]:
    """The first code points of the ranges of one class, and the class of each."""
    characters = [chr(c) for c in range(sys.maxunicode + 1)]
    classes = np.zeros(len(characters), np.int32)
    for bit, test in _TESTS.items():
        classes |= np.fromiter((bit * bool(test(c)) for c in characters), np.int32, len(classes))
    firsts = np.flatnonzero(np.diff(classes, prepend=-1))
    return firsts.astype(np.int32), classes[firsts]


def split_words(codes: tf.RaggedTensor) -> Words:
    """The words of texts.

    Args:
        codes: The code points of the texts, int32 [B, (characters)].
    """
    flat, row = codes.values, tf.cast(codes.value_rowids(), tf.int32)
    splits = tf.cast(codes.row_splits, tf.int32)
    place = tf.range(tf.shape(flat)[0])
    firsts, classes = _ranges()
    kind = tf.gather(classes, tf.searchsorted(firsts, flat, side="right") - 1)
    begins = _word_begins(flat, row, place, kind)
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    is_space = _has(kind, SPACE)
    start = tf.reshape(tf.where(begins), [-1])
    # A word ends where its last character does: the words of a chunk leave nothing out.
    own = tf.where(is_space, -1, number)
    end = tf.math.unsorted_segment_max(place, own, tf.shape(start)[0]) + 1
    text = tf.gather(row, start)
    base = tf.gather(splits, text)
    start = tf.cast(start, tf.int32)
    return Words(text, start - base, end - base, splits, own)


def _word_begins(flat: tf.Tensor, row: tf.Tensor, place: tf.Tensor, kind: tf.Tensor) -> tf.Tensor:
    """Tell where a word begins, bool [T], by character."""
    is_space, is_mark_ = _has(kind, SPACE), _has(kind, MARK)
    alone = _has(kind, IDEOGRAPH)
    apart = (_before(row, -1) != row) | _before(is_space, True) | _before(alone, True)
    opens = ~is_space & (alone | apart)
    chunk = tf.where(is_space, -1, tf.cumsum(tf.cast(opens, tf.int32)) - 1)
    chunks = tf.reduce_sum(tf.cast(opens, tf.int32))

    def of_chunk(values: tf.Tensor) -> tf.Tensor:
        """The values of chunks, for each of their characters."""
        return tf.gather(tf.concat([values, values[:1], [0]], 0), tf.maximum(chunk, 0))

    inner = tf.where(is_mark_, -1, chunk)
    start = of_chunk(tf.math.unsorted_segment_min(place, chunk, chunks))
    end = of_chunk(tf.math.unsorted_segment_max(place, chunk, chunks)) + 1
    first = of_chunk(tf.math.unsorted_segment_min(place, inner, chunks))
    last = of_chunk(tf.math.unsorted_segment_max(place, inner, chunks)) + 1
    has_middle = first < last  # else both are the limits of int32, or 0
    first, last = tf.where(has_middle, first, end), tf.where(has_middle, last, end)

    def kind_at(places: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.concat([kind, [0]], 0), tf.clip_by_value(places, 0, tf.shape(kind)[0]))

    signed = has_middle & (first > start) & _has(kind_at(first - 1), SIGN)
    first -= tf.cast(signed, tf.int32)
    # Initials: a letter and a stop in turn, the last stop behind the last letter.
    is_due = tf.where((place - first) % 2 == 0, _has(kind, WORD), _has(kind, STOP))
    within = (chunk >= 0) & (place >= first) & (place <= last)
    fits = tf.cast(~within | is_due, tf.int32)
    initials = of_chunk(tf.math.unsorted_segment_min(fits, chunk, chunks)) > 0
    initials &= has_middle & (last < end) & ((last + 1 - first) % 2 == 0)
    last += tf.cast(initials, tf.int32)
    possessive = has_middle & (last - 2 > first) & _has(kind_at(last - 1), S)
    possessive &= _has(kind_at(last - 2), APOSTROPHE)

    differs = _before(flat, -1) != flat
    leading = (place < first) & ((place == start) | differs)
    middle = has_middle & ((place == first) | (possessive & (place == last - 2)))
    trailing = (place >= last) & ((place == last) | differs)
    return (chunk >= 0) & (leading | middle | trailing)


def _has(kind: tf.Tensor, bit: int) -> tf.Tensor:
    return tf.bitwise.bitwise_and(kind, bit) != 0


def _before(values: tf.Tensor, first: object) -> tf.Tensor:
    """The value before each; ``first`` before the first."""
    return tf.concat([tf.constant([first], values.dtype), values[:-1]], axis=0)
