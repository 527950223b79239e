"""Texts to word pieces and added tokens, in the graph.

As in the ``tokenizers`` library, tokens are found twice: in the text as it is, and, where they are
to be normalized, in the normal form of what is left. What was found becomes a stand-in, which is a
word of its own; so the n-th stand-in among the pieces is the n-th token that was found.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from bert_keras.tokenization.added import AddedToken, tokens_of
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import END, FILLING, SPECIAL_STAND_INS, Alphabet
from bert_keras.tokenization.graph.charsmap import build_charsmap
from bert_keras.tokenization.graph.cutting import Pieces, WordPieces, normalizer_of
from bert_keras.tokenization.graph.finder import Located, Matches, TokenFinder, no_tokens
from bert_keras.tokenization.graph.marks import MarkOrder
from bert_keras.tokenization.graph.pieces import (
    CharacterStarts,
    Spans,
    any_match,
    places_of,
    spans_of,
)
from bert_keras.tokenization.graph.rules import normal_forms
from bert_keras.tokenization.vocabulary import MAX_CHARACTERS_PER_WORD, UNK

# For tokens of the text as it is, and of its normal form. The rules delete both from every text.
_AS_IT_IS, _NORMAL = "\ue005", "\ue006"
_DELETED = {ord(c): "" for c in (*SPECIAL_STAND_INS.values(), END, FILLING, _AS_IT_IS, _NORMAL)}


class AddedPieceGraph(tf.Module):
    """``PieceGraph`` for a tokenizer with added tokens.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalized.
        added: The added tokens.

    Attributes:
        unsure_pieces: The most pieces that can differ where a text is cut.

    Raises:
        InputError: Names a token that cannot be found exactly in a graph.
    """

    def __init__(self, vocab: Sequence[str], casing: Casing, added: Sequence[AddedToken]) -> None:
        super().__init__()
        tokens = tokens_of(vocab, added)
        normalized = [token for token in tokens if token.normalized]
        plain = [token for token in tokens if not token.normalized]
        self._finder = TokenFinder(plain, casing, _AS_IT_IS)
        alphabet = Alphabet(vocab, casing, is_normal=bool(normalized))
        stand_ins = _AS_IT_IS + _NORMAL if normalized else _AS_IT_IS
        spelled = alphabet.forms | _DELETED | {ord(c): f" {c} " for c in stand_ins}
        self._cut = WordPieces(alphabet, list(vocab).index(UNK), stand_ins)
        self.unsure_pieces = _unsure_pieces(plain, normalized, casing)
        self._inner = None
        if normalized:
            self._inner = _InnerTokens(TokenFinder(normalized, casing, _NORMAL), spelled, self._cut)
            spelled = normal_forms(casing) | {ord(_AS_IT_IS): _AS_IT_IS}
        self._stand_ins = len(vocab), len(vocab) + 1
        self._normal = normalizer_of(build_charsmap(spelled, ill_formed=""))
        self._well_formed = normalizer_of(build_charsmap({}, ill_formed="\ufffd"))
        self._starts = CharacterStarts()
        self._order = MarkOrder(casing, dividing=_AS_IT_IS)
        self._careful = rf"\C*(?:{'|'.join(filter(None, (_AS_IT_IS, self._order.pattern)))})\C*"

    def pieces(self, texts: tf.Tensor) -> Pieces:
        """The pieces of texts, string [N]."""
        found = self._finder.find(texts)
        prepared, tokens = tf.cond(
            self._is_changed(texts, found),
            lambda: self._replaced(texts, self._starts(texts), found)[:2],
            lambda: (texts, no_tokens()),
        )
        normal = self._normal.normalize(prepared)
        if self._inner is None:
            return self._with_ids(self._cut(normal), tokens, no_tokens())
        pieces, inner = self._inner(normal)
        return self._with_ids(pieces, tokens, inner)

    def pieces_with_spans(self, texts: tf.Tensor) -> tuple[Pieces, Spans, tf.Tensor]:
        """The pieces of texts, string [N], where they stand in them, and the word of each."""
        whole = self._starts(texts)
        found = self._finder.find(texts)
        prepared, tokens, starts, characters = tf.cond(
            self._is_changed(texts, found),
            lambda: self._replaced(texts, whole, found),
            lambda: (texts, no_tokens(), whole, places_of(whole)),
        )
        normal, bytes_of = self._normal.normalize_with_offsets(prepared)
        if self._inner is None:
            pieces, inner = self._cut(normal), no_tokens()
        else:
            pieces, inner = self._inner.with_places(normal)
        spans = spans_of(pieces, bytes_of, starts, characters, whole)
        ends = [
            in_place_of(pieces.ids == self._stand_ins[0], ends, values)
            for ends, values in (
                (spans.byte_ends, starts_of(whole, tokens.rows, tokens.ends)),
                (spans.character_ends, tokens.ends),
            )
        ]
        spans = spans._replace(byte_ends=ends[0], character_ends=ends[1])
        return self._with_ids(pieces, tokens, inner), spans, self._cut.words(pieces)

    def _is_changed(self, texts: tf.Tensor, found: Matches) -> tf.Tensor:
        return (tf.size(found.rows) > 0) | any_match(texts, self._careful)

    def _replaced(
        self, texts: tf.Tensor, whole: tf.RaggedTensor, found: Matches
    ) -> tuple[tf.Tensor, Located, tf.RaggedTensor, tf.Tensor]:
        """Texts with stand-ins for tokens and with marks in order.

        Returns:
            The texts, string [N]; the tokens; where the characters of those texts start, and their
            lengths; which character of the text as sent each comes from.
        """
        points = tf.strings.unicode_decode(self._well_formed.normalize(texts), "UTF-8")
        points, tokens = self._finder.replace(points, whole, found)
        replaced = tf.strings.unicode_encode(points, "UTF-8")
        ends = tf.cast(whole.row_lengths() - 1, tf.int64)[:, tf.newaxis]

        def ordered() -> tuple[tf.Tensor, tf.Tensor]:
            prepared, origins = self._order(replaced)
            return prepared, tf.concat([tf.cast(origins, tf.int64), ends], axis=1).values

        if not self._order.pattern:
            return replaced, tokens, self._starts(replaced), places_of(whole)
        prepared, characters = tf.cond(
            any_match(replaced, rf"\C*{self._order.pattern}\C*"),
            ordered,
            lambda: (replaced, places_of(whole)),
        )
        return prepared, tokens, self._starts(prepared), characters

    def _with_ids(self, pieces: Pieces, tokens: Located, inner: Located) -> Pieces:
        """The pieces with the tokens' ids for stand-ins."""
        ids = pieces.ids
        for stand_in, located in zip(self._stand_ins, (tokens, inner), strict=True):
            ids = in_place_of(pieces.ids == stand_in, ids, located.ids)
        return pieces._replace(ids=ids)


