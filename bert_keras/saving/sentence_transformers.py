"""Directories of sentence-transformers: an encoder that is pooled, or a cross-encoder.

Every key of their files is applied, kept to be written back, or refused.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.contents import read_json, read_json_object
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.embedding import SETTINGS_FILE
from bert_keras.saving.config_json import write_json
from bert_keras.saving.embedding_modules import (
    check_normalize,
    read_dense,
    read_pooling,
    require_in,
    write_modules,
)

MODULES_FILE = "modules.json"
# Of the encoder; older releases called it by the encoder's kind.
_ENCODER_FILES = ("sentence_bert_config.json", "sentence_distilbert_config.json")
ENCODER_FILE = _ENCODER_FILES[0]

EMBEDDING, CROSS_ENCODER = "SentenceTransformer", "CrossEncoder"
_PACKAGE = "sentence_transformers."
_MODULES = {
    EMBEDDING: [
        ["Transformer", "Pooling", *dense, *normalize]
        for dense in ([], ["Dense"])
        for normalize in ([], ["Normalize"])
    ],
    CROSS_ENCODER: [["Transformer"]],
}
# What the encoder's file may say of its outputs; null or absent means the same.
_TASKS = {
    EMBEDDING: ("feature-extraction", "last_hidden_state", "token_embeddings"),
    CROSS_ENCODER: ("sequence-classification", "logits", "scores"),
}
# These change what is read of a text, which we do not support.
_REFUSED_UNLESS_EMPTY = (
    "processing_kwargs",
    "query_length",
    "document_length",
    "query_expansion",
    "tokenizer_args",
    "processor_kwargs",
)
_KEPT = ("model_args", "model_kwargs", "config_args", "config_kwargs")
# Keys that change no answer, or whose value is checked or applied; a warning names all others.
_KNOWN = {
    SETTINGS_FILE: {
        *("__version__", "model_type", "prompts", "default_prompt_name", "similarity_fn_name"),
        *("requirements", "activation_fn", "keep_in_fp32_modules", "truncate_dim"),
    },
    ENCODER_FILE: {
        *("max_seq_length", "do_lower_case", "transformer_task", "modality_config"),
        *("module_output_name", "unpad_inputs", *_REFUSED_UNLESS_EMPTY, *_KEPT),
    },
}


@dataclass(frozen=True)
class Settings:
    """The settings in the files besides the encoder's own.

    Attributes:
        kind: ``EMBEDDING`` or ``CROSS_ENCODER``.
        arguments: The arguments of ``BertForSentenceEmbedding``; empty for a cross-encoder.
        files: The JSON of the files that are written back, by name.
        notes: Messages to log: level and text.
        dense: The folder of its ``Dense``; None without one.
    """

    kind: str
    arguments: dict[str, Any]
    files: dict[str, Any]
    notes: list[tuple[int, str]]
    dense: Path | None = None

    @property
    def activation(self) -> Any:
        """The torch class that makes a cross-encoder's scores; None where no file names one."""
        return self.files.get(SETTINGS_FILE, {}).get("activation_fn")


def read_settings(path: Path, hidden_size: int) -> Settings:
    """The settings in ``modules.json`` and the files that it names.

    Args:
        path: The directory.
        hidden_size: The encoder's.

    Raises:
        InputError: When a module, a pooling or a value is not supported; names the file
            and the key.
    """
    config_file, encoder_file = path / SETTINGS_FILE, _encoder_file(path)
    files: dict[str, Any] = {}
    notes: list[tuple[int, str]] = []
    for name, file in ((SETTINGS_FILE, config_file), (ENCODER_FILE, encoder_file)):
        if file.exists():
            files[name] = read_json_object(file)
            unknown = [key for key in files[name] if key not in _KNOWN[name]]
            if unknown:
                text = f"{file}: kept, but not understood: {', '.join(unknown)}"
                notes.append((logging.WARNING, text))
    config, encoder = files.get(SETTINGS_FILE, {}), files.get(ENCODER_FILE, {})
    kind = config.get("model_type", EMBEDDING)
    require_in(
        kind in list(_MODULES), config_file, f"model_type must be {' or '.join(_MODULES)}", kind
    )
    modules = _read_modules(path / MODULES_FILE, kind)
    _check_encoder(encoder_file, kind, encoder)
    for key in _KEPT:
        if encoder.get(key):
            text = f"{encoder_file}: {key} is kept, but not followed: {encoder[key]!r}"
            notes.append((logging.WARNING, text))
    prompts = _read_prompts(config_file, config)
    name = prompts["default_prompt_name"]
    prompt = prompts["prompts"].get(name, "")
    if kind == CROSS_ENCODER:
        what = "a cross-encoder with a default prompt is not supported"
        require_in(not prompt, config_file, what, name)
        for key in ("max_seq_length", "do_lower_case"):
            what = f"{key} of a cross-encoder is not supported; tokenizer_config.json says it"
            require_in(not encoder.get(key), encoder_file, what, encoder.get(key))
        # Its one module keeps the name that its release gave it.
        return Settings(kind, {}, {MODULES_FILE: modules, **files}, notes)
    folders = {str(m["type"]).rsplit(".", 1)[-1]: path / str(m["path"]) for m in modules}
    arguments = read_pooling(folders["Pooling"], hidden_size) | prompts
    if "Dense" in folders:
        arguments |= read_dense(folders["Dense"], hidden_size)
    if "Normalize" in folders:
        check_normalize(folders["Normalize"])
    length = encoder.get("max_seq_length")
    is_length = length is None or (type(length) is int and length > 0)
    require_in(is_length, encoder_file, "max_seq_length must be a whole number", length)
    dimensions = config.get("truncate_dim")
    is_number = dimensions is None or (type(dimensions) is int and dimensions > 0)
    require_in(is_number, config_file, "truncate_dim must be a whole number", dimensions)
    arguments |= {
        "normalize": "Normalize" in folders,
        "truncate_dim": dimensions,
        "max_length": length,
        "do_lower_case": bool(encoder.get("do_lower_case")),
    }
    if name:
        text = f"{path}: texts are read after the default prompt {prompt!r} ({name})"
        notes.append((logging.INFO, text))
    return Settings(kind, arguments, files, notes, folders.get("Dense"))


