"""Tokens beside the word pieces, which stay whole in the text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import tokenizers
from tokenizers import normalizers
from tokenizers.normalizers import Normalizer

from bert_keras.errors import InputError
from bert_keras.tokenization.vocabulary import SPECIAL_TOKENS

FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


class Normalizing(Protocol):
    """The rules that normalize a tokenizer's text, such as a ``Casing``."""

    def normalizer(self) -> Normalizer:
        """The normalizer of the ``tokenizers`` library that has these rules."""


class PipelineNormalizer:
    """The normalizer of a pipeline, or none, as ``Normalizing``."""

    def __init__(self, normalizer: Normalizer | None) -> None:
        self._normalizer = normalizer or normalizers.Sequence([])

    def normalizer(self) -> Normalizer:
        """The normalizer; where there is none, one that changes nothing."""
        return self._normalizer


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in the text before words are looked for, and stays whole.

    Attributes:
        content: Its text.
        id: Its id: that of a word piece of the same text, or one behind the vocabulary's last.
        special: Whether ``decode`` leaves it out.
        normalized: Whether it is looked for in the normalized text, normalized too.
        lstrip: Whether it takes the spaces before it.
        rstrip: Whether it takes the spaces behind it.
        single_word: Whether it is found only where no letter or digit is beside it.
    """

    content: str
    id: int
    special: bool = False
    normalized: bool = True
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A token from what ``to_dict`` gave."""
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary."""
        return asdict(self)

    def sought(self, casing: Normalizing) -> str:
        """The text that is looked for: the token's own, or its normal form."""
        if not self.normalized:
            return self.content
        return str(casing.normalizer().normalize_str(self.content))

    def for_library(self) -> tokenizers.AddedToken:
        """The token as an object of the ``tokenizers`` library."""
        flags = {name: getattr(self, name) for name in FLAGS}
        return tokenizers.AddedToken(self.content, **flags)


def default_special(content: str, number: int) -> AddedToken:
    """One of BERT's own special tokens, as every BERT has it."""
    return AddedToken(content, number, special=True, normalized=False)


def tokens_of(pieces: Sequence[str], added: Iterable[AddedToken]) -> list[AddedToken]:
    """All tokens that are found in the text before words are: BERT's own special ones and others.

    Args:
        pieces: The vocabulary.
        added: The others, and BERT's own where they have other flags than usual.
    """
    tokens = {token: default_special(token, pieces.index(token)) for token in SPECIAL_TOKENS}
    return [*(tokens | {token.content: token for token in added}).values()]


def with_added(pieces: Sequence[str], added: Iterable[AddedToken]) -> list[str]:
    """All tokens by id: the word pieces and, behind them, the added tokens that are none.

    Raises:
        InputError: When a token's id is that of another piece, or leaves a gap.
    """
    vocab = list(pieces)
    ids = {piece: number for number, piece in enumerate(vocab)}
    for token in added:
        check_id(token.content, token.id, ids, vocab, "the tokenizer")
        if token.id == len(vocab):
            ids[token.content] = token.id
            vocab.append(token.content)
    return vocab


def check_id(
    content: str, number: int, ids: Mapping[str, int], vocab: Sequence[str], source: str
) -> None:
    """Refuse an id of an added token that is not its piece's, or the next one that is free."""
    expected = ids.get(content, len(vocab))
    if number == expected:
        return
    if content in ids:
        why = f"it is number {expected} of the vocabulary"
    elif 0 <= number < len(vocab):
        why = (
            f"that is the id of {vocab[number]!r}; rename it to the token's text in the vocabulary"
        )
    else:
        why = f"the next free one is {expected}: ids must have no gap"
    raise InputError(f"{source} gives the added token {content!r} the id {number}, but {why}")


def check_findable(added: Iterable[AddedToken], casing: Normalizing, source: str) -> None:
    """Refuse tokens that the library cannot look for, or cannot tell apart.

    Of two tokens that are the same in normalized text the library finds either, by chance. A token
    that is empty there, and spaces that two tokens take, end its call with an error of its own.
    """
    found: dict[str, str] = {}
    taking: dict[bool, str] = {}
    tokens = list(added)
    for token in tokens:
        if token.rstrip:
            taking[token.normalized] = token.content
    for token in tokens:
        text = token.sought(casing)
        if not text:
            raise InputError(
                f"{source}: the added token {token.content!r} is empty in normalized text; leave "
                "it out, or set its normalized to false"
            )
        if token.normalized and text in found:
            raise InputError(
                f"{source}: the added tokens {found[text]!r} and {token.content!r} are the "
                "same in normalized text; leave one out, or set its normalized to false"
            )
        if token.normalized:
            found[text] = token.content
        if not text.strip() and token.lstrip and token.normalized in taking:
            raise InputError(
                f"{source}: the added token {token.content!r} is of spaces with lstrip, and "
                f"{taking[token.normalized]!r} takes spaces with rstrip; unset either"
            )
