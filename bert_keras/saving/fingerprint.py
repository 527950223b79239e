"""A saved model told by its content without opening it: hashes of the files it is read from."""

import glob
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bert_keras.config.model import read_json_object
from bert_keras.saving import garden, google, huggingface, keras_file, keras_hub
from bert_keras.saving.files import kind_of
from bert_keras.saving.keras_assets import OTHER_CONFIG_FILE, OTHER_FILES_FILE
from bert_keras.saving.run import MODEL_CONFIG_FILE, arrays_of_step, located, named_run
from bert_keras.saving.run_state import CHECKPOINTS_FOLDER, MODEL_VARIABLES, digest_of
from bert_keras.saving.safetensors_files import INDEX_FILE, WEIGHTS_FILE, open_tensors
from bert_keras.saving.sentence_transformers import settings_files
from bert_keras.saving.tf_checkpoint import TFCheckpoint
from bert_keras.tokenization.directory import COMPANIONS, PIPELINE_FILE, VOCABULARY_FILE
from bert_keras.tokenization.directory import CONFIG_FILE as TOKENIZER_CONFIG_FILE

VARIABLES = "checkpoint"


def fingerprint(path: str | Path) -> dict[str, str]:
    """The content of a saved model: two paths to the same one give the same.

    Only files that ``bert_keras.load`` reads count. JSON counts by what it says, vocabularies by
    their lines, a run's checkpoint by the variables of its model, all else by its bytes. No
    model is made.

    Args:
        path: As ``bert_keras.load`` takes it.

    Returns:
        SHA-256 in hexadecimal by file, as ``{"config.json": ..., "model.safetensors": ...}``.
        Where a path names the file itself, ``*`` stands for its name.

    Raises:
        InputError: When it is no model, or its weights are none that are read.
        FileNotFoundError: When there is no such directory or file.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "keras":
        return _of_keras(path)
    if kind == "keras-hub":
        return _of_keras_hub(path)
    if kind == "tensorflow":
        return _of_tensorflow(path)
    workdir, step = (named_run(path) if kind == "run" else None) or (path, None)
    if step is not None:
        return _of_checkpoint(workdir, step)
    return fingerprint(located(path)) if kind == "run" else _of_huggingface(path)


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first file or entry in which two descriptions differ, and how; empty if in none."""
    for name in [*before, *(name for name in now if name not in before)]:
        if name not in now:
            return f"{name} is gone"
        if name not in before:
            return f"{name} is new"
        if before[name] != now[name]:
            return f"{name} is another"
    return ""


def _of_huggingface(path: Path) -> dict[str, str]:
    huggingface.refuse_other_weights(path, read_json_object(path / huggingface.CONFIG_FILE))
    names = [huggingface.CONFIG_FILE, *settings_files(path)]
    if not (path / WEIGHTS_FILE).exists():
        names.append(INDEX_FILE)
    names += [str(file.relative_to(path)) for file in open_tensors(path).files]
    return _hashes(path, names) | _of_tokenizer(path)


def _of_keras(path: Path) -> dict[str, str]:
    with keras_file.unpacked(path) as folder:
        assets = folder / keras_file.ASSETS_FOLDER
        files = _hashes(folder, [keras_file.CONFIG_FILE, keras_file.WEIGHTS_FILE])
        files |= _hashes(assets, [OTHER_CONFIG_FILE, OTHER_FILES_FILE])
        return files | _of_tokenizer(assets)


def _of_keras_hub(path: Path) -> dict[str, str]:
    folder = path if path.is_dir() else path.parent
    names = [keras_hub.CONFIG_FILE, keras_hub.VOCABULARY_FILE, keras_hub.TOKENIZER_FILE]
    files = _hashes(folder, names)
    for file in keras_hub.weight_files(path):
        name = file.name if path.is_dir() else f"*{keras_hub.WEIGHTS_SUFFIX}"
        files[name] = _hash(file)
    return files


def _of_tensorflow(path: Path) -> dict[str, str]:
    checkpoint = TFCheckpoint(path)
    folder, name = checkpoint.prefix.parent, checkpoint.prefix.name
    configs = [google.CONFIG_FILE]
    if checkpoint.is_object_based and (folder / garden.PARAMS_FILE).exists():
        configs = [garden.PARAMS_FILE]
    parts = sorted(folder.glob(f"{glob.escape(name)}.data-*"))
    files = _hashes(folder, configs)
    for file in [folder / f"{name}.index", *parts]:
        files["*" + file.name.removeprefix(name)] = _hash(file)
    return files | _of_tokenizer(folder)


def _of_checkpoint(workdir: Path, step: int) -> dict[str, str]:
    arrays = arrays_of_step(workdir, step)
    ours = {name: array for name, array in arrays.items() if name.startswith(MODEL_VARIABLES)}
    folder = workdir / CHECKPOINTS_FOLDER
    files = _hashes(folder, [MODEL_CONFIG_FILE]) | {VARIABLES: digest_of(ours)}
    return files | _of_tokenizer(folder)


def _of_tokenizer(folder: Path) -> dict[str, str]:
    """The files of a directory's tokenizer, where it has one."""
    if not any((folder / name).exists() for name in (VOCABULARY_FILE, PIPELINE_FILE)):
        return {}
    return _hashes(folder, [VOCABULARY_FILE, TOKENIZER_CONFIG_FILE, *COMPANIONS])


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The hashes of those of some files that are there."""
    return {name: _hash(folder / name) for name in names if (folder / name).exists()}


def _hash(file: Path) -> str:
    suffix = Path(file.name).suffix
    if suffix == ".txt":  # a vocabulary, as it is read
        text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        return hashlib.sha256(text.removesuffix(b"\n")).hexdigest()
    if suffix == ".json":
        try:
            values = json.loads(file.read_bytes())
            return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        except (ValueError, RecursionError):  # who reads it says so, where it matters
            pass
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
