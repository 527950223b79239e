"""Texts to word pieces, in the graph: all pieces of all texts, one after another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import END, FILLING, SPECIAL_STAND_INS, Alphabet
from bert_keras.tokenization.graph.charsmap import build_charsmap, one_byte_each
from bert_keras.tokenization.graph.marks import MarkOrder
from bert_keras.tokenization.vocabulary import CONTINUATION, MAX_CHARACTERS_PER_WORD, UNK

_STAND_INS = "".join(SPECIAL_STAND_INS.values())
_SPECIAL_TOKEN = "|".join(rf"\[{token.strip('[]')}\]" for token in SPECIAL_STAND_INS)
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


class Spans(NamedTuple):
    """Where T pieces stand in their texts as sent; half-open, int32 [T]."""

    byte_starts: tf.Tensor
    byte_ends: tf.Tensor
    character_starts: tf.Tensor
    character_ends: tf.Tensor


class PieceGraph(tf.Module):
    """Texts to word pieces.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalised.
    """

    def __init__(self, vocab: Sequence[str], casing: Casing) -> None:
        super().__init__()
        alphabet = Alphabet(vocab, casing)
        self._normal = _normalizer(build_charsmap(alphabet.forms, ill_formed=""))
        self._well_formed = _normalizer(build_charsmap({}, ill_formed="\ufffd"))
        self._one_byte_each = _normalizer(one_byte_each())
        self._order = MarkOrder(casing)
        careful = filter(None, (_SPECIAL_TOKEN, f"[{_STAND_INS}{END}]", self._order.pattern))
        self._careful = rf"\C*(?:{'|'.join(careful)})\C*"
        self._unknown = list(vocab).index(UNK)
        model, self._longer = _wordpiece_models(alphabet.pieces, alphabet.pieces[self._unknown])
        self._wordpiece = _buffer(model)
        self._widths, self._begins = tf.constant(alphabet.widths), tf.constant(alphabet.begins)

    def pieces(self, texts: tf.Tensor) -> Pieces:
        """The pieces of texts, string [N]."""
        prepared = tf.cond(
            _any_match(texts, self._careful), lambda: self._prepared(texts), lambda: texts
        )
        return self._cut(self._normal.normalize(prepared))

    def pieces_with_spans(self, texts: tf.Tensor) -> tuple[Pieces, Spans]:
        """The pieces of texts, string [N], and where they stand in them."""
        whole = self._character_starts(texts)
        prepared, starts, characters = tf.cond(
            _any_match(texts, self._careful),
            lambda: self._prepared_with_origins(texts, whole),
            lambda: (texts, whole, _places(whole)),
        )
        normal, bytes_of = self._normal.normalize_with_offsets(prepared)
        pieces = self._cut(normal)
        rows = _rows(pieces.splits)
        first_byte = tf.gather(bytes_of.row_starts(), rows) + pieces.starts
        last_byte = tf.gather(bytes_of.row_starts(), rows) + pieces.ends - 1
        first = tf.gather(
            characters, _character_at(starts, rows, tf.gather(bytes_of.values, first_byte))
        )
        last = tf.gather(
            characters, _character_at(starts, rows, tf.gather(bytes_of.values, last_byte))
        )
        base = tf.gather(whole.row_starts(), rows)
        spans = (
            tf.gather(whole.values, base + first),
            tf.gather(whole.values, base + last + 1),
            first,
            last + 1,
        )
        return pieces, Spans(*(tf.cast(span, tf.int32) for span in spans))

    def words(self, pieces: Pieces) -> tf.Tensor:
        """The number of each piece's word in its text, int32 [T]."""
        begun = tf.cumsum(tf.cast(tf.gather(self._begins, pieces.ids), tf.int32))
        before = tf.gather(tf.concat([[0], begun], axis=0), pieces.splits[:-1])
        return begun - 1 - tf.gather(before, _rows(pieces.splits))

    def _prepared(self, texts: tf.Tensor) -> tf.Tensor:
        """Texts with special tokens as stand-ins and marks in order."""
        marked = _marked(texts)
        if not self._order.pattern:
            return marked
        return tf.cond(
            _any_match(texts, rf"\C*{self._order.pattern}\C*"),
            lambda: self._order(self._well_formed.normalize(marked))[0],
            lambda: marked,
        )

    def _prepared_with_origins(
        self, texts: tf.Tensor, whole: tf.RaggedTensor
    ) -> tuple[tf.Tensor, tf.RaggedTensor, tf.Tensor]:
        """The same; where its characters start; which character of the text each comes from."""
        marked = _marked(texts)

        def ordered() -> tuple[tf.Tensor, tf.RaggedTensor, tf.Tensor]:
            before = self._character_starts(marked)
            prepared, origins = self._order(self._well_formed.normalize(marked))
            rows = tf.cast(origins.value_rowids(), tf.int32)
            places = tf.gather(before.row_starts(), rows) + tf.cast(origins.values, tf.int64)
            found = _character_at(whole, rows, tf.gather(before.values, places))
            found = origins.with_values(tf.gather(_places(whole), found))
            ends = tf.cast(whole.row_lengths() - 1, tf.int64)[:, tf.newaxis]
            return (
                prepared,
                self._character_starts(prepared),
                tf.concat([found, ends], axis=1).values,
            )

        if not self._order.pattern:
            return marked, whole, _places(whole)
        return tf.cond(
            _any_match(texts, rf"\C*{self._order.pattern}\C*"),
            ordered,
            lambda: (marked, whole, _places(whole)),
        )

    def _character_starts(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Where the characters of texts start, and their lengths, int64 [N, (characters + 1)]."""
        return self._one_byte_each.normalize_with_offsets(texts)[1]

    def _cut(self, normal: tf.Tensor) -> Pieces:
        """The pieces of normal forms, string [N]."""
        pieces = _tokenized(self._wordpiece, normal)
        # The model counts bytes: what it found too long may yet have few enough characters.
        return tf.cond(
            tf.reduce_any(pieces.ends - pieces.starts > MAX_CHARACTERS_PER_WORD),
            lambda: self._cut_long_words(normal),
            lambda: pieces,
        )

    def _cut_long_words(self, normal: tf.Tensor) -> Pieces:
        """The same where words have many bytes, by the number of their characters."""
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


def _tokenized(model: tf.Tensor, normal: tf.Tensor) -> Pieces:
    """What FastWordpieceTokenizeWithOffsets gives."""
    tokenizer = tf_text.FastWordpieceTokenizer(model_buffer=model, token_out_type=tf.int32)
    ids, starts, ends = tokenizer.tokenize_with_offsets(normal)
    return Pieces(ids.values, tf.cast(ids.row_splits, tf.int32), starts.values, ends.values)


def _marked(texts: tf.Tensor) -> tf.Tensor:
    """Texts with their special tokens as stand-ins, every byte where it was."""
    texts = tf.strings.regex_replace(texts, f"[{_STAND_INS}]", 3 * FILLING)
    texts = tf.strings.regex_replace(texts, END, FILLING)
    for token, stand_in in SPECIAL_STAND_INS.items():
        filling = FILLING * (len(token) - len(stand_in.encode("utf-8")) - 1)
        texts = tf.strings.regex_replace(
            texts, rf"\[{token.strip('[]')}\]", stand_in + filling + END
        )
    return texts


def _any_match(texts: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.reduce_any(tf.strings.regex_full_match(texts, pattern))


def _rows(splits: tf.Tensor) -> tf.Tensor:
    """The row of every value, int32 [T]."""
    return tf.repeat(tf.range(tf.size(splits) - 1), splits[1:] - splits[:-1])


def _places(rows: tf.RaggedTensor) -> tf.Tensor:
    """The place of every value in its row, int64 [T]."""
    return tf.range(tf.size(rows.values, tf.int64)) - tf.gather(
        rows.row_starts(), rows.value_rowids()
    )


def _character_at(starts: tf.RaggedTensor, rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Which value of ``starts`` is the character of a row that a byte belongs to, int32 [T]."""
    # Rows follow one another with their ends between, so that one search does for all.
    lengths = tf.gather(starts.values, starts.row_limits() - 1)
    bases = tf.cumsum(lengths + 1, exclusive=True)
    sorted_starts = starts.values + tf.gather(bases, starts.value_rowids())
    found = tf.searchsorted(sorted_starts, places + tf.gather(bases, rows), side="right")
    return found - 1


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


def _normalizer(model: bytes) -> tf_text.FastBertNormalizer:
    return tf_text.FastBertNormalizer(model_buffer=_buffer(model))


def _buffer(model: bytes) -> tf.Tensor:
    return tf.constant(np.frombuffer(model, np.uint8))
