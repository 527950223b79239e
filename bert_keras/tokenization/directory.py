"""A tokenizer in a model directory: vocabulary, settings, ``tokenizer.json``."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import write_bytes_atomic, write_text_atomic
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.added import AddedToken, check_findable, tokens_of
from bert_keras.tokenization.casing import Casing, guess_casing, log_casing
from bert_keras.tokenization.declared import DECODER, content_of, declared_tokens, numbered
from bert_keras.tokenization.pipeline import (
    check_pipeline,
    make_pipeline,
    pipeline_casing,
    wordpiece_model,
)
from bert_keras.tokenization.settings import (
    CONFIG_FILE,
    PIPELINE_FILE,
    TOKENS,
    check_named,
    check_settings,
    has_berts_class,
)

_logger = logging.getLogger("bert_keras")

VOCABULARY_FILE = "vocab.txt"
SPECIALS_FILE, ADDED_FILE = "special_tokens_map.json", "added_tokens.json"
COMPANIONS = (PIPELINE_FILE, SPECIALS_FILE, ADDED_FILE)  # kept as they came
LENGTH = "model_max_length"
# Of the machine or the directory that a tokenizer came from: wrong in any other.
OF_ITS_PLACE = (
    "name_or_path",
    "special_tokens_map_file",
    "tokenizer_file",
    "is_local",
    "local_files_only",
)
_NO_LIMIT = 10**9  # transformers writes 1e30 where there is none


@dataclass(frozen=True)
class TokenizerFiles:
    """A directory's other settings than vocabulary and casing, to be written back.

    Attributes:
        config: The other keys of ``tokenizer_config.json``.
        companions: The bytes of the ``COMPANIONS`` that are there.
        casing: The casing to be written, where it is another than the tokenizer's own.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    companions: Mapping[str, bytes] = field(default_factory=dict)
    casing: Casing | None = None

    @property
    def model_max_length(self) -> int | None:
        """The longest sequence that the model is to be given; None where no file says it."""
        length = self.config.get(LENGTH)
        return None if length is None or length >= _NO_LIMIT else int(length)


class Parts(NamedTuple):
    """The parts that a tokenizer is made from; see ``WordPieceTokenizer``."""

    pieces: list[str]
    casing: Casing
    files: TokenizerFiles
    added: tuple[AddedToken, ...]


def read_directory(directory: Path, casing: Casing | None) -> Parts:
    """The parts of a directory's tokenizer; see ``WordPieceTokenizer.from_pretrained``."""
    config = read_config(directory / CONFIG_FILE)
    file = directory / PIPELINE_FILE
    values = read_json_object(file) if file.exists() else None
    warn_of_sides(directory, config, values)
    is_berts = has_berts_class(directory, config, values is not None)
    check_settings(directory / CONFIG_FILE, config)
    vocab = _read_vocabulary(directory, values, is_berts=is_berts)
    found = casing or _casing(directory, config, vocab, values, is_berts=is_berts)
    added = _read_added(directory, config, vocab, values, is_berts=is_berts)
    check_findable(added, found, str(directory))
    companions = {
        name: (directory / name).read_bytes() for name in COMPANIONS if (directory / name).exists()
    }
    if values is not None:
        difference = _difference(values, found, added, vocab)
        if difference:
            companions = {}
            if casing is None:
                _logger.warning(
                    "%s: tokenizer.json has %s than tokenizer_config.json; the latter counts for "
                    "BERT's own class, as in transformers",
                    directory,
                    difference,
                )
    if added:
        shown = ", ".join(f"{token.content} ({token.id})" for token in added[:5])
        more = ", ..." if len(added) > 5 else ""
        _logger.info("%s: %d added tokens: %s%s", directory, len(added), shown, more)
    read = (*found.to_dict(), *TOKENS, *OF_ITS_PLACE, "tokenizer_class")
    kept = {key: value for key, value in config.items() if key not in read}
    kept |= names_of(read_unless_decoder(directory / SPECIALS_FILE, config))
    return Parts(vocab, found, TokenizerFiles(kept, companions), added)


def write_directory(
    directory: Path, parts: Parts, positions: int | None, *, replace: bool = False
) -> None:
    """Write the vocabulary, ``tokenizer_config.json`` and the files that came with them.

    Where tokens are added, ``tokenizer.json`` is there in any case, and both files list them.

    Args:
        directory: Where.
        parts: The tokenizer's.
        positions: The longest sequence that the model has positions for; None for not known.
        replace: Whether files of these names are replaced.
    """
    pieces, casing, files, added = parts
    vocabulary.write_vocabulary(directory / VOCABULARY_FILE, pieces, replace=replace)
    lengths = [n for n in (files.model_max_length, positions) if n is not None]
    casing = files.casing or casing
    config: dict[str, Any] = {**casing.to_dict()}
    config |= {"tokenizer_class": "BertTokenizer", **TOKENS}
    config |= {LENGTH: min(lengths)} if lengths else {}
    config |= {key: value for key, value in files.config.items() if key != LENGTH}
    companions = dict(files.companions)
    if added:
        pipeline = make_pipeline(pieces, casing, added)
        listed = json.loads(pipeline.to_str())["added_tokens"]
        config[DECODER] = {str(token.pop("id")): token for token in listed}
        companions.setdefault(PIPELINE_FILE, pipeline.to_str(pretty=True).encode())
    write_text_atomic(directory / CONFIG_FILE, json.dumps(config, indent=2) + "\n", replace=replace)
    for name, data in companions.items():
        write_bytes_atomic(directory / name, data, replace=replace)


