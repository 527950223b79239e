"""Checkpoints of a run: every variable by name, and the step, in one safetensors file."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from bert_keras.errors import InputError
from bert_keras.files import write_bytes_atomic

_NAME = re.compile(r"step-(\d+)\.safetensors")


class Checkpoints:
    """The checkpoints of a run, in a folder of its work directory.

    A checkpoint holds the raw variables of the model and of the optimizer, those that count
    steps among them, so that a resumed run goes on bit for bit.

    Args:
        directory: The folder; made when the first checkpoint is written.
        keep: How many of the newest are kept.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        self.directory = directory
        self.keep = keep

    def steps(self) -> list[int]:
        """The steps of which there are checkpoints, ascending."""
        matches = (_NAME.fullmatch(path.name) for path in self.directory.glob("*"))
        return sorted(int(match[1]) for match in matches if match)

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Writes the state after ``step`` updates, then deletes what is too old.

        Raises:
            OSError: When it cannot be written; the older checkpoints stay.
        """
        variables = _variables(model, optimizer)
        arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
        data = safetensors.numpy.save(arrays, metadata={"step": str(step)})
        write_bytes_atomic(self._path(step), data)
        for old in self.steps()[: -self.keep]:
            self._path(old).unlink()

    def restore_latest(self, model: Any, optimizer: Any) -> int:
        """Reads the newest checkpoint into the variables.

        Returns:
            The number of updates done; 0 where there is no checkpoint.

        Raises:
            InputError: When the checkpoint is damaged or of another model.
        """
        if not self.steps():
            return 0
        step = self.steps()[-1]
        path = self._path(step)
        variables = _variables(model, optimizer)
        try:
            arrays = safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise InputError(
                f"{path} is damaged ({error}); delete it to go on from an older one"
            ) from None
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        odd = shapes.items() ^ {(name, array.shape) for name, array in arrays.items()}
        if odd:
            raise InputError(f"{path} is of another model: {min(odd)[0]} is not the same in both")
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return step

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step:09d}.safetensors"


def _variables(model: Any, optimizer: Any) -> dict[str, Any]:
    """All state by name: weights, moments and counters."""
    named = {f"model/{variable.path}": variable for variable in model.weights}
    named |= {f"optimizer/{variable.path}": variable for variable in optimizer.variables}
    assert len(named) == len(model.weights) + len(optimizer.variables), "names must be unique"
    return named
