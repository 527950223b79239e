"""Masked language modeling: which tokens a model must guess, and what it sees in their place.

Devlin et al. 2019, section 3.1 (task 1) and appendix A.2; ``create_masked_lm_predictions`` in the
original ``create_pretraining_data.py``. Whole batches at a time, in the graph, by stateless random
numbers.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

Tensor = Any  # TensorFlow ships no type information.

# Of ten actions, those below eight write [MASK], the next keeps the word, the last replaces it.
_ACTIONS = 10
_KEEP = 8


class MaskingDraws(NamedTuple):
    """The random numbers that mask one batch, which has P slots, one for each word to predict.

    Attributes:
        keys: int32 [B, L], from 0; the highest ones choose what is masked.
        action: int32 [B, P], from 0 to 9: eight mean [MASK], one keeps, one takes a random word.
        words: int32 [B, P], random words.
        lengths: int32 [B, P], from 0; how long spans are.
    """

    keys: Tensor
    action: Tensor
    words: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True)
class Masking(ABC):
    """The base of all ways of masking; they differ in ``choose`` and ``slot_actions``.

    Attributes:
        max_seq_length: L.
        max_predictions_per_seq: P, at most L.
        masking_rate: The share of an example's tokens to predict.
        vocab_size: Random words are drawn from all ids below this.
        special_ids: The ids of the template's special tokens, never predicted.
        mask_id: The id of [MASK].
    """

    max_seq_length: int
    max_predictions_per_seq: int
    masking_rate: float
    vocab_size: int
    special_ids: tuple[int, ...]
    mask_id: int

    def draw(self, batch_size: int, seed: int, step: Tensor) -> MaskingDraws:
        """The draws of the batch of a step, fixed by ``seed`` and ``step`` (int64 scalar).

        The seed follows from that of the run: a phase of pre-training has its own, and so have
        the masks of fine-tuning.

        What a way of masking does not use is never computed: the graph prunes it.
        """
        seeds = tf.random.split(tf.stack([tf.constant(seed, tf.int64), step]), 4, alg="philox")
        per_token = [batch_size, self.max_seq_length]
        per_slot = [batch_size, self.max_predictions_per_seq]
        return MaskingDraws(
            keys=_integers(per_token, seeds[0], tf.int32.max),
            action=_integers(per_slot, seeds[1], _ACTIONS),
            words=_integers(per_slot, seeds[2], self.vocab_size),
            lengths=_integers(per_slot, seeds[3], tf.int32.max),
        )

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        draws: MaskingDraws,
        word_starts: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The batch, masked.

        Args:
            input_ids: int32 [B, L].
            attention_mask: int32 [B, L].
            draws: This batch's random numbers.
            word_starts: bool [B, L], whether a token is the first of a word; needed where whole
                words are masked.

        Returns:
            ``input_ids`` int32 [B, L], now masked; ``masked_lm_positions`` int32 [B, P],
            ascending; ``masked_lm_ids`` int32 [B, P], what was there; ``masked_lm_weights``
            float32 [B, P], 1. Slots that are not needed come last and hold 0.
        """
        is_candidate = tf.cast(attention_mask, tf.bool)
        for special in self.special_ids:
            is_candidate &= input_ids != special
        budget = tf.gather(
            tf.constant(self.counts_by_length()), tf.reduce_sum(attention_mask, axis=1)
        )
        positions, is_used = self.choose(is_candidate, word_starts, budget, draws)
        originals = tf.gather(input_ids, positions, batch_dims=1)
        action = self.slot_actions(positions, draws)
        seen = tf.where(
            action < _KEEP,
            self.mask_id,
            tf.where(action == _KEEP, originals, draws.words),
        )
        used = tf.cast(is_used, tf.int32)
        return {
            # A slot that is not used points at the first token and writes what is there already.
            "input_ids": _put(input_ids, positions, tf.where(is_used, seen, originals)),
            "masked_lm_positions": positions,
            "masked_lm_ids": originals * used,
            "masked_lm_weights": tf.cast(is_used, tf.float32),
        }

    @abstractmethod
    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Choose the tokens to predict.

        Args:
            is_candidate: bool [B, L], text without special tokens and padding.
            word_starts: bool [B, L], or None.
            budget: int32 [B], how many tokens to predict.
            draws: Random numbers.

        Returns:
            The positions int32 [B, P], ascending, 0 in unused slots; which slots are used, bool
            [B, P].
        """

    def slot_actions(self, positions: Tensor, draws: MaskingDraws) -> Tensor:
        """The action for each of ``positions`` [B, P], int32 [B, P]: each has a draw of its own."""
        return draws.action

    def counts_by_length(self) -> list[int]:
        """The number of tokens predicted in a text of n tokens, special ones included, n = 0 to L.

        Rounded by Python, as in the original: halves go to the even number.
        """
        return [
            min(self.max_predictions_per_seq, max(1, round(length * self.masking_rate)))
            for length in range(self.max_seq_length + 1)
        ]


@dataclass(frozen=True, kw_only=True)
class TokenMasking(Masking):
    """Masks over word pieces, each with the same chance (Devlin et al. 2019, section 3.1)."""

    def choose(
        self, is_candidate: Tensor, word_starts: Tensor | None, budget: Tensor, draws: MaskingDraws
    ) -> tuple[Tensor, Tensor]:
        """Choose the candidates with the highest random keys."""
        keys = tf.where(is_candidate, draws.keys, -1)
        best_keys, best = tf.math.top_k(keys, k=self.max_predictions_per_seq)
        slots = tf.range(self.max_predictions_per_seq)
        is_used = (slots < budget[:, tf.newaxis]) & (best_keys >= 0)
        unused_last = tf.sort(tf.where(is_used, best, self.max_seq_length), axis=1)
        is_used = unused_last < self.max_seq_length
        return tf.where(is_used, unused_last, 0), is_used


def _integers(shape: list[int], seed: Tensor, end: int) -> Tensor:
    """Random int32 from 0 to ``end`` - 1. Integers, not floats: those differ under XLA."""
    return tf.random.stateless_uniform(shape, seed, 0, end, dtype=tf.int32, alg="philox")


def _put(values: Tensor, positions: Tensor, replacements: Tensor) -> Tensor:
    """The ``values`` [B, L] with ``replacements`` [B, P] at ``positions`` [B, P]."""
    rows = tf.range(tf.shape(positions)[0])[:, tf.newaxis]
    indices = tf.stack([tf.broadcast_to(rows, tf.shape(positions)), positions], axis=-1)
    return tf.tensor_scatter_nd_update(values, indices, replacements)
