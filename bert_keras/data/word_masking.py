"""Masks over whole words: one by one, or several in a row.

A word is the text from one word start to the next: a word piece with the "##" pieces that go on
with it, or, where the corpus knows better, a Chinese word of several characters. No more tokens are
predicted than by ``TokenMasking``.
"""

from dataclasses import dataclass
from itertools import accumulate

import tensorflow as tf

from bert_keras.data.masking import Masking, MaskingDraws, Tensor

MAX_SPAN_WORDS = 10
"""The longest span (Joshi et al. 2020, section 3.1)."""

_NO_START = -1
_MASKED = -2

# The geometric distribution with p = 1/5 up to ten words, in whole numbers: a length of k words
# has the weight 4^(k-1) 5^(10-k). Its mean is 3.8 words.
_SPAN_WEIGHTS = [4 ** (k - 1) * 5 ** (MAX_SPAN_WORDS - k) for k in range(1, MAX_SPAN_WORDS + 1)]


@dataclass(frozen=True, kw_only=True)
class WholeWordMasking(Masking):
    """Masks whole words, each with the same chance.

    As the original ``create_masked_lm_predictions`` with ``do_whole_word_mask`` (google-research/
    bert, "whole word masking models"; Cui et al. 2021, section 3.1, for Chinese): words are taken
    in random order, one that would overflow the count is skipped, and each piece has a draw of
    its own among [MASK], kept and random. A "##" piece that follows a [SEP], where B was trimmed
    at its front, belongs to the last word before, as it does there.
    """

    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Chooses the words with the highest random keys that fit into the budget."""
        assert word_starts is not None
        first = is_candidate & (tf.cumsum(tf.cast(is_candidate, tf.int32), axis=1) == 1)
        is_start = (is_candidate & word_starts) | first
        number = tf.cumsum(tf.cast(is_start, tf.int32), axis=1)
        size = _sizes(number, is_candidate)
        # All tokens of a word have its key, so that sorted by key they stand together.
        keys = tf.where(is_candidate, _of_word(draws.keys, number), -1)
        order = tf.math.top_k(keys, k=self.max_seq_length).indices
        # Both in one number: gathers are what this costs most.
        ordered = tf.gather(2 * size + tf.cast(is_start, tf.int32), order, batch_dims=1)
        is_chosen = _first_fit(ordered // 2, ordered % 2 == 1, budget[:, tf.newaxis])
        places = tf.where(is_chosen, self.max_seq_length - order, 0)
        return _ascending(places, self.max_seq_length, self.max_predictions_per_seq)


@dataclass(frozen=True, kw_only=True)
class SpanMasking(Masking):
    """Masks spans of neighbouring words (SpanBERT: Joshi et al. 2020, section 3.1).

    Span after span, until the budget is spent: a length from a geometric distribution (p = 0.2,
    at most ten words), and a start uniform among the words that are not masked yet. A span runs on
    over words that are masked already, ends at [SEP], and is cut to the words that the budget has
    room for; a word that no room is left for begins none. Spans that touch or overlap are one.
    Each span as a whole becomes [MASK] (80 %), random words (10 %) or stays (10 %).

    The masks alone: SpanBERT's span boundary objective (section 3.2) is not here, and the budget
    is BERT's count. SpanBERT itself used single segments: ``next_sentence="none"``.
    """

    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Chooses spans until the budget of every example is spent."""
        assert word_starts is not None
        follows_none = ~tf.pad(is_candidate, [[0, 0], [1, 0]])[:, :-1]
        is_start = is_candidate & (word_starts | follows_none)
        # Across what is no text the numbers jump by more than a span is long.
        steps = tf.where(is_candidate, tf.cast(is_start, tf.int32), MAX_SPAN_WORDS)
        number = tf.cumsum(steps, axis=1)
        size = tf.where(
            is_start, _sizes(tf.cumsum(tf.cast(is_start, tf.int32), axis=1), is_candidate), 0
        )
        lengths = _span_lengths(draws.lengths)

        def add_span(
            turn: Tensor, is_open: Tensor, left: Tensor, keys: Tensor
        ) -> tuple[Tensor, ...]:
            usable = tf.where(size <= left, keys, _NO_START)
            start = tf.argmax(usable, axis=1, output_type=tf.int32)[:, tf.newaxis]
            is_found = tf.gather(usable, start, batch_dims=1) >= 0
            length = tf.where(is_found, tf.gather(lengths, turn, axis=1)[:, tf.newaxis], 0)
            word = number - tf.gather(number, start, batch_dims=1)
            is_new = (word >= 0) & (word < length) & (keys > _MASKED)
            total = tf.cumsum(tf.cast(is_new, tf.int32), axis=1)
            overflowing = tf.where(is_new & (total > left), word, MAX_SPAN_WORDS)
            is_new &= word < tf.reduce_min(overflowing, axis=1, keepdims=True)
            left -= tf.reduce_sum(tf.cast(is_new, tf.int32), axis=1, keepdims=True)
            is_open = tf.reduce_any(is_found & (left > 0))
            return turn + 1, is_open, left, tf.where(is_new, _MASKED, keys)

        # A token's key says where a span can start, and then what is masked already.
        keys = tf.where(is_start, draws.keys, _NO_START)
        *_, keys = tf.while_loop(
            lambda turn, is_open, *_: is_open,
            add_span,
            (0, tf.constant(True), budget[:, tf.newaxis], keys),
            maximum_iterations=self.max_predictions_per_seq,
        )
        places = self.max_seq_length - tf.range(self.max_seq_length)
        return _ascending(
            tf.where(keys == _MASKED, places, 0), self.max_seq_length, self.max_predictions_per_seq
        )

    def slot_actions(self, positions: Tensor, draws: MaskingDraws) -> Tensor:
        """One action a span, for all positions in it."""
        before = tf.pad(positions[:, :-1], [[0, 0], [1, 0]], constant_values=-2)
        span = tf.cumsum(tf.cast(positions != before + 1, tf.int32), axis=1) - 1
        return tf.gather(draws.action, span, batch_dims=1)


