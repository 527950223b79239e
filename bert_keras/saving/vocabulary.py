"""A model under another vocabulary: rows of tokens that both have, and means for the new ones."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import tensorflow as tf
from tokenizers import models

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import (
    CONTINUATION,
    SPECIAL_TOKENS,
    AddedToken,
    Tokenizer,
    WordPieceTokenizer,
    require_wordpiece,
)
from bert_keras.tokenization.vocabulary import UNK

_logger = logging.getLogger("bert_keras")
_TABLE, _BIAS = "embeddings/word_embeddings", "masked_lm_head/output_bias"

Model = TypeVar("Model", bound=BertModel)


@dataclass(frozen=True)
class Origins:
    """The rows of a vocabulary's tokens in the table of another vocabulary.

    Attributes:
        rows: The rows of the other table whose mean each token's is, by id.
        is_shared: Whether the other vocabulary has the token itself, bool [V].
        unknown: How many of the others are [UNK] alone to it.
    """

    rows: Sequence[Sequence[int]]
    is_shared: np.ndarray
    unknown: int

    def table(self, table: np.ndarray) -> np.ndarray:
        """The rows of the tokens, [V, H], from the other table, [R, H]."""
        lengths = np.array([len(rows) for rows in self.rows])
        flat = np.concatenate([np.asarray(rows, np.int64) for rows in self.rows])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        sums = np.add.reduceat(table[flat].astype(np.float64), starts)
        return (sums / lengths[:, np.newaxis]).astype(table.dtype)

    def bias(self, bias: np.ndarray) -> np.ndarray:
        """The tokens' biases, [V], from the others, [R]; 0 for new tokens."""
        firsts = np.array([rows[0] for rows in self.rows])
        return np.where(self.is_shared, bias[firsts], 0).astype(bias.dtype)


def origins(new: WordPieceTokenizer, old: WordPieceTokenizer) -> Origins:
    """The origins of a vocabulary's rows in a table of another: its own, or those of its pieces."""
    ids = {token: number for number, token in enumerate(old.vocab)}
    others = [token for token in new.vocab if token not in ids]
    inside = _ContinuingPieces(old)
    plain = dict(zip(others, old.encode_sentences(others), strict=True))
    rows: list[Sequence[int]] = []
    for token in new.vocab:
        if token in ids:
            rows.append([ids[token]])
        elif token.startswith(CONTINUATION):
            rows.append(inside.pieces(token.removeprefix(CONTINUATION)))
        else:
            rows.append(plain[token] or [old.unk_id])
    is_shared = np.array([token in ids for token in new.vocab])
    pairs = zip(rows, is_shared, strict=True)
    unknown = sum({*row} == {old.unk_id} for row, shared in pairs if not shared)
    return Origins(rows, is_shared, unknown)


class _ContinuingPieces:
    """The pieces of the inside of a word: the longest "##" pieces first."""

    def __init__(self, tokenizer: WordPieceTokenizer) -> None:
        pieces = {
            token.removeprefix(CONTINUATION): number
            for number, token in enumerate(tokenizer.pieces)
            if token.startswith(CONTINUATION) and token != CONTINUATION
        }
        self._unknown = tokenizer.unk_id
        self._normalize = tokenizer.casing.normalizer().normalize_str
        self._model = models.WordPiece(
            {UNK: self._unknown, **pieces}, unk_token=UNK, continuing_subword_prefix=""
        )

    def pieces(self, text: str) -> list[int]:
        normal = self._normalize(text).strip()
        return [token.id for token in self._model.tokenize(normal)] or [self._unknown]


