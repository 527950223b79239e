"""The identity of a saved model, without opening it: hashes of the files that are read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_keras.contents import hash_file
from bert_keras.saving.files import read
from bert_keras.saving.run import arrays_of_step, located, named_run, read_step
from bert_keras.saving.run_state import digest_of
from bert_keras.saving.stored import StoredModel

VARIABLES = "checkpoint"


def fingerprint(path: str | Path) -> dict[str, str]:
    """The hashes of a saved model: two paths to the same model give the same.

    Only files that ``bert_keras.load`` reads count: JSON by its values, vocabularies by their
    lines, a run's checkpoint by the variables of its model, all else by bytes. No model is made.

    Args:
        path: As ``bert_keras.load`` takes it.

    Returns:
        SHA-256 in hexadecimal by file, as ``{"config.json": ..., "model.safetensors": ...}``.
        Where a path names the file itself, ``*`` stands for its name.

    Raises:
        InputError: When it is not a model, or its weights are in a format that is not read.
        FileNotFoundError: When there is no such directory or file.
    """
    path = located(Path(path))
    workdir, step = named_run(path) or (path, None)
    if step is None:
        with read(path) as stored:
            return _hashes(stored)
    stored = read_step(workdir, step, arrays_of_step(workdir, step))
    arrays = {name: stored.weights.read(name) for name in stored.weights.shapes}
    return {VARIABLES: digest_of(arrays)} | _hashes(stored)


def _hashes(stored: StoredModel) -> dict[str, str]:
    """The hashes of the files of a model that exist."""
    return {name: _hash(file) for name, file in stored.files.items() if file.exists()}


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first file or entry in which two descriptions differ, and how; empty without any."""
    for name in [*before, *(name for name in now if name not in before)]:
        if name not in now:
            return f"{name} is gone"
        if name not in before:
            return f"{name} is new"
        if before[name] != now[name]:
            return f"{name} differs"
    return ""


def _hash(file: Path) -> str:
    suffix = Path(file.name).suffix
    if suffix == ".txt":  # a vocabulary, as it is read
        text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        return hashlib.sha256(text.removesuffix(b"\n")).hexdigest()
    if suffix == ".json":
        try:
            values = json.loads(file.read_bytes())
            return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        except (ValueError, RecursionError):  # refused where it is read
            pass
    return hash_file(file)
