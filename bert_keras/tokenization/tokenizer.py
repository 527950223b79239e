"""The protocol of tokenizers, and their encodings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from bert_keras.tokenization.template import (
    SequenceTemplate,
    kept_of,
    tokens_from_head,
    truncated_lengths,
)

Tokens = tuple[Sequence[int], Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Encoding:
    """One text or pair as the model reads it; all lists have one entry a token.

    Attributes:
        input_ids: Ids, with the special tokens of the template.
        token_type_ids: The token types of the template; with BERT's 0 for [CLS], the first text
            and its [SEP], 1 for the second and its [SEP].
        tokens: The tokens as text, such as word pieces.
        offsets: Half-open ranges of characters of the text the token came from; (0, 0) for the
            special tokens that were added.
        lengths: The number of tokens that are kept of each text.
        left_out: The number of tokens that were cut off.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    lengths: tuple[int, ...]
    left_out: int = 0


class Tokenizer(Protocol):
    """Text to ids and back; ``WordPieceTokenizer`` is one.

    To be used by several processes (``prepare`` with ``workers``) it must be picklable.

    Attributes:
        vocab: The tokens as text, by id.
        vocab_size: Their number, V.
        template: The special tokens around texts.
        pad_id: The id that fills sequences up.
        mask_id: The id that hides a token that is to be predicted.
        unk_id: The id of what the vocabulary lacks; None where it lacks nothing.
        starts_word: bool [V], whether a token begins a word, for masking whole words.
        identity: JSON values that differ for every other tokenizer: a corpus is read by the one
            that made it.
        drops_marks: Whether combining marks go with the accents.
        model_max_length: The longest sequence that its model is to be given; None where nothing is
            said.
    """

    @property
    def vocab(self) -> list[str]: ...  # noqa: D102
    @property
    def vocab_size(self) -> int: ...  # noqa: D102
    @property
    def template(self) -> SequenceTemplate: ...  # noqa: D102
    @property
    def pad_id(self) -> int: ...  # noqa: D102
    @property
    def mask_id(self) -> int: ...  # noqa: D102
    @property
    def unk_id(self) -> int | None: ...  # noqa: D102
    @property
    def starts_word(self) -> npt.NDArray[np.bool_]: ...  # noqa: D102
    @property
    def identity(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def drops_marks(self) -> bool: ...  # noqa: D102
    @property
    def model_max_length(self) -> int | None: ...  # noqa: D102

    def encode(
        self,
        text: str,
        text_pair: str | None = None,
        max_length: int | None = None,
        truncation: str = "head",
    ) -> Encoding:
        """One text or pair with its special tokens; see ``PipelineTokenizer.encode``."""

    def encode_batch(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str | None] | None = None,
        max_length: int | None = None,
        truncation: str = "head",
    ) -> list[Encoding]:
        """Many texts or pairs, each as ``encode`` gives it."""

    def encode_sentences(self, texts: list[str]) -> list[list[int]]:
        """The ids of many texts, without special tokens."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens left out."""

    def lowercased(self) -> Self:
        """The tokenizer of lower-cased text; its ``save`` writes ``self``."""

    def save(
        self, directory: str | Path, positions: int | None = None, *, replace: bool = False
    ) -> None:
        """Write the tokenizer's files; see ``WordPieceTokenizer.save``."""


class HasTemplate(Protocol):
    """A vocabulary, and the special tokens around texts: what ``laid_out`` needs."""

    @property
    def vocab(self) -> list[str]: ...  # noqa: D102
    @property
    def template(self) -> SequenceTemplate: ...  # noqa: D102


def laid_out(
    tokenizer: HasTemplate, texts: Sequence[Tokens], max_length: int | None, truncation: str
) -> Encoding:
    """The encoding of one text or two with the special tokens, cut to ``max_length``.

    Args:
        tokenizer: The tokenizer.
        texts: The ids and the offsets of the tokens of each text.
        max_length: As in ``Tokenizer.encode``.
        truncation: Likewise.

    Raises:
        InputError: When ``max_length`` has no room for the special tokens, or there is no such
            truncation.
    """
    tokens_from_head(0, truncation)  # refuses a wrong name where nothing is cut, too
    template, vocab = tokenizer.template, tokenizer.vocab
    whole = [len(ids) for ids, _ in texts]
    lengths = whole
    room = sum(whole) if max_length is None else template.room(max_length, len(texts))
    if sum(whole) > room:
        lengths = [int(length) for length in truncated_lengths(whole, room)]
        texts = [
            (kept_of(ids, length, truncation), kept_of(offsets, length, truncation))
            for (ids, offsets), length in zip(texts, lengths, strict=True)
        ]
    input_ids = [*chain.from_iterable(template.in_order([ids for ids, _ in texts]))]
    offsets = template.in_order([offsets for _, offsets in texts], (0, 0))
    return Encoding(
        input_ids,
        template.types(*lengths),
        [vocab[number] for number in input_ids],
        [*chain.from_iterable(offsets)],
        tuple(lengths),
        sum(whole) - sum(lengths),
    )


def without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """A range of a text without the spaces at its ends; spaces alone stay."""
    inner = text[start:end]
    if not inner.strip():
        return start, end
    return end - len(inner.lstrip()), start + len(inner.rstrip())