def add_tokens(model: Model, tokens: Sequence[str], *, special: bool = False) -> Model:
    """Add tokens to a model's tokenizer, and rows to its word embeddings.

    In text they stay whole from then on. A new token's row is the mean of the rows of the pieces
    that it was read as before, and its bias in a masked-LM head 0; all other weights are those of
    the model. Spare rows behind the vocabulary are taken first; otherwise the table grows. What was
    done is logged.

    Args:
        model: The model, with a tokenizer of word pieces; it stays as it is.
        tokens: The tokens, such as ``["<e1>", "</e1>"]``. One that is a word piece already keeps
            its row.
        special: Whether ``decode`` leaves them out, and they are looked for in the text as it is,
            capitals and all; else they are looked for in normalized text.

    Returns:
        A model of the same class, not compiled.

    Raises:
        InputError: When a token is empty, given twice or added already, or the tokenizer is of
            another kind.

    Example:
        >>> model = add_tokens(load("model"), ["<e1>", "</e1>"], special=True)
        >>> model.tokenizer.tokenize("a <e1>film</e1>")
        ['a', '<e1>', 'film', '</e1>']
        >>> model.config.vocab_size == model.tokenizer.vocab_size
        True
    """
    old = require_wordpiece(model.tokenizer_or(), "add_tokens", "add them to the tokenizer itself")
    _check_tokens(tokens, old)
    new = _with_tokens(old, tokens, special=special)
    found = origins(new, old)
    rows = max(model.config.vocab_size, new.vocab_size)
    result = model.like(config=replace(model.config, vocab_size=rows))
    for weight, value in zip(result.weights, model.weight_values().values(), strict=True):
        array = tf.convert_to_tensor(value).numpy()
        if weight.path.endswith((_TABLE, _BIAS)):
            array = _grown(array, found, rows, is_bias=weight.path.endswith(_BIAS))
        weight.assign(tf.cast(array, weight.dtype))
    result.tokenizer = new
    _logger.info(
        "added %s; the word embeddings have %d rows (%d before); a new row is the mean of its "
        "token's pieces before%s",
        ", ".join(f"{token.content} ({token.id})" for token in new.added if token not in old.added),
        rows,
        model.config.vocab_size,
        f"; {found.unknown} of them [UNK] alone" if found.unknown else "",
    )
    return result


def _with_tokens(
    tokenizer: WordPieceTokenizer, contents: Sequence[str], *, special: bool
) -> WordPieceTokenizer:
    """The tokenizer with tokens added; ``save`` makes the files that came with it anew."""
    vocab, added = list(tokenizer.vocab), list(tokenizer.added)
    for content in contents:
        if content not in vocab:
            vocab.append(content)
        number = vocab.index(content)
        added.append(AddedToken(content, number, special=special, normalized=not special))
    files = replace(tokenizer.files, companions={})
    return WordPieceTokenizer(tokenizer.pieces, tokenizer.casing, files, added)


def _grown(array: np.ndarray, found: Origins, rows: int, *, is_bias: bool) -> np.ndarray:
    """The rows of a table with those of the tokens that its vocabulary lacked."""
    grown = np.zeros((rows, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    new = np.flatnonzero(~found.is_shared)
    grown[new] = (found.bias if is_bias else found.table)(array)[new]
    return grown


def _check_tokens(tokens: Sequence[str], tokenizer: WordPieceTokenizer) -> None:
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"tokens must be a list of texts. Received: {tokens!r:.80}")
    known = {*SPECIAL_TOKENS, *(token.content for token in tokenizer.added)}
    for number, token in enumerate(tokens):
        if not token.strip():
            raise InputError(f"a token must have letters. Received: {token!r}")
        if token in known or token in tokens[:number]:
            raise InputError(f"{token!r} is an added token already; leave it out")


def carry_over(model: BertModel, source: BertModel, tokenizer: Tokenizer, name: str) -> None:
    """Copy the weights of a model of another vocabulary, and say how many rows are new.

    Args:
        model: The model that gets them, of the same class and architecture but for the vocabulary.
        source: The other, with its tokenizer.
        tokenizer: That of ``model``.
        name: What messages call the other.

    Raises:
        InputError: When a tokenizer is not of word pieces.
    """
    instead = "prepare the corpus with the model's own tokenizer"
    new = require_wordpiece(tokenizer, "another vocabulary", instead)
    old = require_wordpiece(source.tokenizer_or(), "another vocabulary", instead)
    found = origins(new, old)
    values = source.weight_values()
    for weight, value in zip(model.weights, values.values(), strict=True):
        array = tf.convert_to_tensor(value).numpy()
        if weight.path.endswith(_TABLE):
            array = found.table(array)
        elif weight.path.endswith(_BIAS):
            array = found.bias(array)
        if weight.trainable:
            weight.assign(tf.cast(array, weight.dtype))
    if old.identity == new.identity:
        spare = source.config.vocab_size - old.vocab_size
        _logger.info("%s: %d rows without a token are left out", name, spare)
        return
    shared = int(found.is_shared.sum())
    casings = f"; it is {old.casing.name}, the corpus {new.casing.name}"
    _logger.warning(
        "%s has another vocabulary than the corpus: the rows of %d tokens are carried over, those "
        "of %d new ones are the mean of their pieces' (%d [UNK] alone), with bias 0; %d are left%s",
        name,
        shared,
        new.vocab_size - shared,
        found.unknown,
        old.vocab_size - shared,
        casings if old.casing != new.casing else "",
    )
