"""BERT's tokenizer as a graph of which a phone has every operation.

TFLite's builtin operations know nothing of text, and of tensorflow-text's those run there that
take strings through a table: FastBertNormalize and FastWordpieceTokenize. So the special tokens
are found without regular expressions: a second, tiny table leaves the letters of "[MASK]" and
makes "x" of all else, and a vocabulary of single characters and special tokens then finds each
as one piece. Brackets are words of their own, so the neighbors of a special token are read as if
the token were text; its pieces are then replaced by the token's id, by where they stand.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import END, SPECIAL_STAND_INS, Alphabet
from bert_keras.tokenization.graph.charsmap import build_charsmap, one_of_each
from bert_keras.tokenization.graph.rules import kept_marks, mark_ranks
from bert_keras.tokenization.reading import refuse_added
from bert_keras.tokenization.template import tokens_from_head, truncated_lengths
from bert_keras.tokenization.vocabulary import (
    CONTINUATION,
    MAX_CHARACTERS_PER_WORD,
    SPECIAL_TOKENS,
)
from bert_keras.tokenization.wordpiece import WordPieceTokenizer

_MAX_BYTES_PER_WORD = 4 * MAX_CHARACTERS_PER_WORD
_MAX_BYTES_PER_TEXT = 2**30
_NEVER = "\x03"  # the unknown piece of a vocabulary that knows every character there is
_SPECIAL_LETTERS = "".join(sorted(set("".join(SPECIAL_TOKENS))))
_LENGTHS = [len(token) for token in SPECIAL_TOKENS]


class PhonePieces(NamedTuple):
    """The T pieces of one text, int32 [T].

    Attributes:
        ids: Their ids.
        starts: Where the piece's own text starts in the text, in bytes.
        ends: Where it ends there.
        words: The number of the piece's word.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    words: tf.Tensor


