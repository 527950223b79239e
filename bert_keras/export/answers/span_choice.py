"""The best answer of many candidates, in the graph: the rules of ``tasks.span_answers``."""

import math
from typing import NamedTuple

import tensorflow as tf

# Odd, so that no two powers of it are alike modulo 2**64; the arithmetic is that of int64.
_BASE = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = 0xD1B54A32D192ED03 - (1 << 64)


class Candidates(NamedTuple):
    """C possible answers in B texts, in the order in which the host meets them.

    Attributes:
        text: The number of the text of each, int32 [C].
        score: The sum of its two logits, float64 [C].
        start: Its first character, int32 [C].
        end: Behind its last character, int32 [C].
        base: Where its text begins among the characters of all, int32 [C].
    """

    text: tf.Tensor
    score: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor
    base: tf.Tensor


def choose(
    candidates: Candidates, none: tf.Tensor, codes: tf.Tensor, n_best: int, threshold: float
) -> dict[str, tf.Tensor]:
    """The answer to each question.

    Args:
        candidates: What can be an answer.
        none: The score of no answer for each text, float64 [B].
        codes: The code points of all texts, one after another, int32.
        n_best: Among how many different answers the probability is shared.
        threshold: No answer is given when its score exceeds the best one's by more; with an
            infinite one it is no candidate.

    Returns:
        ``starts``, ``ends`` int32 [B], ``scores`` and ``no_answer_scores`` float32 [B].
    """
    count = tf.shape(none)[0]
    key = _hashes(codes, candidates)
    is_none = tf.zeros_like(candidates.text, tf.bool)
    columns = [candidates.text, candidates.score, candidates.start, candidates.end]
    if threshold < math.inf:
        zeros = tf.zeros([count], tf.int32)
        empty = (tf.range(count), none, zeros, zeros)
        columns = [tf.concat(pair, axis=0) for pair in zip(columns, empty, strict=True)]
        key = tf.concat([key, tf.zeros_like(none, tf.int64)], axis=0)
        is_none = tf.concat([is_none, tf.ones_like(zeros, tf.bool)], axis=0)
    text, score, start, end = columns
    # By text, then by score; among equal ones the order stays.
    order = tf.argsort(-score, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(text, order), stable=True))
    text, score, start, end, key, is_none = (
        tf.gather(column, order) for column in (text, score, start, end, key, is_none)
    )
    length = tf.cast(end - start, tf.int64)
    same = tf.stack([tf.cast(text, tf.int64), length, key], axis=1)
    _, number = tf.raw_ops.UniqueV2(x=same, axis=[0])
    different = tf.reduce_max(tf.concat([[-1], number], axis=0)) + 1
    first = tf.math.unsorted_segment_min(tf.range(tf.shape(number)[0]), number, different)
    text, score, start, end, is_none = (
        tf.gather(column, first) for column in (text, score, start, end, is_none)
    )
    each = tf.math.unsorted_segment_sum(tf.ones_like(text), text, count)
    rank = tf.range(tf.shape(text)[0]) - tf.gather(tf.cumsum(each, exclusive=True), text)
    kept = tf.where((rank < n_best) | is_none)[:, 0]
    text, score, start, end, is_none = (
        tf.gather(column, kept) for column in (text, score, start, end, is_none)
    )
    shares = _softmax(score, text, count)
    return _chosen(text, score, start, end, is_none, shares, none, threshold)


def _chosen(
    text: tf.Tensor,
    score: tf.Tensor,
    start: tf.Tensor,
    end: tf.Tensor,
    is_none: tf.Tensor,
    shares: tf.Tensor,
    none: tf.Tensor,
    threshold: float,
) -> dict[str, tf.Tensor]:
    """The first that is an answer, or none."""
    count = tf.shape(none)[0]
    places = tf.range(tf.shape(text)[0])
    last = tf.shape(text)[0]  # a place for those that have none, with zeros
    best = tf.math.unsorted_segment_min(places, tf.where(is_none, -1, text), count)
    best = tf.minimum(best, last)
    best_score = tf.gather(tf.concat([score, [0.0]], axis=0), best)
    preference = none - best_score
    if threshold < math.inf:
        empty = tf.math.unsorted_segment_min(places, tf.where(is_none, text, -1), count)
        best = tf.where(preference > threshold, empty, best)

    def at_best(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.concat([values, tf.zeros([1], values.dtype)], axis=0), best)

    return {
        "starts": at_best(start),
        "ends": at_best(end),
        "scores": tf.cast(at_best(shares), tf.float32),
        "no_answer_scores": tf.cast(preference, tf.float32),
    }


def _softmax(score: tf.Tensor, text: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The softmax over the scores of each text."""
    highest = tf.math.unsorted_segment_max(score, text, count)
    powers = tf.exp(score - tf.gather(highest, text))
    return powers / tf.gather(tf.math.unsorted_segment_sum(powers, text, count), text)


def _hashes(codes: tf.Tensor, candidates: Candidates) -> tf.Tensor:
    """A number for the characters of each candidate: alike exactly where they are, int64 [C].

    A polynomial hash from sums over all characters before, so that no candidate's characters need
    be copied; that two texts of one length meet by chance has odds of about 2**-60.
    """
    mixed = tf.cast(codes, tf.int64) * _MIX
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, tf.constant(29, tf.int64)))
    powers = tf.math.cumprod(tf.fill(tf.shape(mixed), tf.constant(_BASE, tf.int64)))
    sums = tf.concat([[tf.constant(0, tf.int64)], tf.cumsum(mixed * powers)], axis=0)
    first = candidates.base + candidates.start
    last = candidates.base + candidates.end
    # The later a text stands, the higher its powers; all are raised to the highest.
    total = tf.shape(codes)[0]
    raised = tf.concat([[tf.constant(1, tf.int64)], powers], axis=0)
    return (tf.gather(sums, last) - tf.gather(sums, first)) * tf.gather(raised, total - first)
