"""Texts to word pieces, in the graph: all pieces of all texts, one after another."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import END, FILLING, SPECIAL_STAND_INS, Alphabet
from bert_keras.tokenization.graph.charsmap import build_charsmap, one_of_each
from bert_keras.tokenization.graph.cutting import Pieces, WordPieces, normalizer_of, rows_of
from bert_keras.tokenization.graph.marks import MarkOrder
from bert_keras.tokenization.vocabulary import MAX_CHARACTERS_PER_WORD, UNK

_STAND_INS = "".join(SPECIAL_STAND_INS.values())
_SPECIAL_TOKEN = "|".join(rf"\[{token.strip('[]')}\]" for token in SPECIAL_STAND_INS)


class Spans(NamedTuple):
    """The places of T pieces in their texts as sent; half-open, int32 [T]."""

    byte_starts: tf.Tensor
    byte_ends: tf.Tensor
    character_starts: tf.Tensor
    character_ends: tf.Tensor


class CharacterStarts(tf.Module):
    """A search for the first byte of every character of texts."""

    def __init__(self) -> None:
        super().__init__()
        self._one_of_each = normalizer_of(one_of_each())

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The bytes at which characters start and, last, the length, int64 [N, (characters + 1)].

        Args:
            texts: string [N]; a run of bytes that are not UTF-8 is one character.
        """
        return self._one_of_each.normalize_with_offsets(texts)[1]


class PieceGraph(tf.Module):
    """Texts to word pieces.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalized.

    Attributes:
        unsure_pieces: The most pieces that can differ where a text is cut.
    """

    # The last word differs there: it has a piece for each character at most. A special token that
    # is cut in two adds a bracket and five letters.
    unsure_pieces = MAX_CHARACTERS_PER_WORD + 6

    def __init__(self, vocab: Sequence[str], casing: Casing) -> None:
        super().__init__()
        alphabet = Alphabet(vocab, casing)
        self._normal = normalizer_of(build_charsmap(alphabet.forms, ill_formed=""))
        self._well_formed = normalizer_of(build_charsmap({}, ill_formed="\ufffd"))
        self._starts = CharacterStarts()
        self._order = MarkOrder(casing)
        careful = filter(None, (_SPECIAL_TOKEN, f"[{_STAND_INS}{END}]", self._order.pattern))
        self._careful = rf"\C*(?:{'|'.join(careful)})\C*"
        self._cut = WordPieces(alphabet, list(vocab).index(UNK))

    def pieces(self, texts: tf.Tensor) -> Pieces:
        """The pieces of texts, string [N]."""
        prepared = tf.cond(
            any_match(texts, self._careful), lambda: self._prepared(texts), lambda: texts
        )
        return self._cut(self._normal.normalize(prepared))

    def pieces_with_spans(self, texts: tf.Tensor) -> tuple[Pieces, Spans, tf.Tensor]:
        """The pieces of texts, string [N], where they stand in them, and the word of each."""
        whole = self._starts(texts)
        prepared, starts, characters = tf.cond(
            any_match(texts, self._careful),
            lambda: self._prepared_with_origins(texts, whole),
            lambda: (texts, whole, places_of(whole)),
        )
        normal, bytes_of = self._normal.normalize_with_offsets(prepared)
        pieces = self._cut(normal)
        spans = spans_of(pieces, bytes_of, starts, characters, whole)
        return pieces, spans, self._cut.words(pieces)

    def _prepared(self, texts: tf.Tensor) -> tf.Tensor:
        """Texts with special tokens as stand-ins and marks in order."""
        marked = _marked(texts)
        if not self._order.pattern:
            return marked
        return tf.cond(
            any_match(texts, rf"\C*{self._order.pattern}\C*"),
            lambda: self._order(self._well_formed.normalize(marked))[0],
            lambda: marked,
        )

    def _prepared_with_origins(
        self, texts: tf.Tensor, whole: tf.RaggedTensor
    ) -> tuple[tf.Tensor, tf.RaggedTensor, tf.Tensor]:
        """Prepared texts; where their characters start; which of the text's each comes from."""
        marked = _marked(texts)

        def ordered() -> tuple[tf.Tensor, tf.RaggedTensor, tf.Tensor]:
            before = self._starts(marked)
            prepared, origins = self._order(self._well_formed.normalize(marked))
            rows = tf.cast(origins.value_rowids(), tf.int32)
            places = tf.gather(before.row_starts(), rows) + tf.cast(origins.values, tf.int64)
            found = character_at(whole, rows, tf.gather(before.values, places))
            found = origins.with_values(tf.gather(places_of(whole), found))
            ends = tf.cast(whole.row_lengths() - 1, tf.int64)[:, tf.newaxis]
            return (
                prepared,
                self._starts(prepared),
                tf.concat([found, ends], axis=1).values,
            )

        if not self._order.pattern:
            return marked, whole, places_of(whole)
        return tf.cond(
            any_match(texts, rf"\C*{self._order.pattern}\C*"),
            ordered,
            lambda: (marked, whole, places_of(whole)),
        )


def spans_of(
    pieces: Pieces,
    bytes_of: tf.RaggedTensor,
    starts: tf.RaggedTensor,
    characters: tf.Tensor,
    whole: tf.RaggedTensor,
) -> Spans:
    """The places of pieces in their texts as sent.

    Args:
        pieces: The pieces of the normal forms.
        bytes_of: The byte of the prepared text of every byte of the normal form.
        starts: Where the characters of the prepared texts start, and their lengths.
        characters: Which character of its text each of those comes from.
        whole: Where the characters of the texts start, and their lengths.
    """
    rows = rows_of(pieces.splits)

    def character_of(place: tf.Tensor) -> tf.Tensor:
        byte = tf.gather(bytes_of.values, tf.gather(bytes_of.row_starts(), rows) + place)
        return tf.gather(characters, character_at(starts, rows, byte))

    first, last = character_of(pieces.starts), character_of(pieces.ends - 1)
    base = tf.gather(whole.row_starts(), rows)
    spans = (
        tf.gather(whole.values, base + first),
        tf.gather(whole.values, base + last + 1),
        first,
        last + 1,
    )
    return Spans(*(tf.cast(span, tf.int32) for span in spans))


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


def any_match(texts: tf.Tensor, pattern: str) -> tf.Tensor:
    """Tell whether a regular expression fits the whole of any of the texts."""
    return tf.reduce_any(tf.strings.regex_full_match(texts, pattern))


def places_of(rows: tf.RaggedTensor) -> tf.Tensor:
    """The place of every value in its row, int64 [T]."""
    return tf.range(tf.size(rows.values, tf.int64)) - tf.gather(
        rows.row_starts(), rows.value_rowids()
    )


def character_at(starts: tf.RaggedTensor, rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """The place in ``starts`` of the character that a byte of a row belongs to, int32 [T]."""
    # Rows follow one another with their ends between, so that one search does for all.
    lengths = tf.gather(starts.values, starts.row_limits() - 1)
    bases = tf.cumsum(lengths + 1, exclusive=True)
    sorted_starts = starts.values + tf.gather(bases, starts.value_rowids())
    found = tf.searchsorted(sorted_starts, places + tf.gather(bases, rows), side="right")
    return found - 1
