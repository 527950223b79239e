"""Added tokens found in strings, in the graph, and replaced by stand-ins.

The ``tokenizers`` library looks for them from the left; of those that begin at a place it takes the
longest, and goes on behind it. That is what WordPiece does within a word, too. So a vocabulary of
the tokens and of every single character, without any splitting into words, finds just them.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from bert_keras.errors import InputError
from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import FILLING
from bert_keras.tokenization.graph.charsmap import one_of_each
from bert_keras.tokenization.graph.cutting import buffer_of, normalizer_of
from bert_keras.tokenization.graph.marks import Table
from bert_keras.tokenization.graph.pieces import any_match, character_at
from bert_keras.tokenization.graph.rules import space_characters, word_characters

_MOST_BYTES = 2**30  # of a text
_LONGEST_TOKEN = 256  # in bytes: the operation's format has no room for more
_LONGEST_PATTERN = 50_000
_RUNS = [2**n for n in range(1, 7)]


class Matches(NamedTuple):
    """Places in N strings where tokens stand, M in all, in their order; int32 [M] each.

    Attributes:
        rows: The string of each.
        numbers: Which token it is.
        starts: Its first byte in its string, or its first character among those of all strings.
        ends: The byte, or character, behind its last.
    """

    rows: tf.Tensor
    numbers: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


class Located(NamedTuple):
    """Tokens in strings, M in all, in their order; int32 [M] each.

    Attributes:
        ids: Their ids.
        rows: The string of each.
        firsts: Its first character.
        ends: The character behind its last; both with the spaces that it takes.
    """

    ids: tf.Tensor
    rows: tf.Tensor
    firsts: tf.Tensor
    ends: tf.Tensor


class TokenFinder(tf.Module):
    """The places of tokens in strings, as the ``tokenizers`` library finds them.

    Args:
        tokens: The tokens: all those that are looked for in the text as it is, or all those that
            are in its normal form.
        casing: How letters are normalized.
        stand_in: The character that takes a token's place.

    Raises:
        InputError: Names a token that cannot be found exactly here.
    """

    def __init__(self, tokens: Sequence[AddedToken], casing: Casing, stand_in: str) -> None:
        super().__init__()
        sought = [token.sought(casing) for token in tokens]
        _check(tokens, sought)
        self._stand_in = ord(stand_in)
        self._ids = np.array([token.id for token in tokens], np.int32)
        self._left = np.array([token.lstrip for token in tokens], bool)
        self._right = np.array([token.rstrip for token in tokens], bool)
        self._single = np.array([token.single_word for token in tokens], bool)
        self._words = Table(dict.fromkeys(word_characters() if self._single.any() else [], 1))
        strips = (self._left | self._right).any()
        self._spaces = Table(dict.fromkeys(space_characters() if strips else [], 1))
        self._pattern = rf"\C*(?:{_pattern(sought)})\C*"
        self._letters, self._finder = _models(sought)

    def find(self, strings: tf.Tensor) -> Matches:
        """The places where tokens stand, but for their flags, in strings [N]."""
        return tf.cond(any_match(strings, self._pattern), lambda: self._found(strings), _no_matches)

    def _found(self, strings: tf.Tensor) -> Matches:
        letters, bytes_of = self._letters.normalize_with_offsets(strings)
        finder = tf_text.FastWordpieceTokenizer(model_buffer=self._finder, token_out_type=tf.int32)
        found, starts, ends = finder.tokenize_with_offsets(letters)
        places = tf.where(found.values < 2 * len(self._ids))[:, 0]
        rows = tf.gather(found.value_rowids(), places)
        base = tf.gather(bytes_of.row_starts(), rows)
        starts, ends = (
            tf.gather(bytes_of.values, base + tf.gather(byte.values, places))
            for byte in (starts, ends)
        )
        numbers = tf.gather(found.values, places) // 2
        return Matches(*(tf.cast(each, tf.int32) for each in (rows, numbers, starts, ends)))

    def replace(
        self, points: tf.RaggedTensor, starts: tf.RaggedTensor, found: Matches
    ) -> tuple[tf.RaggedTensor, Located]:
        """The strings with stand-ins: as many characters, those inside a token to be deleted.

        Args:
            points: The code points of the strings, int32 [N, (characters)].
            starts: Where the characters start in the strings that were searched, and their lengths.
            found: What ``find`` gave of those.
        """
        codes, splits = points.values, tf.cast(points.row_splits, tf.int32)
        codes = tf.where(codes == self._stand_in, ord(FILLING), codes)

        def character(byte: tf.Tensor) -> tf.Tensor:
            # Every row of starts has one value more, its end.
            return character_at(starts, found.rows, tf.cast(byte, tf.int64)) - found.rows

        found = found._replace(starts=character(found.starts), ends=character(found.ends))
        if self._single.any():
            found = self._without_inner_words(found, codes, splits)
        if (self._left | self._right).any():
            found = self._with_spaces(found, codes, splits)
        rows, numbers, firsts, ends = found
        one, size = tf.ones_like(firsts), tf.shape(codes) + 1
        inside = tf.scatter_nd(firsts[:, tf.newaxis], one, size)
        inside = tf.cumsum(inside - tf.scatter_nd(ends[:, tf.newaxis], one, size))
        codes = tf.where(inside[:-1] > 0, ord(FILLING), codes)
        codes = tf.tensor_scatter_nd_update(codes, firsts[:, tf.newaxis], self._stand_in * one)
        base = tf.gather(splits, rows)
        located = Located(tf.gather(self._ids, numbers), rows, firsts - base, ends - base)
        return points.with_values(codes), located

    def _without_inner_words(self, found: Matches, codes: tf.Tensor, splits: tf.Tensor) -> Matches:
        """The places but for those of single words with a letter or digit beside them."""
        is_word = self._words.find(tf.concat([[0], codes, [0]], axis=0), 0) > 0
        before = tf.gather(is_word, found.starts)
        before &= found.starts > tf.gather(splits, found.rows)
        behind = tf.gather(is_word, found.ends + 1)
        behind &= found.ends < tf.gather(splits, found.rows + 1)
        kept = ~(tf.gather(self._single, found.numbers) & (before | behind))
        return Matches(*(each[kept] for each in found))

    def _with_spaces(self, found: Matches, codes: tf.Tensor, splits: tf.Tensor) -> Matches:
        """The places with the spaces that tokens take, but for those that one before has taken."""
        rows, numbers, firsts, ends = found
        solid = self._spaces.find(codes, 0) == 0
        before = tf.concat([[0], tf.cumsum(tf.cast(solid, tf.int32))], axis=0)
        places = tf.cast(tf.where(solid)[:, 0], tf.int32)
        places = tf.concat([[-1], places, [tf.size(codes)]], axis=0)
        left = tf.gather(places, tf.gather(before, firsts)) + 1
        left = tf.maximum(left, tf.gather(splits, rows))
        right = tf.gather(places, tf.gather(before, ends) + 1)
        right = tf.minimum(right, tf.gather(splits, rows + 1))
        firsts = tf.where(tf.gather(self._left, numbers), left, firsts)
        ends = tf.where(tf.gather(self._right, numbers), right, ends)
        taken = tf.concat([[0], ends], axis=0)[:-1]
        return Matches(rows, numbers, tf.maximum(firsts, taken), ends)


def no_tokens() -> Located:
    """No tokens."""
    return Located(*(tf.zeros([0], tf.int32) for _ in Located._fields))


def _no_matches() -> Matches:
    return Matches(*(tf.zeros([0], tf.int32) for _ in Matches._fields))


def _check(tokens: Sequence[AddedToken], sought: Sequence[str]) -> None:
    """Refuse tokens for which the operations have no room, or the library's rules no sense."""
    leading = [token for token, text in zip(tokens, sought, strict=True) if text[0].isspace()]
    taking = [token for token in tokens if token.rstrip]
    if leading and taking:
        raise InputError(
            f"in a graph, spaces between {taking[0].content!r} (rstrip) and {leading[0].content!r} "
            "may be taken by either: unset rstrip, or take ids: --input tokens"
        )
    for token, text in zip(tokens, sought, strict=True):
        if len(text.encode("utf-8")) > _LONGEST_TOKEN:
            raise InputError(
                f"text in a graph knows added tokens of at most {_LONGEST_TOKEN} bytes. Received: "
                f"{token.content!r:.60}; take ids: --input tokens"
            )


