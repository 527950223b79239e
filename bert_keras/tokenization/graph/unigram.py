"""Texts to the tokens of a Unigram, in the graph, by SentencePiece's own operation.

The operation adds up scores in 32 bits, the ``tokenizers`` library in 64. Two ways to cut a word
often have the same sum, as those of "!!!" into "!" and "!!", and rounding would choose between
them. Therefore the operation reads one word at a time, and its sums are exact: scores are multiples
of a number, and each has an amount for every byte of its token, which makes no way better than
another and keeps sums near 0. Of equal ways both then take the same one. Where two ways differ by
less than that number, or the library's own rounding tells two equal ones apart, the operation may
still take the other.
"""

import base64
import re
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tokenizers import normalizers

from bert_keras.errors import InputError
from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.graph.charsmap import build_charsmap
from bert_keras.tokenization.graph.charsmap_rules import read_rules, write_rules
from bert_keras.tokenization.graph.cutting import Pieces, normalizer_of
from bert_keras.tokenization.graph.graphemes import GraphemeRules
from bert_keras.tokenization.graph.unigram_model import unigram_model
from bert_keras.tokenization.subword import SubwordTokenizer
from bert_keras.tokenization.subword_parts import SPACE, UNIGRAM, steps

_MARK = SPACE[UNIGRAM]
_STEP = 2.0**-14  # sums below 1024 are exact
_PER_BYTE = 1.75  # about what tokens of English and Chinese have the other way
# Rust's char::is_whitespace, by which the library splits.
_SPACES = [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F]
_SPACES += [0x205F, 0x3000]
# Characters that no text has once they were replaced: for a lone mark and for added tokens.
_STAND_INS = [chr(number) for number in range(0x10FE00, 0x10FFF0)]
_NEVER = "\U0010fff0"  # in pieces that no text matches
_NOTHING = "\U0010fff1"  # between a character and its marks, deleted
_STRANGE = "\U0010fff2"  # for those characters, and for the zero byte, where a text has them


class UnigramGraph(tf.Module):
    """Texts to the tokens of a Unigram.

    Args:
        tokenizer: The host's tokenizer.

    Attributes:
        unsure_pieces: The most pieces that can differ where a text is cut behind a word.

    Raises:
        InputError: Names the setting that the operation cannot follow.
    """

    unsure_pieces = 0

    def __init__(self, tokenizer: SubwordTokenizer) -> None:
        super().__init__()
        rules = tokenizer.rules
        replaced = _replacements(rules)
        _check_rules(rules, tokenizer.lowered)
        tokens = _found_tokens(tokenizer)
        vocab = [(token, float(score)) for token, score in rules["model"]["vocab"]]
        known = {token for token, _ in vocab}
        if len(known) < len(vocab) or "" in known or _MARK not in known:
            raise _refused(
                "vocabulary", f"{_MARK} is not in it, or a token is there twice or empty"
            )
        unknown = int(rules["model"]["unk_id"])
        alone = tokenizer.vocab.index(_MARK)
        stand_ins = dict(zip([token.content for token in tokens], _STAND_INS, strict=False))
        lone = _STAND_INS[len(tokens)]
        _check_free([*known, *replaced], [*stand_ins.values(), lone, _NEVER, _NOTHING, _STRANGE])
        pieces = [(_own(token), _score(token, score)) for token, score in vocab]
        pieces += [(_MARK + c, 0.0) for c in [*stand_ins.values(), lone]]
        # The operation takes 10 off the lowest score for a character that is unknown.
        pieces.append((_NEVER * 2, _score("?", min(score for _, score in vocab))))
        numbers = [*range(len(vocab)), *(token.id for token in tokens), alone, unknown, unknown]
        self._ids = tf.constant(np.array(numbers, np.int32))
        self._graphemes = GraphemeRules(replaced, _NOTHING) if replaced else None
        if replaced:
            replaced = replaced | {_NOTHING: ""}
        model = unigram_model(pieces, _NEVER, write_rules(replaced))
        self._cut = tf_text.SentencepieceTokenizer(model, out_type=tf.int32)
        self._well_formed = normalizer_of(build_charsmap({}, ill_formed="\ufffd"))
        by_length = sorted(stand_ins.items(), key=lambda item: -len(item[0]))
        self._tokens = [(re.escape(content), f" {c} ") for content, c in by_length]
        self._lone = lone
        self._strange = rf"[\x00{_STAND_INS[0]}-{_STRANGE}]"
        spaces = "".join(c for c in [*map(chr, _SPACES), _MARK] if replaced.get(c, c).isspace())
        self._spaces, self._letters = f"[{spaces}]+", f"[^{spaces}]"

    def whole_words(self, texts: tf.Tensor) -> tf.Tensor:
        """The beginnings of texts, string [N], without their last words, which may be cut."""
        texts = self._well_formed.normalize(texts)
        return tf.strings.regex_replace(texts, f"{self._letters}*$", "")

    def pieces(self, texts: tf.Tensor) -> Pieces:
        """The tokens of texts, string [N]; where they stand is not known, and 0."""
        texts = tf.strings.regex_replace(
            self._well_formed.normalize(texts), self._strange, _STRANGE
        )
        for pattern, stand_in in self._tokens:
            texts = tf.strings.regex_replace(texts, pattern, stand_in)
        if self._graphemes is not None:
            texts = self._graphemes(texts)
        texts = tf.strings.regex_replace(texts, self._spaces, " ")
        if _MARK not in self._spaces:
            # A word ends before a mark, and a mark that no letter follows is a word.
            texts = tf.strings.regex_replace(texts, f"{_MARK}([^{_MARK} ])", r" \1")
            texts = tf.strings.regex_replace(texts, _MARK, f" {self._lone} ")
        words = tf.strings.split(texts, " ")
        found = self._cut.tokenize(words.values)
        splits = tf.cast(tf.gather(found.row_splits, words.row_splits), tf.int32)
        ids = tf.gather(self._ids, found.values)
        nowhere = tf.zeros_like(ids, tf.int64)
        return Pieces(ids, splits, nowhere, nowhere)