class _InnerTokens(tf.Module):
    """Normal forms to pieces, and to the tokens that are looked for in normal forms.

    Args:
        finder: Finds those tokens.
        spelled: What the characters of normal forms are to ``cut``.
        cut: Normal forms, so spelled, to pieces.
    """

    def __init__(self, finder: TokenFinder, spelled: dict[int, str], cut: WordPieces) -> None:
        super().__init__()
        self._finder, self._cut = finder, cut
        self._spelled = normalizer_of(build_charsmap(spelled))
        self._starts = CharacterStarts()

    def __call__(self, normal: tf.Tensor) -> tuple[Pieces, Located]:
        """The pieces, with stand-ins, of normal forms, string [N]; and the tokens for them."""
        replaced, tokens = self._found(normal, lambda: self._starts(normal))
        return self._cut(self._spelled.normalize(replaced)), tokens

    def with_places(self, normal: tf.Tensor) -> tuple[Pieces, Located]:
        """The pieces and tokens, and where the pieces begin and end in the normal forms."""
        whole = self._starts(normal)
        replaced, tokens = self._found(normal, lambda: whole)
        spelled, bytes_of = self._spelled.normalize_with_offsets(replaced)
        pieces = self._cut(spelled)
        starts = self._starts(replaced)
        spans = spans_of(pieces, bytes_of, starts, places_of(starts), whole)
        is_token = pieces.ids == self._cut.size - 1
        ends = in_place_of(is_token, spans.byte_ends, starts_of(whole, tokens.rows, tokens.ends))
        places = tf.cast(spans.byte_starts, tf.int64), tf.cast(ends, tf.int64)
        return pieces._replace(starts=places[0], ends=places[1]), tokens

    def _found(
        self, normal: tf.Tensor, starts: Callable[[], tf.RaggedTensor]
    ) -> tuple[tf.Tensor, Located]:
        """The normal forms with stand-ins for tokens, and the tokens.

        Args:
            normal: string [N].
            starts: Where their characters start; asked for only where there is a token.
        """
        found = self._finder.find(normal)
        return tf.cond(
            tf.size(found.rows) > 0,
            lambda: self._replaced(normal, starts(), found),
            lambda: (normal, no_tokens()),
        )

    def _replaced(
        self, normal: tf.Tensor, whole: tf.RaggedTensor, found: Matches
    ) -> tuple[tf.Tensor, Located]:
        points = tf.strings.unicode_decode(normal, "UTF-8")
        points, tokens = self._finder.replace(points, whole, found)
        return tf.strings.unicode_encode(points, "UTF-8"), tokens


def _unsure_pieces(
    plain: Sequence[AddedToken], normalized: Sequence[AddedToken], casing: Casing
) -> int:
    """The most pieces that can differ where a text is cut, through its last token or word.

    Whether a token is found depends on as many characters as the longest has, and on the one
    behind it. A character has three in normal form at most, and a word a piece for each.
    """
    plain_length, inner_length = (
        max((len(token.sought(casing)) + 1 for token in tokens), default=0)
        for tokens in (plain, normalized)
    )
    return MAX_CHARACTERS_PER_WORD + 3 * plain_length + inner_length


def in_place_of(chosen: tf.Tensor, values: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Values, [T], but for the chosen ones, bool [T]: the n-th of those is the n-th other."""
    place = tf.maximum(tf.cumsum(tf.cast(chosen, tf.int32)) - 1, 0)
    return tf.where(chosen, tf.gather(tf.concat([others, [0]], axis=0), place), values)


def starts_of(starts: tf.RaggedTensor, rows: tf.Tensor, characters: tf.Tensor) -> tf.Tensor:
    """The places where characters of rows start, int32 [M]."""
    base = tf.gather(starts.row_starts(), rows)
    return tf.cast(tf.gather(starts.values, base + tf.cast(characters, tf.int64)), tf.int32)
