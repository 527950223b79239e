"""Tokens beside the word pieces: what directories declare, and the ids they get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization.vocabulary import SPECIAL_TOKENS

DECODER = "added_tokens_decoder"
# The keys of transformers' special tokens; those of other names are a model's own.
STANDARD = (
    *("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
    *("bos_token", "eos_token"),
)
_EXTRA = ("extra_special_tokens", "additional_special_tokens")
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in the text before words are looked for, and stays whole.

    Attributes:
        content: Its text.
        id: Its id: that of a word piece of the same text, or one behind the vocabulary's last.
        special: Whether ``decode`` leaves it out.
        normalized: Whether it is looked for in the normalised text, normalised too.
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

    def for_library(self) -> tokenizers.AddedToken:
        """The same of the ``tokenizers`` library."""
        flags = {name: getattr(self, name) for name in _FLAGS}
        return tokenizers.AddedToken(self.content, **flags)


@dataclass(frozen=True)
class Declared:
    """A token as a file declares it; ``id`` is None where the file says none."""

    content: str
    id: int | None
    flags: Mapping[str, bool]
    source: str


def default_special(content: str, number: int) -> AddedToken:
    """One of BERT's own special tokens, as every BERT has it."""
    return AddedToken(content, number, special=True, normalized=False)


def with_added(pieces: Sequence[str], added: Iterable[AddedToken]) -> list[str]:
    """All tokens by id: the word pieces and, behind them, the added tokens that are none.

    Raises:
        InputError: When a token's id is that of another piece, or leaves a gap.
    """
    vocab = list(pieces)
    ids = {piece: number for number, piece in enumerate(vocab)}
    for token in added:
        _check_id(token.content, token.id, ids, vocab, "the tokenizer")
        if token.id == len(vocab):
            ids[token.content] = token.id
            vocab.append(token.content)
    return vocab


def _check_id(
    content: str, number: int, ids: Mapping[str, int], vocab: Sequence[str], source: str
) -> None:
    expected = ids.get(content, len(vocab))
    if number == expected:
        return
    if content in ids:
        why = f"it is number {expected} of the vocabulary"
    elif 0 <= number < len(vocab):
        why = f"that is the id of {vocab[number]!r}; rename that one in the vocabulary, or leave it"
    else:
        why = f"the next free one is {expected}: ids must have no gap"
    raise InputError(f"{source} gives the added token {content!r} the id {number}, but {why}")


def numbered(
    declared: Iterable[Declared], pieces: Sequence[str], file: Path
) -> tuple[AddedToken, ...]:
    """The declared tokens with their ids, but for BERT's own special ones with the usual flags.

    Args:
        declared: In the order in which they are added.
        pieces: The vocabulary.
        file: The vocabulary's file, for messages.

    Raises:
        InputError: When a declared id is not what the token gets.
    """
    vocab = list(pieces)
    ids = {piece: number for number, piece in enumerate(vocab)}
    added = []
    for token in declared:
        number = ids.get(token.content, len(vocab))
        if token.id is not None:
            _check_id(token.content, token.id, ids, vocab, f"{token.source} (with {file.name})")
        if number == len(vocab):
            ids[token.content] = number
            vocab.append(token.content)
        found = AddedToken(token.content, number, **token.flags)
        if token.content not in SPECIAL_TOKENS or found != default_special(token.content, number):
            added.append(found)
    return tuple(sorted(added, key=lambda token: token.id))


def declared_tokens(
    folder: Path,
    config: Mapping[str, Any],
    specials: Mapping[str, Any],
    legacy: Mapping[str, Any],
    pipeline: Sequence[Any] | None,
    *,
    is_berts: bool,
) -> list[Declared]:
    """The added tokens of a directory, in transformers' order of files and of adding.

    ``added_tokens_decoder`` in ``tokenizer_config.json`` replaces what the other files declare;
    to a class that takes ``tokenizer.json`` as it is, it is added.

    Args:
        folder: The directory, for messages.
        config: ``tokenizer_config.json``.
        specials: ``special_tokens_map.json``.
        legacy: ``added_tokens.json``.
        pipeline: ``added_tokens`` of ``tokenizer.json``; None where there is no such file.
        is_berts: Whether its class is BERT's own.

    Raises:
        InputError: When a token is none.
    """
    own = "tokenizer_config.json"
    named = _named(folder / own, config, is_special=False)
    from_pipeline = [
        _declared(folder / "tokenizer.json", value, number=_of(value, "id"))
        for value in pipeline or ()
    ]
    numbered_ones: list[Declared] = []
    if DECODER in config:
        file = folder / own
        for key, value in _mapping(file, DECODER, config[DECODER]).items():
            number = int(key) if str(key).isdecimal() else key
            numbered_ones.append(_declared(file, value, number=number))
    else:
        named |= _named(folder / "special_tokens_map.json", specials, is_special=True)
        for content, number in legacy.items():
            flags = {"special": content in named}
            value = {"content": content, **flags, "normalized": content not in named}
            numbered_ones.append(_declared(folder / "added_tokens.json", value, number=number))
        replaced = {token.content for token in from_pipeline}
        numbered_ones = [token for token in numbered_ones if token.content not in replaced]
        numbered_ones += from_pipeline
    numbered_ones.sort(key=lambda token: token.id or 0)
    if not is_berts and pipeline is not None:
        numbered_ones = [*from_pipeline, *numbered_ones]
    found: dict[str, Declared] = {}
    for token in numbered_ones:
        found[token.content] = token
    for content, token in named.items():
        found.setdefault(content, token)
    always = {_content(values.get(key)) for key in STANDARD for values in (config, specials)}
    always |= {*SPECIAL_TOKENS} if is_berts else set()
    return [
        replace(token, flags={**token.flags, "special": True}) if token.content in always else token
        for token in found.values()
    ]


def _named(file: Path, values: Mapping[str, Any], *, is_special: bool) -> dict[str, Declared]:
    """The special tokens that keys of a file name: ``mask_token``, lists of others."""
    tokens = [
        _declared(file, value, is_special=is_special or key in STANDARD)
        for key, value in values.items()
        if key.endswith("_token") and _content(value) is not None
    ]
    for key in _EXTRA:
        value = values.get(key) or []
        if not isinstance(value, list | dict):
            raise InputError(f"{file}: {key} must be a list of tokens. Received: {value!r}")
        listed = value.values() if isinstance(value, dict) else value
        tokens += [_declared(file, each, is_special=is_special) for each in listed]
    return {token.content: token for token in tokens}


def _declared(
    file: Path, value: Any, number: int | None = None, *, is_special: bool = False
) -> Declared:
    """A token of a file: its text alone, which is special, or an object with its flags."""
    if isinstance(value, str):
        value = {"content": value, "special": True}
    content = _content(value)
    if not isinstance(content, str) or not content:
        raise InputError(f"{file}: an added token must have a content. Received: {value!r}")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise InputError(f"{file}: the id of {content!r} must be a number. Received: {number!r}")
    given = {name: value[name] for name in _FLAGS if name in value}
    if is_special:
        given["special"] = True
    flags = {"special": False, "normalized": not given.get("special", False)} | given
    unknown = value.keys() - {*_FLAGS, "content", "id", "__type"}
    if unknown or not all(isinstance(flag, bool) for flag in flags.values()):
        raise InputError(f"{file}: the added token {content!r} is not understood: {value!r}")
    return Declared(content, number, flags, str(file))


def _mapping(file: Path, key: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{file}: {key} must be an object of tokens by id. Received: {value!r}")
    return value


def _content(value: Any) -> Any:
    return value if isinstance(value, str) else _of(value, "content")


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
