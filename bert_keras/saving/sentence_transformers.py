"""Directories of sentence-transformers: an encoder that is pooled, or a cross-encoder.

Every key of their files is applied, kept to be written back, or refused.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.saving.sentence_transformers_keys import (
    CROSS_ENCODER,
    EMBEDDING,
    ENCODER_KEYS,
    MODEL_KEYS,
    MODULES,
    POOLINGS,
    check_cross_encoder,
    check_encoder,
    check_normalize,
    name_unknown,
    read_length,
    read_modules,
    read_pooling,
    read_prompts,
)

_logger = logging.getLogger("bert_keras")

MODULES_FILE = "modules.json"
CONFIG_FILE = "config_sentence_transformers.json"
# Of the encoder; older releases called it by the encoder's kind.
_ENCODER_FILES = ("sentence_bert_config.json", "sentence_distilbert_config.json")
ENCODER_FILE = _ENCODER_FILES[0]


@dataclass(frozen=True)
class Settings:
    """The settings in the files beside the encoder's own.

    Attributes:
        kind: ``EMBEDDING`` or ``CROSS_ENCODER``.
        arguments: What ``BertForSentenceEmbedding`` is made of; empty for a cross-encoder.
        files: The JSON of the files that are written back, by name.
    """

    kind: str
    arguments: dict[str, Any]
    files: dict[str, Any]

    @property
    def activation(self) -> Any:
        """The class of torch that makes a cross-encoder's scores; None where nothing is said."""
        return self.files.get(CONFIG_FILE, {}).get("activation_fn")


def read_settings(path: Path, hidden_size: Any) -> Settings:
    """The settings in ``modules.json`` and its like.

    Args:
        path: The directory.
        hidden_size: The encoder's.

    Raises:
        InputError: When a module, a pooling or a value is one that we do not have; names the file
            and the key.
    """
    config_file, encoder_file = path / CONFIG_FILE, _encoder_file(path)
    files = {}
    for name, file, known in (
        (CONFIG_FILE, config_file, MODEL_KEYS),
        (ENCODER_FILE, encoder_file, ENCODER_KEYS),
    ):
        if file.exists():
            files[name] = read_json_object(file)
            name_unknown(file, files[name], known)
    config, encoder = files.get(CONFIG_FILE, {}), files.get(ENCODER_FILE, {})
    kind = config.get("model_type", EMBEDDING)
    if kind not in list(MODULES):
        raise InputError(
            f"{config_file}: model_type must be {' or '.join(MODULES)}. Received: {kind!r}"
        )
    modules = read_modules(path / MODULES_FILE, kind)
    check_encoder(encoder_file, kind, encoder)
    if kind == CROSS_ENCODER:
        check_cross_encoder(config_file, config, encoder_file, encoder)
        # Its one module keeps the name that the release which wrote it has for it.
        return Settings(kind, {}, {MODULES_FILE: modules, **files})
    has_normalize = len(modules) == 3
    if has_normalize:
        check_normalize(path / str(modules[2]["path"]) / "config.json")
    pooling = read_pooling(path / modules[1]["path"] / "config.json", hidden_size)
    arguments = pooling | read_prompts(config_file, config)
    arguments |= {
        "normalize": has_normalize,
        "max_length": read_length(encoder_file, encoder),
        "do_lower_case": bool(encoder.get("do_lower_case")),
    }
    if name := arguments["default_prompt_name"]:
        prompt = arguments["prompts"].get(name, "")
        _logger.info("%s: texts are read after the default prompt %r (%s)", path, prompt, name)
    return Settings(kind, arguments, files)


def settings_files(path: Path) -> list[str]:
    """The names of the files that ``read_settings`` looks for, below the directory."""
    if not (path / MODULES_FILE).exists():
        return []
    try:
        modules = json.loads((path / MODULES_FILE).read_text(encoding="utf-8"))
        folders = [str(module["path"]) for module in modules[1:]]
    except (ValueError, TypeError, KeyError):  # ``read_settings`` refuses it
        folders = []
    below = [f"{folder}/config.json" for folder in folders if folder == Path(folder).name]
    return [MODULES_FILE, CONFIG_FILE, _encoder_file(path).name, *below]


def _encoder_file(path: Path) -> Path:
    there = [path / name for name in _ENCODER_FILES if (path / name).exists()]
    return there[0] if there else path / ENCODER_FILE


def write_modules(model: Any, directory: Path) -> None:
    """Writes the files beside the encoder's that sentence-transformers reads."""
    names = ["Transformer", "Pooling"] + (["Normalize"] if model.normalize else [])
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{name}" if number else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for number, name in enumerate(names)
    ]
    pooling = {"word_embedding_dimension": model.config.hidden_size}
    pooling |= {key: name == model.pooling for key, name in POOLINGS.items()}
    pooling |= {} if model.include_prompt else {"include_prompt": False}
    encoder = {"max_seq_length": model.default_length, "do_lower_case": model.do_lower_case}
    files = {
        MODULES_FILE: modules,
        ENCODER_FILE: model.other_files.get(ENCODER_FILE, {}) | encoder,
    }
    config = dict(model.other_files.get(CONFIG_FILE, {}))
    if config or model.prompts:
        prompts = {"prompts": model.prompts, "default_prompt_name": model.default_prompt_name}
        config |= {key: value for key, value in prompts.items() if value or key in config}
        files[CONFIG_FILE] = config
    write_files(files, directory)
    (directory / "1_Pooling").mkdir()
    write_files({"config.json": pooling}, directory / "1_Pooling")
    if model.normalize:
        (directory / "2_Normalize").mkdir()


def write_files(files: dict[str, Any], directory: Path) -> None:
    """Writes JSON files."""
    for name, values in files.items():
        text = json.dumps(values, indent=2) + "\n"
        (directory / name).write_text(text, encoding="utf-8")
