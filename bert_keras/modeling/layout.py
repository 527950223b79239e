"""The layout of a batch's tokens in memory: padded, or packed without the padding.

Every layer works on tokens [T, H]; only attention needs to know which tokens are of one sequence,
and asks the layout. Padded, T = B * L is static, as TPU, XLA and TFLite need it. Packed, T is the
number of real tokens in the batch, so that nothing is computed for padding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf


class Layout(NamedTuple):
    """The places of the tokens [T, ...] of a batch in its sequences [B, L].

    Attributes:
        attention_mask: int32 [B, L], 1 at real tokens.
        row_of_position: int32 [B, L], the row among the tokens of each position; ``None`` when
            padded. At padding it is some other row, which attention masks out.
        position_of_row: int32 [T], the position in the flattened batch (b * L + l) of each row;
            ``None`` when padded.
    """

    attention_mask: tf.Tensor
    row_of_position: tf.Tensor | None = None
    position_of_row: tf.Tensor | None = None

    @property
    def shape(self) -> tuple[tf.Tensor | int, tf.Tensor | int]:
        """B and L; numbers where they are static."""
        return _first_two(self.attention_mask)

    @property
    def is_packed(self) -> bool:
        """Tell whether there are no rows for padding."""
        return self.position_of_row is not None

    def to_tokens(self, sequences: tf.Tensor) -> tf.Tensor:
        """[B, L, ...] to [T, ...]."""
        flat = _merge_first_two(sequences)
        return tf.gather(flat, self.position_of_row) if self.is_packed else flat

    def to_sequences(self, tokens: tf.Tensor) -> tf.Tensor:
        """[T, H] to [B, L, H]; in a packed layout padding gets some other token's row."""
        if self.is_packed:
            return lookup(tokens, self.row_of_position)
        return tf.reshape(tokens, [*self.shape, tokens.shape[-1]])

    def without_padding(self, sequences: tf.Tensor, axis: int = 1) -> tf.Tensor:
        """Sequences, [B, L, ...] or with L at ``axis``; from a packed layout with 0 at padding."""
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
    """The tokens of a memory that each token of a query may see.

    Attributes:
        padding: int32 [B, S], 1 at the memory's real tokens.
        is_causal: Whether a token may not see later ones.
        blocks: int32 [B, S], the block of each token, which may see that block alone; ``None`` for
            a single block.
        position_bias: [N, L, S], added to the scores by the places of the two tokens; ``None`` for
            no such addend. It is no part of ``bias``, which has no gradient on every device.

    With ``is_causal`` or ``blocks`` the L tokens of the query are the memory's last ones.
    """

    padding: tf.Tensor
    is_causal: bool = False
    blocks: tf.Tensor | None = None
    position_bias: tf.Tensor | None = None

    def bias(self, scores: tf.Tensor, masked_score: float) -> tf.Tensor:
        """The addend of scores: ``masked_score`` where a token must not be seen, else 0.

        Args:
            scores: [B, N, L, S].
            masked_score: Far below any score.

        Returns:
            float32 [B, 1, L, S], or [B, 1, 1, S] where all tokens see the same.
        """
        # Of the mask alone where possible, so that all layers share these operations.
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
    """The layout with padding.

    Args:
        attention_mask: int32 [B, L], 1 at real tokens.
    """
    return Layout(attention_mask)


def packed_layout(attention_mask: tf.Tensor) -> Layout:
    """The layout of the real tokens alone; T differs from batch to batch.

    The first position is kept even if it is padding: the pooler reads it, and a batch of nothing
    but padding (a replica's share of a last batch) needs a row to point at.

    Args:
        attention_mask: int32 [B, L], 1 at real tokens.
    """
    kept = tf.concat([tf.ones_like(attention_mask[:, :1]), attention_mask[:, 1:]], axis=1)
    kept = tf.reshape(kept, [-1])
    position_of_row = tf.cast(tf.reshape(tf.where(kept > 0), [-1]), tf.int32)
    row = tf.cumsum(tf.cast(kept > 0, tf.int32)) - 1
    return Layout(attention_mask, tf.reshape(row, tf.shape(attention_mask)), position_of_row)


def lookup(table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """``table[rows]``, whose gradient is one dense tensor.

    The gradient of ``tf.gather`` is an ``IndexedSlices`` that names a row as often as it was read.
    Keras's Adam would square its terms instead of their sum, a wrong second moment; and
    ``tf.recompute_grad`` refuses it. A segment sum adds the terms here.

    Args:
        table: [V, H].
        rows: int32 of any shape S.

    Returns:
        [S..., H].
    """
    # A tensor, as TensorFlow asks for a variable's gradient separately.
    return _lookup(tf.convert_to_tensor(table), rows)


@tf.custom_gradient
def _lookup(table: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        flat = tf.reshape(upstream, [-1, table.shape[-1]])
        return tf.math.unsorted_segment_sum(flat, tf.reshape(rows, [-1]), tf.shape(table)[0]), None

    return tf.gather(table, rows), gradient


def first_tokens(tokens: tf.Tensor, layout: Layout) -> tf.Tensor:
    """The first token [B, H] of each sequence, of tokens [T, H]."""
    first = layout.rows(tf.zeros_like(layout.attention_mask[:, :1]))
    return lookup(tokens, first[:, 0])


def _first_two(tensor: tf.Tensor) -> tuple[tf.Tensor | int, tf.Tensor | int]:
    """The first two dimensions; numbers where they are static."""
    dynamic = tf.shape(tensor)
    static = tensor.shape
    return tuple(dynamic[i] if static[i] is None else static[i] for i in (0, 1))


def _merge_first_two(tensor: tf.Tensor) -> tf.Tensor:
    batch, length = tensor.shape[:2]
    # -1 where they are not static: a shape of numbers alone needs no operation.
    merged = -1 if batch is None or length is None else batch * length
    return tf.reshape(tensor, [merged, *tensor.shape[2:]])
