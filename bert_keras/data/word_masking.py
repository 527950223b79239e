"""Masks over whole words: one by one, or several in a row.

A word is the text from one word start to the next: by the tokenizer (a word piece with the
"##" pieces behind it), or, where the corpus knows better, a Chinese word of several characters. No
more tokens are predicted than by ``TokenMasking``.
"""

from dataclasses import dataclass
from itertools import accumulate

import tensorflow as tf

from bert_keras.data.masking import Masking, MaskingDraws, Tensor

MAX_SPAN_WORDS = 10
"""The longest span (Joshi et al. 2020, section 3.1)."""

# The geometric distribution with p = 1/5 up to ten words, in whole numbers: a length of k words
# has the weight 4^(k-1) 5^(10-k). Its mean is 3.8 words.
_SPAN_WEIGHTS = [4 ** (k - 1) * 5 ** (MAX_SPAN_WORDS - k) for k in range(1, MAX_SPAN_WORDS + 1)]


@dataclass(frozen=True, kw_only=True)
class WholeWordMasking(Masking):
    """Masks over whole words, each with the same chance.

    As the original ``create_masked_lm_predictions`` with ``do_whole_word_mask`` (google-research/
    bert, "whole word masking models"; Cui et al. 2021, section 3.1, for Chinese): words are chosen
    in random order, one that would overflow the count is skipped, and each piece has a draw of
    its own among [MASK], kept and random. A "##" piece that follows a [SEP], where B was trimmed
    at its front, belongs to the last word before, as it does there.
    """

    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Choose the words with the highest random keys that fit into the budget."""
        assert word_starts is not None
        first = is_candidate & (tf.cumsum(tf.cast(is_candidate, tf.int32), axis=1) == 1)
        is_start = (is_candidate & word_starts) | first
        number = tf.cumsum(tf.cast(is_start, tf.int32), axis=1)
        size = _sizes(number, is_candidate)
        # All tokens of a word have its key, so that sorting by key puts them together.
        keys = tf.where(is_candidate, _of_word(draws.keys, number), -1)
        order = tf.math.top_k(keys, k=self.max_seq_length).indices
        # Both in one number, as the gathers cost most of the time.
        ordered = tf.gather(2 * size + tf.cast(is_start, tf.int32), order, batch_dims=1)
        is_chosen = _first_fit(ordered // 2, ordered % 2 == 1, budget[:, tf.newaxis])
        places = tf.where(is_chosen, self.max_seq_length - order, 0)
        return _ascending(places, self.max_seq_length, self.max_predictions_per_seq)


@dataclass(frozen=True, kw_only=True)
class SpanMasking(Masking):
    """Masks over spans of neighboring words (SpanBERT: Joshi et al. 2020, section 3.1).

    Span after span, until the budget is spent: a start uniform among the words that are not masked
    yet, and a length from a geometric distribution (p = 0.2, at most ten words). A span may
    continue over words that are masked already, ends at [SEP], and is no longer than what is left
    of the budget, in whole words; where not even its first word fits, another start is tried, P of
    them at most. Spans that touch or overlap are one. Each span as a whole becomes [MASK] (80 %),
    random words (10 %) or stays (10 %).

    The masks alone: SpanBERT's span boundary objective (section 3.2) is not here, and the budget
    is BERT's count. SpanBERT itself used single segments: ``next_sentence="none"``.
    """

    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Choose spans until the budget of every example is spent."""
        assert word_starts is not None
        follows_none = ~tf.pad(is_candidate, [[0, 0], [1, 0]])[:, :-1]
        is_start = is_candidate & (word_starts | follows_none)
        # Between texts the numbers jump by the length of the longest span.
        steps = tf.where(is_candidate, tf.cast(is_start, tf.int32), MAX_SPAN_WORDS)
        number = tf.cumsum(steps, axis=1)
        keys = tf.where(is_start, draws.keys, -1)
        keys, starts = tf.math.top_k(keys, k=self.max_predictions_per_seq)
        last_words = tf.gather(number, starts, batch_dims=1) + _span_lengths(draws.lengths)
        ends = tf.where(keys >= 0, _first_at(number, last_words), starts)
        ends = _choose_spans(starts, ends, number, budget[:, tf.newaxis])
        return _ascending(
            _places(starts, ends, self.max_seq_length),
            self.max_seq_length,
            self.max_predictions_per_seq,
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
    """The value [B, L] in the place of each token's word."""
    return tf.gather(values, tf.maximum(number - 1, 0), batch_dims=1)


def _first_fit(size: Tensor, is_start: Tensor, budget: Tensor) -> Tensor:
    """The words from left to right that fit into the budget; those that would overflow it do not.

    In rounds: each chooses as many words in a row as fit, then all that are too large for the rest
    drop out. A round leaves less room than the word it stopped at has tokens, so there are hardly
    more than two or three.

    Args:
        size: int32 [B, L], the tokens of each token's word, 0 where there is none.
        is_start: bool [B, L].
        budget: int32 [B, 1].

    Returns:
        Whether each token is of a chosen word, bool [B, L].
    """

    def choose(fits: Tensor, left: Tensor, is_chosen: Tensor) -> tuple[Tensor, ...]:
        total = tf.cumsum(tf.where(fits & is_start, size, 0), axis=1)
        is_new = fits & (total <= left)
        left -= tf.reduce_max(tf.where(is_new, total, 0), axis=1, keepdims=True)
        return fits & ~is_new & (size <= left), left, is_chosen | is_new

    state = ((size > 0) & (size <= budget), budget, tf.zeros_like(is_start))
    return tf.while_loop(lambda fits, *_: tf.reduce_any(fits), choose, state)[-1]


def _choose_spans(starts: Tensor, ends: Tensor, number: Tensor, budget: Tensor) -> Tensor:
    """Choose spans in their order until the budget is spent.

    Args:
        starts: int32 [B, S], where each possible span begins.
        ends: int32 [B, S], where it would end at most; its start where there is no span.
        number: int32 [B, L], ascending, the same within a word.
        budget: int32 [B, 1], tokens.

    Returns:
        The ends of the chosen spans, int32 [B, S]: 0 for one that was not chosen or has become
        part of another. They do not overlap.
    """
    length, count = number.shape[1], starts.shape[1]

    def has_budget(turn: Tensor, left: Tensor, _: Tensor) -> Tensor:
        return (turn < count) & tf.reduce_any(left > 0)

    def choose(turn: Tensor, left: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        start, end = starts[:, turn, tf.newaxis], ends[:, turn, tf.newaxis]
        reach = start + left
        last_word = tf.gather(number, tf.minimum(reach, length - 1), batch_dims=1)
        end = tf.where(end <= reach, end, _first_at(number, last_word))
        is_masked = tf.reduce_any((starts <= start) & (start < chosen), axis=1, keepdims=True)
        end = tf.where(is_masked, start, end)
        is_met = (starts > start) & (starts < end) & (starts < chosen)
        known = tf.where(is_met, tf.minimum(chosen, end) - starts, 0)
        left -= end - start - tf.reduce_sum(known, axis=1, keepdims=True)
        furthest = tf.maximum(
            end, tf.reduce_max(tf.where(is_met, chosen, 0), axis=1, keepdims=True)
        )
        chosen = tf.where(is_met, 0, chosen)
        is_this = (tf.range(count) == turn) & (end > start)
        return turn + 1, left, tf.where(is_this, furthest, chosen)

    return tf.while_loop(has_budget, choose, (0, budget, tf.zeros_like(starts)))[-1]


def _first_at(number: Tensor, values: Tensor) -> Tensor:
    """The first positions where ``number`` [B, L], ascending, reaches ``values`` [B, S]."""
    return tf.searchsorted(number, values)


def _places(starts: Tensor, ends: Tensor, length: int) -> Tensor:
    """The places in spans that do not overlap, int32 [B, S].

    Returns:
        int32 [B, length], ``length`` minus the position in a span, else 0.
    """
    batch = tf.shape(starts)[0]
    row = tf.range(batch)[:, tf.newaxis] * (length + 1)
    is_span = tf.cast(ends > 0, tf.int32)
    changes = tf.math.unsorted_segment_sum(
        tf.concat([is_span, -is_span], axis=1),
        row + tf.concat([starts, ends], axis=1),
        batch * (length + 1),
    )
    is_inside = tf.cumsum(tf.reshape(changes, [batch, length + 1]), axis=1)[:, :length] > 0
    return tf.where(is_inside, length - tf.range(length), 0)


def _span_lengths(draws: Tensor) -> Tensor:
    """Lengths in words from uniform int32 from 0 to 2**31 - 2, of the same shape."""
    total = sum(_SPAN_WEIGHTS)
    ends = [weight * tf.int32.max // total for weight in accumulate(_SPAN_WEIGHTS)]
    longer = draws[..., tf.newaxis] >= tf.constant(ends[:-1], tf.int32)
    return 1 + tf.reduce_sum(tf.cast(longer, tf.int32), axis=-1)


def _ascending(places: Tensor, length: int, count: int) -> tuple[Tensor, Tensor]:
    """The positions where ``places`` [B, L] are not 0: they hold ``length`` minus the position.

    Returns:
        The positions int32 [B, count], ascending, 0 in unused slots; which are used, bool.
    """
    values = tf.math.top_k(places, k=count).values
    is_used = values > 0
    return tf.where(is_used, length - values, 0), is_used
