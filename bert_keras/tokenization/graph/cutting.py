"""Normal forms to word pieces, in the graph: all pieces of all texts, one after another."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from bert_keras.tokenization.graph.alphabet import Alphabet
from bert_keras.tokenization.vocabulary import CONTINUATION, MAX_CHARACTERS_PER_WORD

_MAX_BYTES_PER_CHARACTER = 4


class Pieces(NamedTuple):
    """The pieces of N texts, T in all.

    Attributes:
        ids: Their ids, int32 [T].
        splits: Where the pieces of each text begin, and their number, int32 [N + 1].
        starts: Where each begins in the normal form of its text, in bytes, int64 [T].
        ends: Where each ends there, int64 [T].
    """

    ids: tf.Tensor
    splits: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


class WordPieces(tf.Module):
    """Normal forms to word pieces.

    Args:
        alphabet: The vocabulary's.
        unknown: The id of [UNK].
        others: Stand-ins for added tokens, each a word; their ids follow the vocabulary's last.

    Attributes:
        size: The number of all pieces.
    """

    def __init__(self, alphabet: Alphabet, unknown: int, others: str = "") -> None:
        super().__init__()
        self._unknown = unknown
        pieces = [*alphabet.pieces, *others]
        self.size = len(pieces)
        model, self._longer = _wordpiece_models(pieces, pieces[unknown])
        self._wordpiece = buffer_of(model)
        self._widths = tf.constant(np.append(alphabet.widths, [1] * len(others)).astype(np.int32))
        self._begins = tf.constant(np.append(alphabet.begins, [True] * len(others)).astype(bool))

    def __call__(self, normal: tf.Tensor) -> Pieces:
        """The pieces of normal forms, string [N]."""
        pieces = _tokenized(self._wordpiece, normal)
        # The model counts bytes: what it found too long may yet have few enough characters.
        return tf.cond(
            tf.reduce_any(pieces.ends - pieces.starts > MAX_CHARACTERS_PER_WORD),
            lambda: self._cut_long_words(normal),
            lambda: pieces,
        )

    def _cut_long_words(self, normal: tf.Tensor) -> Pieces:
        """The pieces where words have many bytes: such words are cut by their characters."""
        places, values = self._longer
        model = tf.tensor_scatter_nd_update(self._wordpiece, places, values)
        pieces = _tokenized(model, normal)
        begins = tf.gather(self._begins, pieces.ids)
        word = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        widths = tf.math.segment_sum(tf.gather(self._widths, pieces.ids), word)
        too_long = tf.gather(widths > MAX_CHARACTERS_PER_WORD, word)
        word_ends = tf.gather(tf.math.segment_max(pieces.ends, word), word)
        kept = begins | ~too_long
        before = tf.concat([[0], tf.cumsum(tf.cast(kept, tf.int32))], axis=0)
        return Pieces(
            ids=tf.where(too_long, self._unknown, pieces.ids)[kept],
            splits=tf.gather(before, pieces.splits),
            starts=pieces.starts[kept],
            ends=tf.where(too_long, word_ends, pieces.ends)[kept],
        )

    def words(self, pieces: Pieces) -> tf.Tensor:
        """The number of each piece's word in its text, int32 [T]."""
        begun = tf.cumsum(tf.cast(tf.gather(self._begins, pieces.ids), tf.int32))
        before = tf.gather(tf.concat([[0], begun], axis=0), pieces.splits[:-1])
        return begun - 1 - tf.gather(before, rows_of(pieces.splits))


def _tokenized(model: tf.Tensor, normal: tf.Tensor) -> Pieces:
    """The outputs of FastWordpieceTokenizeWithOffsets."""
    tokenizer = tf_text.FastWordpieceTokenizer(model_buffer=model, token_out_type=tf.int32)
    ids, starts, ends = tokenizer.tokenize_with_offsets(normal)
    return Pieces(ids.values, tf.cast(ids.row_splits, tf.int32), starts.values, ends.values)


def rows_of(splits: tf.Tensor) -> tf.Tensor:
    """The row of every value, int32 [T]."""
    return tf.repeat(tf.range(tf.size(splits) - 1), splits[1:] - splits[:-1])


def _wordpiece_models(
    pieces: list[str], unknown: str
) -> tuple[bytes, tuple[np.ndarray, np.ndarray]]:
    """The model of FastWordpieceTokenizeWithOffsets, and how to make it read longer words.

    Returns:
        The model for words of at most 100 bytes; which of its bytes to change to which others so
        that every word of 100 characters fits.
    """
    build = pywrap_fast_wordpiece_tokenizer_model_builder.build_fast_wordpiece_model
    model, longer = (
        np.frombuffer(build(pieces, limit, CONTINUATION, unknown, False, False), np.uint8)
        for limit in (MAX_CHARACTERS_PER_WORD, _MAX_BYTES_PER_CHARACTER * MAX_CHARACTERS_PER_WORD)
    )
    places = np.flatnonzero(model != longer)
    assert len(places) <= np.dtype(np.int32).itemsize
    return model.tobytes(), (places[:, np.newaxis], longer[places])


def normalizer_of(model: bytes) -> tf_text.FastBertNormalizer:
    """The operation FastBertNormalize with its table."""
    return tf_text.FastBertNormalizer(model_buffer=buffer_of(model))


def buffer_of(model: bytes) -> tf.Tensor:
    """An operation's model as a constant."""
    return tf.constant(np.frombuffer(model, np.uint8))
