"""A tokenizer of subwords in a model directory, as transformers reads it."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bert_keras.errors import InputError
from bert_keras.files import write_bytes_atomic, write_text_atomic
from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.declared import (
    DECODER,
    STANDARD,
    all_numbered,
    content_of,
    declared_tokens,
)
from bert_keras.tokenization.directory import (
    ADDED_FILE,
    COMPANIONS,
    LENGTH,
    OF_ITS_PLACE,
    SPECIALS_FILE,
    VOCABULARY_FILE,
    TokenizerFiles,
    names_of,
    read_config,
    read_unless_decoder,
    warn_of_sides,
)
from bert_keras.tokenization.settings import CONFIG_FILE, PIPELINE_FILE, named_class
from bert_keras.tokenization.subword_classes import CLASSES, CLASSES_OF_MODELS, class_parts
from bert_keras.tokenization.subword_parts import (
    WORDPIECE,
    check_parts,
    kind_of,
    library_values,
    vocabulary_of,
    warn_of_bytes,
)
from bert_keras.tokenization.subword_vocabulary import (
    BPE_FILES,
    SENTENCEPIECE_FILES,
    read_values,
)

_logger = logging.getLogger("bert_keras")

# All that is read of a directory; beside them the config.json of its model.
SUBWORD_FILES = (
    PIPELINE_FILE,
    CONFIG_FILE,
    SPECIALS_FILE,
    ADDED_FILE,
    *BPE_FILES,
    *SENTENCEPIECE_FILES,
)
# Of tokenizers of every kind.
TOKENIZER_FILES = tuple(dict.fromkeys([VOCABULARY_FILE, CONFIG_FILE, *COMPANIONS, *SUBWORD_FILES]))
_COMPANIONS = tuple(name for name in SUBWORD_FILES if name not in (PIPELINE_FILE, CONFIG_FILE))
# Classes that take tokenizer.json as it is.
_AS_WRITTEN = ("PreTrainedTokenizer", "TokenizersBackend")
# Looked for among the added tokens where no file names a token for the role.
_USUAL = {"pad_token": ("<pad>", "[PAD]"), "mask_token": ("<mask>", "[MASK]")}
_ROLES = tuple(name for name in STANDARD if name.endswith("_token"))


class SubwordParts(NamedTuple):
    """The parts that a ``SubwordTokenizer`` is made from.

    Attributes:
        rules: ``tokenizer.json`` without added tokens, as JSON.
        added: The added tokens, special ones among them.
        roles: The tokens by their roles, ``{"mask_token": "<mask>"}``.
        files: The directory's other settings.
        lowered: Whether text is lower-cased before the rules, which ``save`` does not write.
        source: The file of the rules, for messages.
    """

    rules: str
    added: tuple[AddedToken, ...]
    roles: Mapping[str, str]
    files: TokenizerFiles
    lowered: bool = False
    source: Path = Path(PIPELINE_FILE)


def read_parts(directory: Path) -> SubwordParts | None:
    """The parts of a directory's tokenizer; None where it has none of these kinds.

    Raises:
        InputError: When one of the files cannot be used.
    """
    found = read_values(directory)
    if found is None:
        return None
    source, values = found
    config = read_config(directory / CONFIG_FILE)
    warn_of_sides(directory, config, values)
    _check_settings(directory / CONFIG_FILE, config)
    name = _class_name(directory, config, has_pipeline=source.name == PIPELINE_FILE)
    specials = read_unless_decoder(directory / SPECIALS_FILE, config)
    legacy = read_unless_decoder(directory / ADDED_FILE, config)
    rebuilt = CLASSES.get(name)
    roles = dict(rebuilt.tokens) if rebuilt else {}
    roles = {key: token for key, token in roles.items() if key not in {*config, *specials}}
    takes_spaces = bool(rebuilt and rebuilt.mask_takes_spaces)
    declared = declared_tokens(
        directory,
        _with_mask(roles | config, takes_spaces),
        _with_mask(specials, takes_spaces),
        legacy,
        _listed(source, values),
        is_berts=bool(rebuilt),
    )
    added = all_numbered(declared, vocabulary_of(source, values["model"]), source)
    roles = _named_roles(directory, roles, config, specials, added)
    rules = values | {"added_tokens": []}
    if rebuilt:
        ids = _ids(values["model"], added)
        rules = library_values(
            source, values | class_parts(source, name, config, values, roles, ids)
        )
        _warn_of_differences(source, name, values, rules)
    check_parts(source, rules)
    warn_of_bytes(source, rules["model"])
    names = _COMPANIONS if kind_of(rules) != WORDPIECE else (VOCABULARY_FILE, *_COMPANIONS)
    companions = {
        name: (directory / name).read_bytes() for name in names if (directory / name).exists()
    }
    read = (*_ROLES, *OF_ITS_PLACE, DECODER)
    kept = {key: value for key, value in config.items() if key not in read}
    kept |= names_of(read_unless_decoder(directory / SPECIALS_FILE, config), _ROLES)
    kept["tokenizer_class"] = name or "PreTrainedTokenizerFast"
    files = TokenizerFiles(kept, companions)
    return SubwordParts(json.dumps(rules), added, roles, files, source=source)


def write_parts(
    directory: Path,
    parts: SubwordParts,
    pipeline: str,
    positions: int | None,
    *,
    replace: bool = False,
) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and the files that came with them.

    Args:
        directory: Where.
        parts: The tokenizer's.
        pipeline: What ``tokenizer.json`` is to hold.
        positions: The longest sequence that the model has positions for; None for not known.
        replace: Whether files of these names are replaced.
    """
    files = parts.files
    lengths = [n for n in (files.model_max_length, positions) if n is not None]
    config: dict[str, Any] = {**parts.roles}
    config |= {LENGTH: min(lengths)} if lengths else {}
    config |= {key: value for key, value in files.config.items() if key != LENGTH}
    config[DECODER] = {
        str(token.id): {key: value for key, value in token.to_dict().items() if key != "id"}
        for token in parts.added
    }
    write_text_atomic(directory / PIPELINE_FILE, pipeline + "\n", replace=replace)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    write_text_atomic(directory / CONFIG_FILE, text, replace=replace)
    for name, data in files.companions.items():
        write_bytes_atomic(directory / name, data, replace=replace)


