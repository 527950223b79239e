"""BERT's tokenizer in the graph: the host's ids from a dozen TensorFlow operations."""

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from bert_keras.errors import InputError
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.graph.alphabet import DELETED, SPECIAL_STAND_INS, Alphabet
from bert_keras.tokenization.graph.charsmap import build_charsmap
from bert_keras.tokenization.tokenizer import BertTokenizer

_MAX_CHARACTERS = vocabulary.MAX_CHARACTERS_PER_WORD
_SPECIAL = "|".join(token.strip("[]") for token in SPECIAL_STAND_INS)
_STAND_INS = "".join(SPECIAL_STAND_INS.values())


class GraphTokenizer(tf.Module):
    """BertTokenizer's rules as TensorFlow operations.

    Args:
        tokenizer: The host's tokenizer, whose ids these are.
        max_length: The largest number of tokens, special ones included.
    """

    def __init__(self, tokenizer: BertTokenizer, max_length: int) -> None:
        super().__init__()
        if max_length < 3:
            raise InputError(f"max_length must be at least 3. Received: {max_length}")
        self.max_length = max_length
        self._cls, self._sep, self._pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
        alphabet = Alphabet(tokenizer.vocab, tokenizer.casing)
        self._charsmap = _buffer(build_charsmap(alphabet.forms, ill_formed=""))
        self._wordpiece = _buffer(_wordpiece_model(tokenizer.vocab, alphabet))

    def encode(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """The ids of texts or pairs, as ``BertTokenizer.encode`` gives them, padded."""
        outputs, _ = self._encode(text, text_pair)
        return outputs

    def _encode(
        self, text: tf.Tensor, text_pair: tf.Tensor | None
    ) -> tuple[dict[str, tf.Tensor], tuple[tf.Tensor, ...]]:
        texts = [text] if text_pair is None else [text, text_pair]
        ids, splits, starts, ends = self._pieces(tf.concat(texts, axis=0))
        lengths = tf.split(splits[1:] - splits[:-1], len(texts))
        firsts = tf.split(splits[:-1], len(texts))
        kept = _truncated(lengths, self.max_length - 1 - len(texts))
        total = tf.add_n(kept) + (1 + len(texts))
        width = tf.maximum(tf.reduce_max(total), 0)
        position = tf.range(width)[tf.newaxis]
        count = tf.size(ids)
        index = tf.where(position == 0, count, count + 2)
        begin = tf.ones_like(total)
        for first, length in zip(firsts, kept, strict=True):
            inside = position - begin[:, tf.newaxis]
            length = length[:, tf.newaxis]
            index = tf.where(
                (inside >= 0) & (inside < length), first[:, tf.newaxis] + inside, index
            )
            index = tf.where(inside == length, count + 1, index)
            begin += length[:, 0] + 1
        ids = tf.gather(tf.concat([ids, [self._cls, self._sep, self._pad]], axis=0), index)
        real = position < total[:, tf.newaxis]
        if text_pair is None:
            types = tf.zeros_like(ids)
        else:
            types = tf.cast(real & (position > kept[0][:, tf.newaxis] + 1), tf.int32)
        outputs = {
            "input_ids": ids,
            "attention_mask": tf.cast(real, tf.int32),
            "token_type_ids": types,
        }
        return outputs, (index, starts, ends)

    def _pieces(self, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        texts = tf.cond(
            tf.reduce_any(
                tf.strings.regex_full_match(texts, rf"\C*(?:\[(?:{_SPECIAL})\]|[{_STAND_INS}])\C*")
            ),
            lambda: _mark_special_tokens(texts),
            lambda: texts,
        )
        normal, _ = tf_text.FastBertNormalizer(
            model_buffer=self._charsmap
        )._normalize_with_offsets_helper(texts, get_offsets=False)
        ids, starts, ends = tf_text.FastWordpieceTokenizer(
            model_buffer=self._wordpiece
        ).tokenize_with_offsets(normal)
        return (
            tf.cast(ids.values, tf.int32),
            tf.cast(ids.row_splits, tf.int32),
            tf.cast(starts.values, tf.int32),
            tf.cast(ends.values, tf.int32),
        )


def _mark_special_tokens(texts: tf.Tensor) -> tf.Tensor:
    """Special tokens as one character each, of as many bytes as before."""
    texts = tf.strings.regex_replace(texts, f"[{_STAND_INS}]", DELETED)
    for token, stand_in in SPECIAL_STAND_INS.items():
        same_length = stand_in + "\x01" * (len(token) - len(stand_in.encode("utf-8")))
        texts = tf.strings.regex_replace(texts, rf"\[{token.strip('[]')}\]", same_length)
    return texts


def _truncated(lengths: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    """How many tokens of each text stay, as ``BertTokenizer.encode`` shares the room."""
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    first, second = lengths
    short = tf.minimum(tf.minimum(first, second), room // 2)
    long = room - short
    first_is_short = first <= second
    fits = first + second <= room
    return [
        tf.where(fits, first, tf.where(first_is_short, short, long)),
        tf.where(fits, second, tf.where(first_is_short, long, short)),
    ]


def _buffer(model: bytes) -> tf.Tensor:
    return tf.constant(np.frombuffer(model, np.uint8))


def _wordpiece_model(vocab: list[str], alphabet: Alphabet) -> bytes:
    """The model of FastWordpieceTokenizeWithOffsets for a vocabulary, ids as in it."""
    pieces = []
    for number, piece in enumerate(vocab):
        spelled = alphabet.piece(piece)
        # What no text matches keeps its id under a name that the model passes over.
        pieces.append(f"[{number}]" if spelled is None else spelled)
    unknown = pieces[vocab.index(vocabulary.UNK)]
    return pywrap_fast_wordpiece_tokenizer_model_builder.build_fast_wordpiece_model(
        pieces, _MAX_CHARACTERS, vocabulary.CONTINUATION, unknown, False, False
    )
