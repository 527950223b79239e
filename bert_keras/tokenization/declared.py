"""The added tokens that a directory's files declare, and the ids they get."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.tokenization.added import FLAGS, AddedToken, check_id, default_special
from bert_keras.tokenization.vocabulary import SPECIAL_TOKENS

DECODER = "added_tokens_decoder"
# The keys of transformers' special tokens; those of other names are a model's own.
STANDARD = (
    *("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
    *("bos_token", "eos_token"),
)
_EXTRA = ("extra_special_tokens", "additional_special_tokens")  # the latter is older
_MODELS_OWN = "model_specific_special_tokens"
_SURROGATE = re.compile("[\ud800-\udfff]")  # no text has one


@dataclass(frozen=True)
class Declared:
    """A token as a file declares it, with the flags that it gives; ``id`` may be None."""

    content: str
    id: int | None
    flags: Mapping[str, bool]
    source: str


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
    return tuple(
        token
        for token in all_numbered(declared, pieces, file)
        if token.content not in SPECIAL_TOKENS or token != default_special(token.content, token.id)
    )


def all_numbered(
    declared: Iterable[Declared], pieces: Sequence[str], file: Path
) -> tuple[AddedToken, ...]:
    """All declared tokens with their ids, ascending; arguments and errors as of ``numbered``."""
    vocab = list(pieces)
    ids = {piece: number for number, piece in enumerate(vocab)}
    added = []
    for token in declared:
        number = ids.get(token.content, len(vocab))
        if token.id is not None:
            check_id(token.content, token.id, ids, vocab, f"{token.source} (with {file.name})")
        if number == len(vocab):
            ids[token.content] = number
            vocab.append(token.content)
        flags = {"normalized": not token.flags.get("special", False), **token.flags}
        added.append(AddedToken(token.content, number, **flags))
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
    a class that takes ``tokenizer.json`` as it is gets the tokens of both.

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
    own, theirs = folder / "tokenizer_config.json", folder / "special_tokens_map.json"
    from_pipeline = [
        _declared(folder / "tokenizer.json", value, number=_of(value, "id"))
        for value in pipeline or ()
    ]
    config, specials = _lists_that_count(config, specials)
    config = _that_count(own, config)
    named = _named(own, config, is_special=False)
    if DECODER in config:
        with_ids = [
            _declared(own, value, number=int(key) if str(key).isdecimal() else key)
            for key, value in _mapping(own, DECODER, config[DECODER]).items()
        ]
    else:
        named += _named(theirs, specials, is_special=True)
        replaced = {token.content for token in from_pipeline}
        older = _legacy_tokens(folder / "added_tokens.json", legacy, config, specials)
        with_ids = [token for token in older if token.content not in replaced] + from_pipeline
    with_ids.sort(key=lambda token: token.id or 0)
    found: dict[str, Declared] = {}
    for token in with_ids if is_berts else [*from_pipeline, *with_ids]:
        _put(found, token)
    others: dict[str, Declared] = {}
    for token in named:
        if token.content not in found:
            _put(others, token)
    always = _roles(config, specials) | ({*SPECIAL_TOKENS} if is_berts else set())
    return [
        replace(token, flags={**token.flags, "special": True}) if token.content in always else token
        for token in (*found.values(), *others.values())
    ]


def _roles(*files: Mapping[str, Any]) -> set[Any]:
    """The contents of the tokens that have a role in one of the files, such as ``mask_token``."""
    return {
        content_of(value)
        for values in files
        for key, value in values.items()
        if key.endswith("_token")
    }


def _that_count(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """``tokenizer_config.json`` with the tokens of the model's own that transformers reads.

    Those of ``model_specific_special_tokens`` count only where no other is given as a text or
    named in ``extra_special_tokens``.

    Raises:
        InputError: When one is an object that transformers does not take for a token.
    """
    others = {
        key: value
        for key, value in config.items()
        if key.endswith("_token") and key not in STANDARD and content_of(value) is not None
    }
    for key, value in others.items():
        if isinstance(value, dict) and value.get("__type") != "AddedToken":
            raise InputError(
                f'{file}: {key} must be a text, or an object with "__type": "AddedToken", for '
                f"transformers to read it. Received: {value!r:.80}"
            )
    extra = config.get(_EXTRA[0]) or []
    if isinstance(extra, dict):
        others |= extra
    elif not any(isinstance(value, str) for value in others.values()):
        others |= _mapping(file, _MODELS_OWN, config.get(_MODELS_OWN) or {})
    kept = {key: config[key] for key in (*STANDARD, *_EXTRA, DECODER) if key in config}
    kept |= {_EXTRA[0]: []} if isinstance(extra, dict) else {}
    named = {key if key.endswith("_token") else f"{key}_token": others[key] for key in others}
    return kept | {key: value for key, value in named.items() if key not in STANDARD}


def _lists_that_count(
    config: Mapping[str, Any], specials: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Both files without their lists of the older name where there is a newer one."""
    extra, older = _EXTRA
    if config.get(extra) or config.get(older) or specials.get(extra):
        specials = {key: value for key, value in specials.items() if key != older}
    if config.get(extra):
        config = {key: value for key, value in config.items() if key != older}
    return config, specials


