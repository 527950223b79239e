"""A tokenizer in a model directory: vocabulary, settings, ``tokenizer.json``."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.files import read_json_object, write_bytes_atomic, write_text_atomic
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.casing import Casing, guess_casing, say_casing

_logger = logging.getLogger("bert_keras")

VOCABULARY_FILE = "vocab.txt"
CONFIG_FILE = "tokenizer_config.json"
PIPELINE_FILE = "tokenizer.json"
# Kept as they came. transformers and the tokenizers library read them, we read only the first.
COMPANIONS = (PIPELINE_FILE, "special_tokens_map.json", "added_tokens.json")
_TOKENS = {
    "pad_token": vocabulary.PAD,
    "unk_token": vocabulary.UNK,
    "cls_token": vocabulary.CLS,
    "sep_token": vocabulary.SEP,
    "mask_token": vocabulary.MASK,
}
_LENGTH = "model_max_length"
# Of the machine or the directory that a tokenizer came from: wrong in any other.
_OF_ITS_PLACE = (
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
        length = self.config.get(_LENGTH)
        return None if length is None or length >= _NO_LIMIT else int(length)


def read_directory(
    directory: Path, casing: Casing | None
) -> tuple[list[str], Casing, TokenizerFiles]:
    """The vocabulary, the casing and the rest of a tokenizer's files; see ``from_pretrained``."""
    config = _read_config(directory / CONFIG_FILE)
    pipeline = directory / PIPELINE_FILE
    if (directory / VOCABULARY_FILE).exists() or not pipeline.exists():
        vocab = vocabulary.read_vocabulary(directory / VOCABULARY_FILE)
        found = _casing(directory, config, vocab) if casing is None else casing
    else:
        vocab, found = _read_pipeline(pipeline)
    companions = {
        name: (directory / name).read_bytes() for name in COMPANIONS if (directory / name).exists()
    }
    if casing is not None and PIPELINE_FILE in companions:
        found = casing
        if _pipeline_casing(read_json_object(pipeline)) != casing:
            del companions[PIPELINE_FILE]
    read = (*found.to_dict(), *_TOKENS, *_OF_ITS_PLACE, "tokenizer_class")
    kept = {key: value for key, value in config.items() if key not in read}
    return vocab, found, TokenizerFiles(kept, companions)


def write_directory(
    directory: Path,
    vocab: list[str],
    casing: Casing,
    files: TokenizerFiles,
    positions: int | None,
    *,
    replace: bool = False,
) -> None:
    """Write the vocabulary, ``tokenizer_config.json`` and the files that came with them.

    Args:
        directory: Where.
        vocab: The word pieces.
        casing: The tokenizer's.
        files: What else there is.
        positions: The longest sequence that the model has positions for; None for not known.
        replace: Whether files of these names are replaced.
    """
    vocabulary.write_vocabulary(directory / VOCABULARY_FILE, vocab, replace=replace)
    lengths = [n for n in (files.model_max_length, positions) if n is not None]
    config: dict[str, Any] = {**(files.casing or casing).to_dict()}
    config |= {"tokenizer_class": "BertTokenizer", **_TOKENS}
    config |= {_LENGTH: min(lengths)} if lengths else {}
    config |= {key: value for key, value in files.config.items() if key != _LENGTH}
    write_text_atomic(directory / CONFIG_FILE, json.dumps(config, indent=2) + "\n", replace=replace)
    for name, data in files.companions.items():
        write_bytes_atomic(directory / name, data, replace=replace)


def _read_config(file: Path) -> dict[str, Any]:
    """``tokenizer_config.json``; empty where there is none."""
    config = read_json_object(file) if file.exists() else {}
    length = config.get(_LENGTH)
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if length is not None and not (is_number and length >= 1):
        raise InputError(f"{file}: {_LENGTH} must be a number above 0. Received: {length!r}")
    for name, token in _TOKENS.items():
        value = config.get(name, token)
        value = value.get("content") if isinstance(value, dict) else value
        if value not in (token, None):
            _logger.warning("%s: %s is %r; read and written as %s", file, name, value, token)
    if config.get("truncation_side", "right") != "right":
        _logger.warning(
            "%s: truncation_side %r is kept, but bert-keras cuts long texts at their end",
            file,
            config["truncation_side"],
        )
    return config


def _casing(directory: Path, config: dict[str, Any], vocab: list[str]) -> Casing:
    """The casing by ``tokenizer_config.json``, else ``tokenizer.json``, else the vocabulary.

    A ``tokenizer_config.json`` without the key is of transformers, whose default is uncased.
    """
    named = Casing.from_dict(config)
    if "do_lower_case" in config:
        return named
    pipeline = directory / PIPELINE_FILE
    found = _pipeline_casing(read_json_object(pipeline)) if pipeline.exists() else None
    if found is not None:
        say_casing(directory, found, f"{PIPELINE_FILE} says so")
        return found
    if not (directory / CONFIG_FILE).exists():
        return guess_casing(vocab, directory)
    say_casing(directory, named, f"{CONFIG_FILE} has no do_lower_case, as in transformers")
    return named


def _read_pipeline(path: Path) -> tuple[list[str], Casing]:
    """The vocabulary and the casing of a BERT's ``tokenizer.json``.

    Raises:
        InputError: When the pipeline is not BERT's: other word pieces (byte-level BPE, say),
            another normaliser, or tokens added beyond the vocabulary.
    """
    values = read_json_object(path)
    model = values.get("model") or {}
    ids, kind = model.get("vocab"), model.get("type", "WordPiece")
    if kind != "WordPiece" or not isinstance(ids, dict):
        raise InputError(f"{path} is not BERT's tokenizer: it must be WordPiece. Received: {kind}")
    pieces = sorted(ids, key=ids.__getitem__)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))):
        raise InputError(f"{path}: the ids of the vocabulary must be 0, 1, 2 and so on")
    added = [token.get("content") for token in values.get("added_tokens") or []]
    beyond = [token for token in added if token not in ids]
    if beyond:
        raise InputError(f"{path} adds tokens beyond its vocabulary: {', '.join(beyond[:3])}")
    casing = _pipeline_casing(values)
    if casing is None:
        raise InputError(
            f"{path} is not BERT's tokenizer: its normalizer must be a BertNormalizer that "
            f"cleans the text. Received: {values.get('normalizer')!r}"
        )
    return pieces, casing


def _pipeline_casing(values: dict[str, Any]) -> Casing | None:
    """The casing of a ``tokenizer.json``; None where its normaliser is not BERT's."""
    normalizer = values.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return None
    if not normalizer.get("clean_text", True):
        return None
    return Casing(
        do_lower_case=normalizer.get("lowercase", True),
        strip_accents=normalizer.get("strip_accents"),
        tokenize_chinese_chars=normalizer.get("handle_chinese_chars", True),
    )