class PhoneTokenizer(tf.Module):
    """``WordPieceTokenizer``'s rules for one text or pair, in operations that phones have.

    The ids are the host's on every text, with one exception: see ``unordered_marks``. Bytes that
    are not UTF-8 are deleted.

    Args:
        tokenizer: The host's tokenizer.
        max_length: The largest number of tokens, special ones included.
        truncation: Which part of a longer text stays; see ``Tokenizer.encode``.
        longest_first: The most tokens of the first of a pair that are read, such as a question's;
            None sets no limit.
    """

    def __init__(
        self,
        tokenizer: WordPieceTokenizer,
        max_length: int,
        truncation: str = "head",
        longest_first: int | None = None,
    ) -> None:
        super().__init__()
        refuse_added(tokenizer, "a tokenizer in a TFLite file", "take ids: --input tokens")
        self.max_length = max_length
        self.truncation = truncation
        self.longest_first = longest_first
        vocab = tokenizer.vocab
        self.template, self._pad_id = tokenizer.template, tokenizer.pad_id
        self._special_ids = [vocab.index(token) for token in SPECIAL_TOKENS]
        self._unknown = tokenizer.unk_id
        alphabet = Alphabet(vocab, tokenizer.casing)
        # Here no text holds stand-ins for special tokens: they are deleted as in the host's rules.
        deleted = {ord(c): "" for c in (*SPECIAL_STAND_INS.values(), END)}
        self._normal = _buffer(build_charsmap(alphabet.forms | deleted, ill_formed=""))
        self._wordpiece = _wordpiece_model(
            alphabet.pieces, alphabet.pieces[self._unknown], _MAX_BYTES_PER_WORD, splits=True
        )
        self._widths, self._begins = alphabet.widths, alphabet.begins.astype(np.int32)
        self._marked = _buffer(one_of_each(but=_SPECIAL_LETTERS))
        found = [*SPECIAL_TOKENS, *_SPECIAL_LETTERS, "x"]
        both = [form for piece in found for form in (piece, CONTINUATION + piece)]
        self._finder = _wordpiece_model([*both, _NEVER], _NEVER, _MAX_BYTES_PER_TEXT, splits=False)

    def encode(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """One text or pair as ``Tokenizer.encode`` gives it.

        Args:
            text: The text, string [1].
            text_pair: The second one, string [1], or None.

        Returns:
            ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [1, L]; and, int32
            [1, L] too, ``byte_starts`` and ``byte_ends``, where the token's own text stands in
            the UTF-8 of its text, 0 for added tokens; ``word_ids``, the number of the token's
            word in its text, -1 for added tokens.

        Raises:
            InputError: When ``max_length`` has no room for the special tokens.
        """
        texts = [text] if text_pair is None else [text, text_pair]
        room = self.template.room(self.max_length, len(texts))
        parts = [self.pieces(each) for each in texts]
        if self.longest_first is not None:
            parts[0] = PhonePieces(*(values[: self.longest_first] for values in parts[0]))
        lengths = truncated_lengths([tf.size(part.ids) for part in parts], room, tf)
        parts = [
            PhonePieces(*(self._kept(values, length) for values in part))
            for part, length in zip(parts, lengths, strict=True)
        ]

        def row(values: Sequence[tf.Tensor], special: int | None = None) -> tf.Tensor:
            return tf.concat(self.template.in_order(values, special), axis=0)[tf.newaxis]

        ids, starts, ends, words = zip(*parts, strict=True)
        input_ids = row(ids)
        types = tf.zeros_like(input_ids)
        if text_pair is not None:
            second = tf.ones([1, lengths[1] + len(self.template.suffix)], tf.int32)
            first = types[:, tf.shape(second)[1] :]
            types = tf.concat([first, self.template.second_type * second], axis=1)
        return {
            "input_ids": input_ids,
            "attention_mask": tf.ones_like(input_ids),
            "token_type_ids": types,
            "byte_starts": row(starts, 0),
            "byte_ends": row(ends, 0),
            "word_ids": row(words, -1),
        }

    def _kept(self, values: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """The values of the pieces that are kept, ``length`` in number."""
        if self.truncation == "head":
            return values[:length]
        head = tokens_from_head(length, self.truncation)
        return tf.concat([values[:head], values[tf.size(values) - (length - head) :]], axis=0)

    def padded(self, batch: dict[str, tf.Tensor], length: int) -> dict[str, tf.Tensor]:
        """The entries of ``encode``, padded to a number of tokens."""
        fill = {"input_ids": self._pad_id, "word_ids": -1}
        missing = length - tf.shape(batch["input_ids"])[1]
        padding = tf.zeros([1, missing], tf.int32)
        return {
            name: tf.reshape(tf.concat([v, padding + fill.get(name, 0)], axis=1), [1, length])
            for name, v in batch.items()
        }

    def pieces(self, text: tf.Tensor) -> PhonePieces:
        """The pieces of one text, string [1]."""
        normal, bytes_of = _normalized(self._normal, text)
        ids, starts, ends = _tokenized(self._wordpiece, normal)
        # Each word's width, in characters: more than 100 are one unknown word.
        begins = tf.gather(self._begins, ids)
        word = tf.cumsum(begins) - 1
        widths = tf.math.segment_sum(tf.gather(self._widths, ids), word)
        too_long = tf.gather(widths, word) > MAX_CHARACTERS_PER_WORD
        lasts = tf.where(tf.concat([begins[1:], [1]], axis=0) > 0)[:, 0]
        word_ends = tf.gather(tf.gather(tf.concat([ends, [0]], axis=0), lasts), word)
        first_bytes = tf.gather(bytes_of, starts)
        last_bytes = tf.gather(bytes_of, tf.where(too_long, word_ends, ends) - 1)
        characters = _normalized(self._marked, text)
        special, inside = self._special_at(*characters)
        special = tf.gather(special, first_bytes)
        is_special = special > 0
        kept = ((begins > 0) | ~too_long) & (is_special | (tf.gather(inside, first_bytes) == 0))
        ids = tf.where(too_long, self._unknown, ids)
        ids = tf.where(is_special, tf.gather([0, *self._special_ids], special), ids)
        ends = tf.where(
            is_special,
            first_bytes + tf.gather([0, *_LENGTHS], special),
            tf.gather(_character_ends(characters[1]), last_bytes),
        )
        kept = tf.where(kept)[:, 0]
        ids, starts, ends, begins = (
            tf.gather(values, kept) for values in (ids, first_bytes, ends, begins)
        )
        return PhonePieces(ids, starts, ends, tf.cumsum(begins) - 1)

    def _special_at(self, marked: tf.Tensor, bytes_of: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The places of special tokens in a text.

        Returns:
            Of each byte, the number of the special token that starts there, from 1, or 0; whether
            it lies in one, int32 [bytes + 1].
        """
        ids, starts, ends = _tokenized(self._finder, marked)
        places = tf.where(ids < 2 * len(SPECIAL_TOKENS))[:, 0]
        number = tf.gather(ids, places) // 2 + 1
        firsts = tf.gather(bytes_of, tf.gather(starts, places))
        behind = tf.gather(bytes_of, tf.gather(ends, places))
        size = bytes_of[-1:] + 1
        special = _scattered(firsts, number, size)
        return special, tf.cumsum(special - _scattered(behind, number, size))


def unordered_marks(vocab: Sequence[str], casing: Casing) -> list[str]:
    """The marks by which a ``PhoneTokenizer`` can differ from the host; usually none.

    Decomposition orders the combining marks behind a letter by class (Unicode 15, section 3.11),
    and nearly all are then deleted as accents. Two that stay can stand in the wrong order, which
    a table by characters does not see. A word with a mark that is not in the vocabulary is [UNK]
    in any order, so it takes two marks of different classes that the vocabulary has.

    Returns:
        Those marks; a text that has two of them behind one letter, in the wrong order, may be read
        in another way.
    """
    known = {ord(c) for piece in vocab for c in piece.removeprefix(CONTINUATION)}
    ranks = mark_ranks(casing)
    marks = sorted(known & kept_marks(casing))
    return [chr(c) for c in marks] if len({ranks[c] for c in marks}) > 1 else []


def _character_ends(starts: tf.Tensor) -> tf.Tensor:
    """The end of the character that each byte of a text is in, int32 [bytes].

    Args:
        starts: Where the characters start, and where the last ends, int32 [characters + 1].
    """
    begun = _scattered(starts, tf.ones_like(starts), starts[-1:] + 1)
    return tf.gather(starts, tf.minimum(tf.cumsum(begun), tf.size(starts) - 1))


def _scattered(places: tf.Tensor, values: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """A vector of zeros but for values at places."""
    # The converter needs to see that it is a vector.
    return tf.reshape(tf.scatter_nd(places[:, tf.newaxis], values, size), [-1])


def _normalized(model: tf.Tensor, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The outputs of FastBertNormalize.

    Returns:
        A string [1]; the byte of the text that each of its bytes, and its end, came from, int32.
    """
    normal, bytes_of = tf_text.FastBertNormalizer(model_buffer=model).normalize_with_offsets(text)
    return normal, tf.cast(bytes_of.values, tf.int32)


def _tokenized(model: tf.Tensor, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The outputs of FastWordpieceTokenizeWithOffsets: ids, starts and ends, int32 [T]."""
    tokenizer = tf_text.FastWordpieceTokenizer(model_buffer=model, token_out_type=tf.int32)
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    return ids.values, tf.cast(starts.values, tf.int32), tf.cast(ends.values, tf.int32)


def _wordpiece_model(pieces: list[str], unknown: str, most_bytes: int, splits: bool) -> tf.Tensor:
    build = pywrap_fast_wordpiece_tokenizer_model_builder.build_fast_wordpiece_model
    return _buffer(build(pieces, most_bytes, CONTINUATION, unknown, not splits, False))


def _buffer(model: bytes) -> tf.Tensor:
    return tf.constant(np.frombuffer(model, np.uint8))
