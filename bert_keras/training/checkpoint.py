"""The checkpoints that a run writes and resumes from."""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert_keras.errors import Diverged, InputError
from bert_keras.files import clear_left_behind
from bert_keras.objectives import Model
from bert_keras.saving.run_state import (
    MODEL_VARIABLES,
    OBJECTIVE_VARIABLES,
    OPTIMIZER_VARIABLES,
    check_run,
    read_state,
    state_file,
    steps_in,
    write_state,
)
from bert_keras.training.state import RunState

_logger = logging.getLogger("bert_keras")


class Checkpoints:
    """The checkpoints of a run, in a folder of its work directory.

    A checkpoint holds all variables of the model and the optimizer, counters included, and the
    run's position, so that a resumed run computes the same bits. A thread writes it: the training
    waits until the variables are copied. A hash of the contents detects damaged files.

    Args:
        directory: The folder; made when the first checkpoint is written.
        keep: How many of the newest are kept.
        is_writer: Whether this process may change the folder: of several workers, the chief. The
            others check their variables alone.
    """

    def __init__(self, directory: Path, keep: int, is_writer: bool = True) -> None:
        self.directory = directory
        self.keep = keep
        self.is_writer = is_writer
        self.restored_sha256 = ""
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def steps(self) -> list[int]:
        """The steps of the checkpoints, ascending.

        Raises:
            OSError: When the folder exists but cannot be read.
        """
        return steps_in(self.directory)

    def save(self, state: RunState, model: Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Copy the variables and begin to write them; the thread then deletes old checkpoints.

        If the previous checkpoint could not be written, this warns and waits for the new one.

        Raises:
            OSError: When two in a row cannot be written; the older checkpoints stay.
            Diverged: As ``wait``, for the previous one.
        """
        error = self._finish()
        if isinstance(error, Diverged):
            raise error
        variables = _variables(model, optimizer)
        # Copies, which numpy() makes: the training continues meanwhile.
        arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
        arguments = (state.step, arrays, state.to_json())
        self._thread = threading.Thread(target=self._write, args=arguments)
        self._thread.start()
        if error:
            _logger.warning("a checkpoint could not be written: %s", error)
            self.wait()

    def wait(self) -> None:
        """Wait until the newest checkpoint is on the disk.

        Raises:
            OSError: When it cannot be written; the older checkpoints stay.
            Diverged: When a variable is not finite; the checkpoint is not written.
        """
        error = self._finish()
        if error:
            raise error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block at whose end, by an error too, the newest checkpoint is written."""
        try:
            yield
        finally:
            self.wait_and_warn()

    def wait_and_warn(self) -> None:
        """Wait as ``wait``, but warn of an error instead of raising it."""
        error = self._finish()
        if error:
            _logger.warning("the newest checkpoint was not written: %s", error)

    def restore_latest(
        self,
        model: Model,
        optimizer: keras.optimizers.Optimizer,
        beginning: RunState | None = None,
        until: int | None = None,
    ) -> RunState | None:
        """Read the newest checkpoint that is not damaged into the variables.

        Damaged ones are skipped with a warning, and renamed if an older one is whole.

        Args:
            model: A built model.
            optimizer: A built optimizer.
            beginning: The state that the run begins with, whose seed and ``run_id`` its
                checkpoints have; by default an empty one.
            until: The last step allowed; by default any.

        Returns:
            The run's position, whose hash is ``restored_sha256``; None if there is no checkpoint.

        Raises:
            InputError: When the checkpoint is of another run, model, seed or version of
                bert_keras, or all are damaged.
            OSError: When a checkpoint, which may be whole, cannot be read; it is not renamed.
        """
        if self.is_writer:
            clear_left_behind(self._path(0), "step-*")
        beginning = beginning or RunState()
        variables = _variables(model, optimizer)
        damaged: list[Path] = []
        for step in reversed(self.steps()):
            if until is not None and step > until:
                continue
            path = self._path(step)
            try:
                arrays, text, self.restored_sha256 = read_state(path)
            except FileNotFoundError:
                if self.is_writer:
                    raise
                continue  # the writer has renamed it meanwhile
            except ValueError as error:
                _logger.warning("%s is skipped: %s", path, error)
                damaged.append(path)
                continue
            if self.is_writer:  # else they would count as the newest
                for other in damaged:
                    other.replace(other.with_suffix(".damaged"))
            state = RunState.from_json(text)
            _check(path, arrays, state, variables, beginning)
            check_run(path, text, beginning.run_id)
            for name, variable in variables.items():
                variable.assign(arrays[name])
            return state
        if damaged and until is None:
            raise InputError(
                f"all checkpoints in {self.directory} are damaged; to start again remove that "
                "folder, or choose another --workdir"
            )
        return None

    def delete_after(self, step: int) -> None:
        """Delete the checkpoints of later steps."""
        for later in self.steps():
            if self.is_writer and later > step:
                self._path(later).unlink()

    def _path(self, step: int) -> Path:
        return state_file(self.directory, step)

    def _write(self, step: int, arrays: dict[str, np.ndarray], state: str) -> None:
        try:
            _check_finite(step, arrays.items())
            if not self.is_writer:
                return
            write_state(self._path(step), arrays, state)
            for old in self.steps()[: -self.keep]:
                self._path(old).unlink()
        except Exception as error:
            self._error = error

    def _finish(self) -> Exception | None:
        """Wait for the thread, and return its error."""
        if self._thread:
            self._thread.join()
        error, self._error, self._thread = self._error, None, None
        return error


def check_finite(step: int, model: Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Check all variables after a step, as ``Checkpoints`` does before it writes them.

    Raises:
        Diverged: When one is not finite.
    """
    variables = _variables(model, optimizer)
    _check_finite(step, ((name, variable.numpy()) for name, variable in variables.items()))


def _variables(model: Model, optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """All variables by name: weights, moments and counters."""
    of_head = {id(variable) for variable in getattr(model, "head_weights", ())}
    named = {
        (OBJECTIVE_VARIABLES if id(variable) in of_head else MODEL_VARIABLES)
        + variable.path: variable
        for variable in model.weights
    }
    named |= {OPTIMIZER_VARIABLES + variable.path: variable for variable in optimizer.variables}
    assert len(named) == len(model.weights) + len(optimizer.variables), "names must be unique"
    return named


def _check(
    path: Path,
    arrays: dict[str, np.ndarray],
    state: RunState,
    variables: dict[str, Any],
    beginning: RunState,
) -> None:
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    odd = shapes.items() ^ {(name, array.shape) for name, array in arrays.items()}
    if odd:
        raise InputError(f"{path} is of another model: {min(odd)[0]} is not the same in both")
    if state.seed != beginning.seed:
        raise InputError(
            f"{path} is of a run with train.seed = {state.seed}, this one has {beginning.seed}; "
            "choose another --workdir"
        )


def _check_finite(step: int, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    odd = next((name for name, array in arrays if not _is_finite(array)), None)
    if odd:
        raise Diverged(step, f"{odd} is not finite after step {step:,}")


def _is_finite(array: np.ndarray) -> bool:
    """Tell whether all values are finite; integers always are."""
    return array.dtype.kind not in "fV" or bool(np.isfinite(array).all())