def _with_mask(values: Mapping[str, Any], takes_spaces: bool) -> dict[str, Any]:
    """Settings whose ``mask_token``, where it is a text alone, takes the spaces before it."""
    mask = values.get("mask_token")
    if not takes_spaces or not isinstance(mask, str):
        return dict(values)
    return {**values, "mask_token": {"content": mask, "lstrip": True}}


def _listed(file: Path, values: Mapping[str, Any]) -> list[Any] | None:
    """``added_tokens`` of ``tokenizer.json``; None where there is no such file."""
    if file.name != PIPELINE_FILE:
        return None
    tokens = values["added_tokens"] or []
    if not isinstance(tokens, list):
        raise InputError(f"{file}: added_tokens must be a list of tokens")
    return tokens


def _class_name(directory: Path, config: Mapping[str, Any], *, has_pipeline: bool) -> str:
    """The class by which transformers opens the directory; empty where no file names one.

    Raises:
        InputError: When its rules are not those of ``tokenizer.json``, and we lack them.
    """
    named, model_type, source = named_class(directory, config)
    if named is None:
        return CLASSES_OF_MODELS.get(model_type, "" if has_pipeline else "RobertaTokenizer")
    name = named.removesuffix("Fast")
    if name not in (*CLASSES, *_AS_WRITTEN) or (name in _AS_WRITTEN and not has_pipeline):
        raise InputError(
            f"{source}: tokenizer_class is {named!r}, whose rules bert-keras lacks; it reads "
            f"{', '.join(CLASSES)}, and by its own {PIPELINE_FILE} a PreTrainedTokenizerFast"
        )
    return name if name in CLASSES else named


def _check_settings(file: Path, config: Mapping[str, Any]) -> None:
    if config.get("split_special_tokens"):
        raise InputError(f"{file}: split_special_tokens must be false. Received: true")
    if config.get("auto_map"):
        _logger.warning("%s: auto_map names code of its own, which is never run", file)


def _ids(model: Mapping[str, Any], added: Sequence[AddedToken]) -> dict[str, int]:
    vocab = model["vocab"]
    ids = (
        {token: number for number, (token, _) in enumerate(vocab)}
        if isinstance(vocab, list)
        else dict(vocab)
    )
    return ids | {token.content: token.id for token in added}


def _named_roles(
    directory: Path,
    usual: Mapping[str, str],
    config: Mapping[str, Any],
    specials: Mapping[str, Any],
    added: Sequence[AddedToken],
) -> dict[str, str]:
    """The tokens of the roles; where none is named that pads or masks, one is looked for."""
    named = {key: content_of(specials.get(key, config.get(key))) for key in _ROLES}
    roles = {**usual}
    roles |= {key: content for key, content in named.items() if isinstance(content, str)}
    contents = [token.content for token in added]
    for key, likely in _USUAL.items():
        token = next((token for token in likely if token in contents), None)
        if key not in roles and token is not None:
            roles[key] = token
            _logger.info("%s: %s is taken for %s, which no file names", directory, token, key)
    return roles


def _warn_of_differences(
    file: Path, name: str, written: Mapping[str, Any], rules: Mapping[str, Any]
) -> None:
    """Say which parts of ``tokenizer.json`` are other than those of its class, which count."""
    if file.name != PIPELINE_FILE:
        return
    parts = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
    differing = [part for part in parts if written[part] != rules[part]]
    differing += [
        f"{key} of its model"
        for key, value in rules["model"].items()
        if (written["model"].get(key) or None) != (value or None)
    ]
    if differing:
        _logger.warning(
            "%s: its %s differs from that of %s; the latter counts, as in transformers 5 "
            "(tokenizer_class PreTrainedTokenizerFast in %s makes the file count)",
            file,
            ", ".join(differing),
            name,
            CONFIG_FILE,
        )
