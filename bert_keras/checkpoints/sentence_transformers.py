"""Directories of sentence-transformers: an encoder, how its outputs are pooled, normalisation."""

import json
from pathlib import Path
from typing import Any

from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError

MODULES_FILE = "modules.json"
LENGTH_FILE = "sentence_bert_config.json"
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


def embedding_arguments(path: Path) -> dict[str, Any]:
    """What ``BertForSentenceEmbedding`` is made of, as ``modules.json`` and its like say.

    Raises:
        InputError: When a module is none of encoder, pooling and normalisation, or the pooling
            is one that we do not have.
    """
    file = path / MODULES_FILE
    try:
        modules = json.loads(file.read_text(encoding="utf-8"))
        kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
        folders = [module["path"] for module in modules]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{file} is damaged: it must list modules with type and path") from None
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            f"{file}: the modules must be Transformer, Pooling and perhaps Normalize. "
            f"Received: {', '.join(kinds)}"
        )
    folder = str(folders[1])
    if folders[0] != "" or folders[1] != Path(folder).name or folder in ("", ".."):
        raise InputError(
            f"{file}: the modules must lie in this folder and one below. Received: {folders!r}"
        )
    config = read_json_object(path / folder / "config.json")
    modes = [key for key, on in config.items() if key.startswith("pooling_mode") and on is True]
    names = [_POOLINGS.get(mode) for mode in modes]
    if "pooling_mode" in config:  # as the newest releases write it
        names = [config["pooling_mode"]]
    if len(names) != 1 or names[0] not in _POOLINGS.values():
        raise InputError(
            f"{path / folder / 'config.json'}: the pooling must be one of "
            f"{', '.join(_POOLINGS.values())}. Received: {', '.join(modes) or names}"
        )
    lengths = read_json_object(path / LENGTH_FILE) if (path / LENGTH_FILE).exists() else {}
    return {
        "pooling": names[0],
        "normalize": "Normalize" in kinds,
        "max_length": lengths.get("max_seq_length"),
    }


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
    pooling |= {key: name == model.pooling for key, name in _POOLINGS.items()}
    length = model.max_length or model.config.max_position_embeddings
    for folder, file, values in (
        ("", MODULES_FILE, modules),
        ("1_Pooling", "config.json", pooling),
        ("", LENGTH_FILE, {"max_seq_length": length, "do_lower_case": False}),
    ):
        (directory / folder).mkdir(exist_ok=True)
        text = json.dumps(values, indent=2) + "\n"
        (directory / folder / file).write_text(text, encoding="utf-8")
    if model.normalize:
        (directory / "2_Normalize").mkdir()
