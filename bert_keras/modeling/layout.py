"""How the tokens of a batch lie in memory: padded, or with the padding taken out.

Every layer works on tokens [T, H]; only attention needs to know which of them stand together, and
asks the layout. Padded means T = B * L with static shapes, as TPU, XLA and TFLite want it. Packed
means T = the real tokens of the batch, so that nothing is computed for padding.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from bert_keras.modeling.lookup import lookup


class Layout(NamedTuple):
    """Where the tokens [T, ...] of a batch stand in its sequences [B, L].

    Attributes:
        attention_mask: int32 [B, L], 1 at real tokens.
        row_of_position: int32 [B, L], the row among the tokens of each position; ``None`` when
            padded. At padding it points at some other row, which attention masks out.
        position_of_row: int32 [T], the position in the flattened batch (b * L + l) of each row;
            ``None`` when padded.
    """

    attention_mask: tf.Tensor
    row_of_position: tf.Tensor | None = None
    position_of_row: tf.Tensor | None = None

    @property
    def shape(self) -> tuple[tf.Tensor | int, tf.Tensor | int]:
        """B and L, as numbers where they are static."""
        return _first_two(self.attention_mask)

    @property
    def is_packed(self) -> bool:
        """Whether the padding is taken out."""
        return self.position_of_row is not None

    def to_tokens(self, sequences: tf.Tensor) -> tf.Tensor:
        """[B, L, ...] to [T, ...]."""
        flat = _merge_first_two(sequences)
        return tf.gather(flat, self.position_of_row) if self.is_packed else flat

    def to_sequences(self, tokens: tf.Tensor) -> tf.Tensor:
        """[T, H] to [B, L, H]; packed, what stands at padding is some other token's row."""
        if self.is_packed:
            return lookup(tokens, self.row_of_position)
        return tf.reshape(tokens, [*self.shape, tokens.shape[-1]])

    def without_padding(self, sequences: tf.Tensor, axis: int = 1) -> tf.Tensor:
        """Sequences, [B, L, ...] or with L at ``axis``, with 0 at padding where it is taken out."""
        if not self.is_packed:
            return sequences
        ones = [1] * sequences.shape.rank
        shape = [self.shape[0], *ones[1:axis], self.shape[1], *ones[axis + 1 :]]
        return sequences * tf.cast(tf.reshape(self.attention_mask, shape), sequences.dtype)

    def rows(self, positions: tf.Tensor) -> tf.Tensor:
        """The rows [B, P] among the tokens at ``positions`` [B, P] of their sequences."""
        if self.is_packed:
            return tf.gather(self.row_of_position, positions, batch_dims=1)
        batch, length = self.shape
        return positions + length * tf.range(batch)[:, None]


@dataclass(frozen=True)
class Mask:
    """Which tokens of a memory those of a query may see.

    Attributes:
        padding: int32 [B, S], 1 at the memory's real tokens.
        is_causal: Whether a token sees none that comes after it.
        blocks: int32 [B, S], the block of each token, which sees none of another; ``None`` where
            there is one block.

    With ``is_causal`` or ``blocks`` the L tokens of the query are the memory's last ones.
    """

    padding: tf.Tensor
    is_causal: bool = False
    blocks: tf.Tensor | None = None

    def bias(self, scores: tf.Tensor, masked_score: float) -> tf.Tensor:
        """What is added to scores: ``masked_score`` where a token must not be seen, else 0.

        Args:
            scores: [B, N, L, S].
            masked_score: Far below any score.

        Returns:
            float32 [B, 1, L, S], or [B, 1, 1, S] where every token sees the same.
        """
        # Of the mask alone where it can be, so that all layers share these operations.
        bias = tf.expand_dims((1.0 - tf.cast(self.padding, tf.float32)) * masked_score, 1)
        if self.is_causal or self.blocks is not None:
            length = _first_two(self.padding)[1]
            first = length - (scores.shape[2] or tf.shape(scores)[2])  # of the query
        if self.is_causal:
            positions = tf.range(length)
            is_later = positions > positions[first:, tf.newaxis]
            bias = tf.minimum(bias, tf.cast(is_later, tf.float32) * masked_score)
        if self.blocks is not None:
            is_other = self.blocks[:, tf.newaxis] != self.blocks[:, first:, tf.newaxis]
            bias = tf.minimum(bias, tf.cast(is_other, tf.float32) * masked_score)
        return tf.expand_dims(bias, 1)


def padded_layout(attention_mask: tf.Tensor) -> Layout:
    """The layout that keeps the padding.

    Args:
        attention_mask: int32 [B, L], 1 at real tokens.
    """
    return Layout(attention_mask)


def packed_layout(attention_mask: tf.Tensor) -> Layout:
    """The layout of the real tokens only; its T differs from batch to batch.

    The first position stays whatever it holds: the pooler reads it, and a batch of nothing but
    padding (the last share of a data set) still has a row to point at.

    Args:
        attention_mask: int32 [B, L], 1 at real tokens.
    """
    kept = tf.concat([tf.ones_like(attention_mask[:, :1]), attention_mask[:, 1:]], axis=1)
    kept = tf.reshape(kept, [-1])
    position_of_row = tf.cast(tf.reshape(tf.where(kept > 0), [-1]), tf.int32)
    row = tf.cumsum(tf.cast(kept > 0, tf.int32)) - 1
    return Layout(attention_mask, tf.reshape(row, tf.shape(attention_mask)), position_of_row)


def _first_two(tensor: tf.Tensor) -> tuple[tf.Tensor | int, tf.Tensor | int]:
    """The first two dimensions, as numbers where they are static."""
    dynamic = tf.shape(tensor)
    static = tensor.shape
    return tuple(dynamic[i] if static[i] is None else static[i] for i in (0, 1))


def _merge_first_two(tensor: tf.Tensor) -> tf.Tensor:
    batch, length = tensor.shape[:2]
    # Where they are not known, -1: a shape of numbers alone takes no operation.
    merged = -1 if batch is None or length is None else batch * length
    return tf.reshape(tensor, [merged, *tensor.shape[2:]])