def _legacy_tokens(
    file: Path, legacy: Mapping[str, Any], config: Mapping[str, Any], specials: Mapping[str, Any]
) -> list[Declared]:
    """The tokens of ``added_tokens.json``; those that other files name as special are special.

    As in transformers, neither a token of ``config`` with flags of its own nor the list of
    ``specials`` by its older name does so.
    """
    named = {each for each in _listed(config, (*STANDARD, *_EXTRA)) if isinstance(each, str)}
    named |= {content_of(each) for each in _listed(specials, (*STANDARD, _EXTRA[0]))}
    return [
        _declared(
            file,
            {"content": content, "special": content in named, "normalized": content not in named},
            number=number,
        )
        for content, number in legacy.items()
    ]


def _put(tokens: dict[str, Declared], token: Declared) -> None:
    """Replace what was declared of a token before; but once special, it stays so."""
    before = tokens.get(token.content)
    if before is not None and before.flags.get("special") and not token.flags.get("special"):
        token = replace(token, flags={"normalized": True, **token.flags, "special": True})
    tokens[token.content] = token


def _named(file: Path, values: Mapping[str, Any], *, is_special: bool) -> list[Declared]:
    """The special tokens that keys of a file name: ``mask_token``, lists of others."""
    tokens = [
        _declared(file, value, is_special=is_special or key in STANDARD)
        for key, value in values.items()
        if key.endswith("_token") and content_of(value) is not None
    ]
    for key in _EXTRA:
        value = values.get(key) or []
        if not isinstance(value, list | dict):
            raise InputError(f"{file}: {key} must be a list of tokens. Received: {value!r}")
        listed = value.values() if isinstance(value, dict) else value
        tokens += [_declared(file, each, is_special=is_special) for each in listed]
    return tokens


def _listed(values: Mapping[str, Any], keys: Sequence[str]) -> list[Any]:
    """The values under keys; of a list its items."""
    found = [values.get(key) for key in keys]
    return [each for value in found for each in (value if isinstance(value, list) else [value])]


def _declared(
    file: Path, value: Any, number: int | None = None, *, is_special: bool = False
) -> Declared:
    """A token of a file: its text alone, which is special, or an object with its flags."""
    if isinstance(value, str):
        value = {"content": value, "special": True}
    content = content_of(value)
    if not isinstance(content, str) or not content or _SURROGATE.search(content):
        raise InputError(f"{file}: an added token must have a content. Received: {value!r}")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise InputError(f"{file}: the id of {content!r} must be a number. Received: {number!r}")
    given = {name: value[name] for name in FLAGS if name in value}
    if is_special:
        given["special"] = True
    unknown = value.keys() - {*FLAGS, "content", "id", "__type"}
    if unknown or not all(isinstance(flag, bool) for flag in given.values()):
        raise InputError(f"{file}: the added token {content!r} is not understood: {value!r}")
    return Declared(content, number, given, str(file))


def _mapping(file: Path, key: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{file}: {key} must be an object of tokens. Received: {value!r:.80}")
    return value


def content_of(value: Any) -> Any:
    """The text of a token that a file names: the text itself, or an object's content."""
    return value if isinstance(value, str) else _of(value, "content")


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