def names_of(specials: Mapping[str, Any], but: Collection[str] = tuple(TOKENS)) -> dict[str, Any]:
    """The names of tokens in ``special_tokens_map.json``, for ``tokenizer_config.json``.

    With the ``added_tokens_decoder`` that is written there, transformers reads no such file.

    Args:
        specials: What the file holds.
        but: Keys that are left out.
    """
    texts = {
        key: content_of(value)
        for key, value in specials.items()
        if key.endswith("_token") and key not in but
    }
    return {key: value for key, value in texts.items() if isinstance(value, str)}


def read_config(file: Path) -> dict[str, Any]:
    """``tokenizer_config.json``; empty where there is none."""
    config = read_json_object(file) if file.exists() else {}
    length = config.get(LENGTH)
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if length is not None and not (is_number and length >= 1):
        raise InputError(f"{file}: {LENGTH} must be a number above 0. Received: {length!r}")
    return config


def warn_of_sides(
    directory: Path, config: Mapping[str, Any], values: Mapping[str, Any] | None
) -> None:
    """Say that texts are not cut or padded at their beginning; other settings are not used."""
    for name, does in (("truncation", "cuts long texts"), ("padding", "pads short texts")):
        part = (values or {}).get(name)
        direction = part.get("direction") if isinstance(part, dict) else None
        # The library has yet to read the file; it refuses a direction that is no text.
        direction = direction.lower() if isinstance(direction, str) else "right"
        sides = {CONFIG_FILE: config.get(f"{name}_side", "right"), PIPELINE_FILE: direction}
        file = next((file for file, side in sides.items() if side != "right"), None)
        if file is not None:
            _logger.warning(
                "%s: %s_side %r is kept, but bert-keras %s at their end",
                directory / file,
                name,
                sides[file],
                does,
            )


def _read_vocabulary(
    directory: Path, values: dict[str, Any] | None, *, is_berts: bool
) -> list[str]:
    """The word pieces, by ``tokenizer.json`` where there is one, as in transformers."""
    file = directory / VOCABULARY_FILE
    if values is None:
        return vocabulary.read_vocabulary(file)
    pipeline = directory / PIPELINE_FILE
    ids = wordpiece_model(pipeline, values).get("vocab")
    if not isinstance(ids, dict):
        raise InputError(f"{pipeline}: its vocabulary must be an object. Received: {ids!r:.60}")
    if {*map(type, ids.values())} != {int} or {*ids.values()} != {*range(len(ids))}:
        raise InputError(f"{pipeline}: the ids of the vocabulary must be 0, 1, 2 and so on")
    pieces = sorted(ids, key=ids.__getitem__)
    vocabulary.check_vocabulary(pieces, str(pipeline))
    check_pipeline(pipeline, values, is_berts=is_berts)
    if file.exists() and vocabulary.read_vocabulary(file) != pieces:
        _logger.warning(
            "%s and %s have different vocabularies; the latter counts, as in transformers",
            file,
            PIPELINE_FILE,
        )
    return pieces


def _casing(
    directory: Path,
    config: dict[str, Any],
    vocab: list[str],
    values: dict[str, Any] | None,
    *,
    is_berts: bool,
) -> Casing:
    """The casing as transformers finds it; Google's directories leave it to the vocabulary.

    BERT's own class takes it from ``tokenizer_config.json``, and is uncased where that does not
    say; another takes it from ``tokenizer.json``.
    """
    if values is not None and not is_berts:
        found = pipeline_casing(values["normalizer"])
        if "do_lower_case" not in config:
            log_casing(directory, found, f"{PIPELINE_FILE} says so")
        return found
    named = Casing.from_dict(config)
    if "do_lower_case" in config:
        return named
    if values is None and not (directory / CONFIG_FILE).exists():
        return guess_casing(vocab, directory)
    log_casing(directory, named, f"{CONFIG_FILE} has no do_lower_case, as in transformers")
    return named


def _read_added(
    directory: Path,
    config: dict[str, Any],
    vocab: list[str],
    values: dict[str, Any] | None,
    *,
    is_berts: bool,
) -> tuple[AddedToken, ...]:
    """The added tokens of all files."""
    check_named(directory / CONFIG_FILE, config)
    specials = read_unless_decoder(directory / SPECIALS_FILE, config)
    legacy = read_unless_decoder(directory / ADDED_FILE, config)
    check_named(directory / SPECIALS_FILE, specials)
    pipeline = None if values is None else values.get("added_tokens") or []
    if not isinstance(pipeline, list | None):
        raise InputError(f"{directory / PIPELINE_FILE}: added_tokens must be a list of tokens")
    declared = declared_tokens(directory, config, specials, legacy, pipeline, is_berts=is_berts)
    if not is_berts:
        special = {token.content for token in declared if token.flags.get("special")}
        missing = [token for token in vocabulary.SPECIAL_TOKENS if token not in special]
        if missing:
            raise InputError(
                f"{directory / PIPELINE_FILE}: its special added_tokens lack {', '.join(missing)}; "
                "add them, or set tokenizer_class to BertTokenizer in tokenizer_config.json"
            )
    source = VOCABULARY_FILE if values is None else PIPELINE_FILE
    return numbered(declared, vocab, directory / source)


def read_unless_decoder(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A file that transformers reads where there is no ``added_tokens_decoder``; else empty."""
    return read_json_object(file) if DECODER not in config and file.exists() else {}


def _difference(
    values: dict[str, Any], casing: Casing, added: Sequence[AddedToken], vocab: Sequence[str]
) -> str:
    """The part in which ``tokenizer.json`` differs: ``"another casing"``, say; empty for none."""
    if pipeline_casing(values["normalizer"]) != casing:
        return "another casing"
    ours = {token.content: token for token in tokens_of(vocab, added)}
    try:
        theirs = {each["content"]: AddedToken(**each) for each in values.get("added_tokens") or []}
    except TypeError:
        theirs = {}
    return "" if ours == theirs else "other added tokens"