def _sizes(number: Tensor, is_candidate: Tensor) -> Tensor:
    """The tokens of the word that each token is in, int32 [B, L], 0 where there is no word.

    Args:
        number: int32 [B, L], the number of the word, from 1.
        is_candidate: bool [B, L], whether a token counts.
    """
    batch, length = tf.shape(number)[0], tf.shape(number)[1]
    words = tf.range(batch)[:, tf.newaxis] * (length + 1) + tf.where(is_candidate, number, 0)
    counted = tf.cast(is_candidate, tf.int32)
    sizes = tf.math.unsorted_segment_sum(counted, words, batch * (length + 1))
    return tf.gather(sizes, words)


def _of_word(values: Tensor, number: Tensor) -> Tensor:
    """Gives each token the value [B, L] in its word's place."""
    return tf.gather(values, tf.maximum(number - 1, 0), batch_dims=1)


def _first_fit(size: Tensor, is_start: Tensor, budget: Tensor) -> Tensor:
    """Takes words from left to right, skipping those that would overflow the budget.

    In rounds: each takes as many words in a row as fit, then all that are too large for the rest
    drop out. A round leaves less room than the word it stopped at has tokens, so there are hardly
    more than two or three.

    Args:
        size: int32 [B, L], the tokens of each token's word, 0 where there is none.
        is_start: bool [B, L].
        budget: int32 [B, 1].

    Returns:
        The tokens of the words taken, bool [B, L].
    """

    def take(fits: Tensor, left: Tensor, is_taken: Tensor) -> tuple[Tensor, ...]:
        total = tf.cumsum(tf.where(fits & is_start, size, 0), axis=1)
        is_new = fits & (total <= left)
        left -= tf.reduce_max(tf.where(is_new, total, 0), axis=1, keepdims=True)
        return fits & ~is_new & (size <= left), left, is_taken | is_new

    state = ((size > 0) & (size <= budget), budget, tf.zeros_like(is_start))
    return tf.while_loop(lambda fits, *_: tf.reduce_any(fits), take, state)[-1]


def _span_lengths(draws: Tensor) -> Tensor:
    """Turns uniform int32 from 0 to 2**31 - 2 into numbers of words, of the same shape."""
    total = sum(_SPAN_WEIGHTS)
    ends = [weight * tf.int32.max // total for weight in accumulate(_SPAN_WEIGHTS)]
    longer = draws[..., tf.newaxis] >= tf.constant(ends[:-1], tf.int32)
    return 1 + tf.reduce_sum(tf.cast(longer, tf.int32), axis=-1)


def _ascending(places: Tensor, length: int, count: int) -> tuple[Tensor, Tensor]:
    """Finds where ``places`` [B, L] are not 0: they hold ``length`` minus the position.

    Returns:
        The positions int32 [B, count], ascending, 0 in unused slots; which are used, bool.
    """
    values = tf.math.top_k(places, k=count).values
    is_used = values > 0
    return tf.where(is_used, length - values, 0), is_used
