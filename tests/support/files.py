"""Files that tests look at or spoil."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy


def content(folder: Path) -> dict[str, str]:
    """A digest of every file in a folder, by name; locks aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def assert_same_arrays(*paths: Path) -> None:
    """Checks that two files of safetensors, or models', hold the same, bit for bit."""
    files = [path / "model.safetensors" if path.is_dir() else path for path in paths]
    arrays, others = map(safetensors.numpy.load_file, files)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], name)


def edit_json(file: Path, **changes: Any) -> None:
    """Sets keys of a file of JSON, or makes one."""
    values = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(values | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Lets a function change the arrays of a model directory."""
    file = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(file)
    change(tensors)
    safetensors.numpy.save_file(tensors, file)


def flip(file: Path, position: int = -1, bits: int = 1) -> None:
    """Inverts bits of a byte of a file."""
    data = bytearray(file.read_bytes())
    data[position] ^= bits
    file.write_bytes(data)
