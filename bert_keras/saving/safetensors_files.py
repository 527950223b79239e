"""Safetensors files, one or several with an index; nothing outside their folder is read."""

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

from bert_keras.contents import link_target_outside, read_json_object
from bert_keras.errors import InputError

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


class Tensors:
    """The tensors of one or more files.

    Attributes:
        file: The file, or the index of several, as messages name it.
        shapes: The shape of each tensor.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._homes: dict[str, tuple[Path, str, int]] = {}

    @property
    def files(self) -> list[Path]:
        """The files that hold them, by name."""
        return sorted({path for path, _, _ in self._homes.values()})

    def add(self, path: Path, expected: set[str] | None) -> None:
        """Add a file, which must hold the tensors ``expected`` where that is known."""
        path.open("rb").close()  # a clearer error than the library's
        try:
            with safetensors.safe_open(path, framework="numpy") as handle:
                names = set(handle.keys())  # the library has checked the header
        except safetensors.SafetensorError as error:
            raise InputError(f"{path} is damaged or not a safetensors file: {error}") from None
        if expected is not None and names != expected:
            wrong = ", ".join(sorted(names ^ expected)[:3])
            raise InputError(f"{self.file} and {path} disagree on where these are: {wrong}")
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        for name in names:
            tensor = header[name]
            self.shapes[name] = tuple(tensor["shape"])
            self._homes[name] = (path, tensor["dtype"], 8 + size + tensor["data_offsets"][0])

    def read(self, name: str) -> np.ndarray:
        """One tensor, read without the library, whose memory map would keep all that was read.

        Raises:
            InputError: When it is not of a float type.
        """
        path, kind, offset = self._homes[name]
        if kind not in _DTYPES:
            raise InputError(
                f"{path}: {name} must be one of {', '.join(_DTYPES)}. Received: {kind}"
            )
        shape = self.shapes[name]
        flat = np.fromfile(path, _DTYPES[kind], count=math.prod(shape), offset=offset)
        return flat.reshape(shape)


def open_tensors(folder: Path) -> Tensors:
    """``model.safetensors``, or the files that ``model.safetensors.index.json`` names.

    An index names its files itself, and none out of the folder is read, nor by a link. The one
    ``model.safetensors`` may be a link, as DVC and git-annex make it, and so may ``config.json``:
    whoever opens the folder sees no more by it than the file's floats. ``push`` sends neither.

    Raises:
        InputError: When a file is damaged, or the index names one outside the folder or
            disagrees with the files.
        FileNotFoundError: When there is none.
    """
    homes: dict[str, set[str] | None]
    if (folder / WEIGHTS_FILE).exists():
        file, homes = folder / WEIGHTS_FILE, {WEIGHTS_FILE: None}
    elif (folder / INDEX_FILE).exists():
        file, homes = folder / INDEX_FILE, dict(_read_index(folder))
    else:
        raise FileNotFoundError(2, "no such file", str(folder / WEIGHTS_FILE))
    tensors = Tensors(file)
    for name, expected in homes.items():
        tensors.add(folder / name, expected)
    return tensors


def _read_index(folder: Path) -> dict[str, set[str]]:
    """The names of the tensors in each file of the index."""
    file = folder / INDEX_FILE
    weight_map = read_json_object(file).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(f"{file} has no weight_map; the index is damaged")
    homes: dict[str, set[str]] = {}
    for name, home in weight_map.items():
        is_name = isinstance(home, str) and home == Path(home).name and "\0" not in home
        if not is_name or home in ("", ".", ".."):
            raise InputError(
                f"{file}: a weight's file must be a plain name in the same folder. "
                f"Received: {home!r} for {name}"
            )
        homes.setdefault(home, set()).add(name)
    for home in homes:
        if target := link_target_outside(folder, folder / home):
            raise InputError(
                f"{file} names {home}, a link out of the folder to {target}; "
                "put the file itself there"
            )
    return homes