def _pattern(sought: Sequence[str]) -> str:
    """A regular expression that fits where a token stands, and perhaps elsewhere."""
    if sum(map(len, sought)) > _LONGEST_PATTERN:
        sought = sorted({text[:1] for text in sought})
    return "|".join("".join(map(_escaped, text)) for text in sought)


def _escaped(character: str) -> str:
    return character if character.isalnum() else rf"\x{{{ord(character):x}}}"


def _models(sought: Sequence[str]) -> tuple[tf_text.FastBertNormalizer, tf.Tensor]:
    """The table that leaves the tokens' letters alone, and the vocabulary that finds tokens.

    The ids of token n are 2 n and 2 n + 1: at the beginning of a string, and behind it.
    """
    letters = sorted({*"".join(sought)})
    free = _unused(letters)
    other, inside, never = next(free), next(free), next(free)
    singles = [letter for letter in letters if letter not in sought]
    runs = [other * number for number in (1, *_RUNS)]  # fewer pieces than one a character
    pieces = [form for piece in (*sought, *singles, *runs) for form in (piece, inside + piece)]
    build = pywrap_fast_wordpiece_tokenizer_model_builder.build_fast_wordpiece_model
    model = build([*pieces, never], _MOST_BYTES, inside, never, True, False)
    return normalizer_of(one_of_each("".join(letters), other)), buffer_of(model)


def _unused(letters: Sequence[str]) -> Iterator[str]:
    return (chr(code) for code in count(1) if chr(code) not in letters)
