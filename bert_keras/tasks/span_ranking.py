"""The best answers to questions by the logits of windows, as ``run_squad.py`` ranks them.

In TensorFlow's operations, for many questions at a time: ``predict`` calls ``ranked`` as it is, and
an exported graph has it inside.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Odd, so that no two powers of it are alike modulo 2**64; the arithmetic is that of int64.
_BASE = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = 0xD1B54A32D192ED03 - (1 << 64)


class AnsweredWindows(NamedTuple):
    """W windows over B texts, one text for each question, and what the model answers.

    Tables are padded to the longest window: ``is_best`` with False, the others with anything.

    Attributes:
        text: The number of the text of each, ascending, int32 [W].
        first: The place of its first token in the sequence, int32 [W].
        size: Its tokens, int32 [W].
        start_logits: float64 [W, L].
        end_logits: float64 [W, L].
        is_best: Whether a token has more context here than in the other windows, bool [W, S].
        starts: The first character of each token in its text, int32 [W, S].
        ends: The one after its last character, int32 [W, S].
    """

    text: tf.Tensor
    first: tf.Tensor
    size: tf.Tensor
    start_logits: tf.Tensor
    end_logits: tf.Tensor
    is_best: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


class Ranked(NamedTuple):
    """A answers to the questions on B texts, text by text, the likeliest first.

    Attributes:
        text: The number of the text of each, int32 [A].
        score: The sum of its two logits, float64 [A].
        start: Its first character, int32 [A].
        end: The one after its last character, int32 [A]; that of no answer is its start.
    """

    text: tf.Tensor
    score: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor


def ranked(
    windows: AnsweredWindows,
    codes: tf.Tensor,
    splits: tf.Tensor,
    n_best: int,
    max_answer_length: int,
    no_answer_threshold: float,
) -> tuple[Ranked, tf.Tensor]:
    """The best answers to each question, of which no two have the same characters.

    Args:
        windows: The windows.
        codes: The characters of all texts, one after another, int32.
        splits: Where those of each text begin, int32 [B + 1].
        n_best: The most answers, and the most starts and ends of each window that are looked at.
        max_answer_length: Longest answer in tokens.
        no_answer_threshold: With an infinite one no answer is not among them; otherwise it is.

    Returns:
        The answers; the score of no answer to each question, the lowest of its windows,
        float64 [B].
    """
    sums = windows.start_logits[:, 0] + windows.end_logits[:, 0]
    none = tf.math.unsorted_segment_min(sums, windows.text, tf.size(splits) - 1)
    found = _candidates(windows, n_best, max_answer_length)
    may_be_none = no_answer_threshold < math.inf
    if may_be_none:
        zeros = tf.zeros_like(none, tf.int32)
        empty = Ranked(tf.range(tf.size(none)), none, zeros, zeros)
        found = Ranked(*(tf.concat(pair, axis=0) for pair in zip(found, empty, strict=True)))
    # By text, then by score; of equal ones that of the first window, then with the likelier start.
    order = tf.argsort(-found.score, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(found.text, order), stable=True))
    found = _at(found, order)
    same = tf.stack([tf.cast(found.text, tf.int64), _hashes(found, codes, splits)], axis=1)
    _, number = tf.raw_ops.UniqueV2(x=same, axis=[0])
    different = tf.reduce_max(tf.concat([[-1], number], axis=0)) + 1
    found = _at(found, tf.math.unsorted_segment_min(tf.range(tf.size(number)), number, different))
    counts = tf.math.unsorted_segment_sum(tf.ones_like(found.text), found.text, tf.size(none))
    first_of_text = tf.gather(tf.cumsum(counts, exclusive=True), found.text)
    is_kept = tf.range(tf.size(found.text)) - first_of_text < n_best
    if may_be_none:
        is_kept |= found.start == found.end
    return _at(found, tf.where(is_kept)[:, 0]), none


def _at(answers: Ranked, places: tf.Tensor) -> Ranked:
    return Ranked(*(tf.gather(column, places) for column in answers))


def _candidates(windows: AnsweredWindows, n_best: int, max_answer_length: int) -> Ranked:
    """The pairs of likely starts and ends of each window that can be an answer."""
    size, before = windows.size[:, None], windows.first[:, None]

    def likeliest(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        missing = tf.maximum(n_best - tf.shape(logits)[1], 0)
        padded = tf.pad(logits, [[0, 0], [0, missing]], constant_values=-np.inf)
        values, places = tf.math.top_k(padded, n_best)
        return values, places - before

    start_values, firsts = likeliest(windows.start_logits)
    end_values, lasts = likeliest(windows.end_logits)
    is_best = tf.pad(windows.is_best, [[0, 0], [0, 1]])
    place = tf.clip_by_value(firsts, 0, tf.shape(is_best)[1] - 1)
    may_start = (firsts >= 0) & (firsts < size) & tf.gather(is_best, place, batch_dims=1)
    may_end = (lasts >= 0) & (lasts < size)
    length = lasts[:, None, :] - firsts[:, :, None]
    can_be = may_start[:, :, None] & may_end[:, None, :]
    can_be &= (length >= 0) & (length < max_answer_length)
    found = tf.where(can_be)
    window, of_start, of_end = found[:, 0], found[:, :2], tf.gather(found, [0, 2], axis=1)

    def characters(table: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather_nd(table, tf.stack([tf.cast(window, tokens.dtype), tokens], axis=1))

    return Ranked(
        tf.gather(windows.text, window),
        tf.gather_nd(start_values, of_start) + tf.gather_nd(end_values, of_end),
        characters(windows.starts, tf.gather_nd(firsts, of_start)),
        characters(windows.ends, tf.gather_nd(lasts, of_end)),
    )


def _hashes(answers: Ranked, codes: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """A polynomial hash of the characters of each answer, int64 [A].

    It comes from sums over all earlier characters, so that no characters are copied; two different
    answers have the same one by chance, with a probability of about 2**-60.
    """
    # Never 0, so that a longer answer has another hash.
    mixed = (tf.cast(codes, tf.int64) + 1) * _MIX
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, tf.constant(29, tf.int64)))
    powers = tf.math.cumprod(tf.fill(tf.shape(mixed), tf.constant(_BASE, tf.int64)))
    sums = tf.concat([[tf.constant(0, tf.int64)], tf.cumsum(mixed * powers)], axis=0)
    base = tf.gather(splits, answers.text)
    first, last = base + answers.start, base + answers.end
    # Powers grow with the place among all characters; all are raised to the highest.
    raised = tf.concat([[tf.constant(1, tf.int64)], powers], axis=0)
    return (tf.gather(sums, last) - tf.gather(sums, first)) * tf.gather(
        raised, tf.size(codes) - first
    )