def settings_files(path: Path) -> list[str]:
    """The names of the files in the directory that ``read_settings`` looks for."""
    if not (path / MODULES_FILE).exists():
        return []
    try:
        modules = json.loads((path / MODULES_FILE).read_text(encoding="utf-8"))
        folders = [str(module["path"]) for module in modules[1:]]
    except (ValueError, TypeError, KeyError):  # ``read_settings`` refuses it
        folders = []
    below = [f"{folder}/config.json" for folder in folders if _is_below(folder)]
    return [MODULES_FILE, SETTINGS_FILE, _encoder_file(path).name, *below]


def _encoder_file(path: Path) -> Path:
    there = [path / name for name in _ENCODER_FILES if (path / name).exists()]
    return there[0] if there else path / ENCODER_FILE


def write_settings(
    model: BertForSentenceEmbedding, weights: Mapping[str, np.ndarray], directory: Path
) -> None:
    """Write the files that sentence-transformers reads besides the encoder's.

    Args:
        model: The model.
        weights: The arrays of its ``Dense``, by their names there.
        directory: Where they are written.
    """
    names = write_modules(model, weights, directory)
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{name}" if number else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for number, name in enumerate(names)
    ]
    encoder = {"max_seq_length": model.default_length, "do_lower_case": model.do_lower_case}
    files = {
        MODULES_FILE: modules,
        ENCODER_FILE: model.other_files.get(ENCODER_FILE, {}) | encoder,
    }
    config = dict(model.other_files.get(SETTINGS_FILE, {}))
    own = {
        "prompts": model.prompts,
        "default_prompt_name": model.default_prompt_name,
        "truncate_dim": model.truncate_dim,
    }
    config |= {key: value for key, value in own.items() if value or key in config}
    write_json(files | ({SETTINGS_FILE: config} if config else {}), directory)


def _read_modules(file: Path, kind: str) -> list[dict[str, Any]]:
    """The modules, which must be supported, each in its folder."""
    modules = read_json(file)
    try:
        types = [str(module["type"]) for module in modules]
        folders = [module["path"] for module in modules]
        more = sorted({key for module in modules for key in module})
        kwargs = [module["kwargs"] for module in modules if module.get("kwargs")]
    except (TypeError, KeyError, AttributeError):
        raise InputError(f"{file} is damaged: it must list modules with type and path") from None
    kinds = [name.rsplit(".", 1)[-1] if name.startswith(_PACKAGE) else name for name in types]
    if kinds not in _MODULES[kind]:
        expected = {EMBEDDING: "Transformer, Pooling and perhaps Dense and Normalize"}
        raise InputError(
            f"{file}: the modules of a {kind} must be {expected.get(kind, 'Transformer')}. "
            f"Received: {', '.join(kinds)}"
        )
    for number, folder in enumerate(folders):
        is_right = _is_below(folder) if number else folder == ""
        require_in(is_right, file, "the modules must lie in this folder and one below", folders)
    unknown = [key for key in more if key not in ("idx", "name", "path", "type", "kwargs")]
    if unknown or kwargs:
        raise InputError(f"{file}: not understood: {', '.join(unknown) or f'kwargs {kwargs[0]!r}'}")
    return list(modules)


def _is_below(folder: Any) -> bool:
    """Tell whether a module's path is a folder of the directory."""
    return isinstance(folder, str) and folder == Path(folder).name and folder not in ("", "..")


def _check_encoder(file: Path, kind: str, values: dict[str, Any]) -> None:
    """Refuse an encoder that has other outputs or reads texts in another way."""
    task, output, name = _TASKS[kind]
    needed = {
        "transformer_task": task,
        "modality_config": {"text": {"method": "forward", "method_output_name": output}},
        "module_output_name": name,
    }
    for key, value in needed.items():
        is_right = values.get(key) in (None, value)
        require_in(is_right, file, f"{key} must be {json.dumps(value)}", values.get(key))
    for key in _REFUSED_UNLESS_EMPTY:
        require_in(not values.get(key), file, f"{key} is not supported", values.get(key))
    lower = values.get("do_lower_case", False)
    require_in(isinstance(lower, bool), file, "do_lower_case must be true or false", lower)


def _read_prompts(file: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The prompts by name, and the name of the default one."""
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    is_right = isinstance(prompts, dict) and all(
        isinstance(text, str | None) for text in prompts.values()
    )
    require_in(is_right, file, "prompts must give a text to each name", prompts)
    require_in(isinstance(default, str | None), file, "default_prompt_name must be a name", default)
    return {
        "prompts": {name: text or "" for name, text in prompts.items()},
        "default_prompt_name": default,
    }