def _score(token: str, score: float) -> float:
    """A token's score in the operation."""
    return round((score + _PER_BYTE * len(token.encode())) / _STEP) * _STEP


def _own(token: str) -> str:
    """A piece, made one that no text matches where the host finds it in no word."""
    return _NEVER + token if _MARK in token[1:] else token


def _replacements(rules: dict[str, Any]) -> dict[str, str]:
    """The replacements of characters by the normalizer, as the ``tokenizers`` library makes them.

    Of a character with its marks the library replaces the whole, or else each alone, where
    SentencePiece looks for the longest text of its map: the map is written anew.

    Raises:
        InputError: When the normalizer is another.
    """
    parts = [*steps(rules["normalizer"])]
    if [part["type"] for part in parts] not in ([], ["Precompiled"]):
        raise _refused("normalizer", " and ".join(str(part["type"]) for part in parts))
    if not parts:
        return {}
    data = base64.b64decode(parts[0]["precompiled_charsmap"])
    found, normal = read_rules(data), normalizers.Precompiled(data)
    kept = {key: text for key, text in found.items() if len(key) == 1}
    for key in found.keys() - kept.keys():
        text = normal.normalize_str(key)
        if text != "".join(kept.get(c, c) for c in key):
            kept[key] = text
    return kept


def _check_rules(rules: dict[str, Any], lowered: bool) -> None:
    """Raise ``InputError`` for the first setting that the operation cannot follow."""
    if lowered:
        raise _refused("normalizer", "text that is lower-cased before the rules")
    parts = [*steps(rules["pre_tokenizer"])]
    kinds = [part["type"] for part in parts]
    if kinds != ["WhitespaceSplit", "Metaspace"]:
        raise _refused("pre_tokenizer", " and ".join(kinds))
    for key, value in (("prepend_scheme", "always"), ("split", True)):
        if parts[1].get(key, value) != value:
            raise _refused(f"{key} of its Metaspace", parts[1][key])
    if rules["model"].get("byte_fallback"):
        raise _refused("byte_fallback of its model", True)


def _found_tokens(tokenizer: SubwordTokenizer) -> list[AddedToken]:
    """The tokens that are found in a text as it is.

    Raises:
        InputError: Names one that a graph would not find as the host does.
    """
    tokens = list(tokenizer.added)
    if len(tokens) >= len(_STAND_INS):
        raise _refused("added_tokens", f"{len(tokens)} of them")
    for token in tokens:
        text = token.content
        flags = [name for name in ("normalized", "single_word") if getattr(token, name)]
        if flags:
            raise _refused("added_tokens", f"{text!r}, which is {flags[0]}")
        if not text or _MARK in text or any(ord(c) in _SPACES for c in text):
            raise _refused("added_tokens", f"{text!r}, which has a space in it")
        for other in tokens:
            if token is not other and _overlap(text, other.content):
                raise _refused("added_tokens", f"{text!r} and {other.content!r}, which overlap")
    return tokens


def _overlap(first: str, second: str) -> bool:
    """Tell whether a text can hold both so that they share characters."""
    ends = range(1, min(len(first), len(second)) + 1)
    return second in first or any(first[-size:] == second[:size] for size in ends)


def _check_free(texts: list[str], characters: list[str]) -> None:
    used = {c for text in texts for c in text} & set(characters)
    if used:
        raise _refused("vocabulary", f"the private character U+{ord(min(used)):X}")


def _refused(setting: str, received: Any) -> InputError:
    return InputError(
        f"text in a graph is read by SentencePiece's operation, which cannot follow the {setting} "
        f"of this tokenizer: {received}"
    )
