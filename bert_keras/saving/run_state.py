"""The checkpoints of a run as files: all variables by name, the run's position, and a hash."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from bert_keras.contents import paths_below
from bert_keras.errors import InputError
from bert_keras.files import atomic_file
from bert_keras.saving.mark import MARK_FILE

# The files and folders of a run's work directory.
CONFIG_FILE = "config.toml"
CHECKPOINTS_FOLDER = "checkpoints"
BEST_FOLDER = "best"  # the best model so far, of a run that has a development set
BEST_STEP_FILE = "best_step"
MODEL_FOLDER = "model"  # of a run that has finished

MODEL_VARIABLES = "model/"  # the beginning of the names of the model's variables
OBJECTIVE_VARIABLES = "objective/"  # of its layer, which is no part of the model
OPTIMIZER_VARIABLES = "optimizer/"
_NAME = re.compile(r"step-(\d+)\.safetensors")

Arrays = dict[str, np.ndarray]


class Checkpoint(NamedTuple):
    """The contents of a checkpoint's file.

    Attributes:
        arrays: The variables by name.
        state: The run's position, as text.
        sha256: ``digest_of`` both.
    """

    arrays: Arrays
    state: str
    sha256: str


def state_file(folder: Path, step: int) -> Path:
    """The checkpoint of a step."""
    return folder / f"step-{step:09d}.safetensors"


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, ascending.

    Raises:
        OSError: When the folder exists but cannot be read.
    """
    try:
        names = os.listdir(folder)  # a glob would take an unreadable folder for an empty one
    except FileNotFoundError:
        names = []
    matches = map(_NAME.fullmatch, names)
    return sorted(int(match[1]) for match in matches if match)


def read_best_step(workdir: Path) -> int | None:
    """The step of a run's best model so far; None before there is one.

    Raises:
        InputError: When the file that says it is damaged.
    """
    path = workdir / BEST_STEP_FILE
    text = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else None
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    raise InputError(
        f"{path} is damaged: it must hold the step of the model in {BEST_FOLDER}/. Received: "
        f"{text[:20]!r}; remove it and {workdir / BEST_FOLDER}; then the newest checkpoint is used"
    )


def write_state(path: Path, arrays: Arrays, state: str) -> None:
    """Write a checkpoint under a temporary name and rename it.

    Args:
        path: The file.
        arrays: The variables by name.
        state: The run's position, as text.

    Raises:
        OSError: When it cannot be written.
    """
    # One entry, since the library writes several in any order.
    entry = json.dumps({"state": state, "sha256": digest_of(arrays, state)})
    with atomic_file(path, replace=True) as temporary:
        safetensors.numpy.save_file(arrays, temporary, {"run": entry})


def read_state(path: Path) -> Checkpoint:
    """The contents of a checkpoint.

    Raises:
        ValueError: When it is damaged.
        OSError: When it cannot be read.
    """
    path.open("rb").close()  # a clearer error than the library's
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            entry = json.loads((file.metadata() or {}).get("run", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from None
    if not isinstance(entry, dict) or not {"state", "sha256"} <= entry.keys():
        raise ValueError("it has no position of a run")
    if digest_of(arrays, entry["state"]) != entry["sha256"]:
        raise ValueError("its content does not match its hash")
    named, step = _NAME.fullmatch(path.name), json.loads(entry["state"]).get("step")
    if named and step not in (None, int(named[1])):
        raise ValueError(f"its content is the checkpoint of step {step:,}")
    return Checkpoint(arrays, entry["state"], entry["sha256"])


def check_run(path: Path, state: str, run_id: str) -> None:
    """Refuse a checkpoint that another run wrote.

    Args:
        path: The checkpoint, for messages.
        state: Its position, as text.
        run_id: The run's; see ``RunMark``.

    Raises:
        InputError: When the checkpoint bears another.
    """
    if json.loads(state).get("run_id", "") != run_id:
        raise InputError(
            f"{path} is not of the run that {path.parent.parent / MARK_FILE} describes, but of one "
            "with another recipe, data or base model; move it away"
        )


def digest_of(arrays: Arrays, state: str = "") -> str:
    """The SHA-256 of the variables' names, types, shapes and values, and of a position."""
    digest = hashlib.sha256(state.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def has_files(folder: Path) -> bool:
    """Tell whether a folder holds more than empty folders; a broken link counts as a file.

    Raises:
        InputError: When a folder in it cannot be read.
    """
    if folder.is_dir():
        return any(path.is_symlink() or not path.is_dir() for path in paths_below(folder))
    return os.path.lexists(folder)
