"""A run as a model: its ``model/``, or the best so far, or a checkpoint.

Nothing is written and no lock is needed: the run may be training meanwhile.
"""

import json
import logging
from functools import partial
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.files import read_json_object, write_text_atomic
from bert_keras.modeling.model import BertModel
from bert_keras.saving.config_json import config_values, head_arguments
from bert_keras.saving.families import family_of_config
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.saving.names import Names
from bert_keras.saving.run_state import (
    BEST_FOLDER,
    CHECKPOINTS_FOLDER,
    MODEL_FOLDER,
    MODEL_VARIABLES,
    Arrays,
    read_best_step,
    read_state,
    state_file,
    steps_in,
)
from bert_keras.saving.stored import StoredModel, stored_weights
from bert_keras.tokenization import Tokenizer

_logger = logging.getLogger("bert_keras")

MODEL_CONFIG_FILE = "config.json"


def write_description(model: BertModel, workdir: Path, tokenizer: Tokenizer | None = None) -> None:
    """Writes what a run's checkpoints need to be opened as models: config and tokenizer.

    Args:
        model: What the run trains.
        workdir: Its work directory.
        tokenizer: By default the one the model was loaded with.
    """
    folder = workdir / CHECKPOINTS_FOLDER
    text = json.dumps(config_values(model), indent=2) + "\n"
    write_text_atomic(folder / MODEL_CONFIG_FILE, text, replace=True)
    tokenizer = tokenizer or model.tokenizer
    if tokenizer is not None:
        tokenizer.save(folder, replace=True)


def named_run(path: Path) -> tuple[Path, int | None] | None:
    """The work directory and the step that a path names: ``RUN`` or ``RUN@STEP``; None if neither.

    Raises:
        InputError: When what stands behind the @ of a run is no step.
    """
    if path.exists():
        return (path, None) if read_mark(path) else None
    folder, at, step = str(path).rpartition("@")
    if not at or not read_mark(Path(folder)):
        return None
    if not (step.isascii() and step.isdigit()):
        raise InputError(f"behind the @ of {path} must stand a step; {_there_are(Path(folder))}")
    return Path(folder), int(step)


def located(path: Path) -> Path:
    """The very model that a path stands for now: of a run its model/, best/ or newest checkpoint.

    A checkpoint is given as ``RUN@STEP``. A path that names no run is given back.

    Raises:
        InputError: When the run has neither a model nor a checkpoint.
    """
    workdir, step = named_run(path) or (None, None)
    if workdir is None or step is not None:
        return path
    folder = finished_or_best(workdir)
    return folder or Path(f"{workdir}@{_newest(workdir)[0]}")


def is_there(path: Path) -> bool:
    """Tell whether a name leads to a model: a path, ``RUN@STEP`` or a TF checkpoint's."""
    if path.exists() or Path(f"{path}.index").exists():
        return True
    workdir, step = named_run(path) or (None, None)
    return workdir is not None and step in steps_in(workdir / CHECKPOINTS_FOLDER)


def read_run(workdir: Path, step: int | None) -> StoredModel:
    """A checkpoint of a run as the model that it is a state of; says which.

    Args:
        workdir: The run's work directory.
        step: The checkpoint's step; None takes the newest that is whole.

    Raises:
        InputError: When there is no such checkpoint, or it is damaged.
    """
    if step is None:
        return read_step(workdir, *_newest(workdir))
    stored = read_step(workdir, step, arrays_of_step(workdir, step))
    _logger.info("%s: the checkpoint of step %s", workdir, _of_all(workdir, step))
    return stored


def read_step(workdir: Path, step: int, arrays: Arrays) -> StoredModel:
    """The model of the checkpoint that has these arrays."""
    folder = workdir / CHECKPOINTS_FOLDER
    path, config_file = state_file(folder, step), folder / MODEL_CONFIG_FILE
    values = read_json_object(config_file)
    family = family_of_config(config_file, values)
    config, foreign = family.read_config(values)
    own, refusal = family.named_class(config_file, values)
    shapes = {n: array.shape for n, array in arrays.items() if n.startswith(MODEL_VARIABLES)}
    return StoredModel(
        path=folder,
        layout="checkpoint",
        family=family,
        config=config,
        weights=stored_weights(str(path), _OWN_NAMES, shapes, arrays.__getitem__),
        model_class=own,
        refusal=refusal,
        arguments=head_arguments(own, values, str(path)),
        read_tokenizer=partial(family.read_tokenizer, folder),
        foreign=foreign,
        files={name: folder / name for name in (MODEL_CONFIG_FILE, *family.tokenizer_files)},
    )


class _OwnNames(Names):
    """The variables of a checkpoint: each goes by its own path."""

    def of(self, path: str) -> tuple[str, ...]:
        return (MODEL_VARIABLES + path,)


_OWN_NAMES = _OwnNames({}, {}, passed_over=(f"{MODEL_VARIABLES}dropout_seeds/step",))


def finished_or_best(workdir: Path) -> Path | None:
    """The folder of a run's model, or of the best so far, which is said; None if it has neither."""
    mark = _mark(workdir)
    is_own = mark.is_finishing or mark.model_files is not None
    if is_own and (workdir / MODEL_FOLDER / MODEL_CONFIG_FILE).exists():
        return workdir / MODEL_FOLDER
    if (workdir / BEST_FOLDER / MODEL_CONFIG_FILE).exists():
        step = read_best_step(workdir)
        if step is not None:  # else somebody took the file away, and its step is unknown
            _say_unfinished(workdir, "its best model so far", step)
            return workdir / BEST_FOLDER
    return None


def _newest(workdir: Path) -> tuple[int, Arrays]:
    """The newest checkpoint that is whole: its step and what is in it."""
    folder = workdir / CHECKPOINTS_FOLDER
    passed: set[int] = set()
    while left := [step for step in steps_in(folder) if step not in passed]:
        path = state_file(folder, left[-1])
        passed.add(left[-1])
        try:
            arrays, _ = read_state(path)
        except FileNotFoundError:  # the run that is training has put newer ones in its place
            continue
        except ValueError as error:
            _logger.warning("%s is passed over: %s", path, error)
            continue
        _say_unfinished(workdir, "its newest checkpoint", left[-1])
        return left[-1], arrays
    raise InputError(
        f"the run in {workdir} has not finished, and all its checkpoints are damaged"
        if passed
        else f"the run in {workdir} has not finished and has no checkpoint yet, nor a model/; "
        "checkpoint.every_steps says when one is written, and one that is asked to stop writes one"
    )


def arrays_of_step(workdir: Path, step: int) -> Arrays:
    """The variables in a checkpoint of a run, by name.

    Raises:
        InputError: When there is no such checkpoint, or it is damaged.
    """
    path = state_file(workdir / CHECKPOINTS_FOLDER, step)
    try:
        arrays, _ = read_state(path)
    except FileNotFoundError:
        raise InputError(
            f"the run in {workdir} has no checkpoint of step {step:,}; {_there_are(workdir)}"
        ) from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; {_there_are(workdir)}") from None
    return arrays


def _there_are(workdir: Path) -> str:
    steps = [f"{step:,}" for step in steps_in(workdir / CHECKPOINTS_FOLDER)]
    return f"there are those of steps {' and '.join(steps)}" if steps else "there is none at all"


def _say_unfinished(workdir: Path, taken: str, step: int) -> None:
    _logger.warning(
        "the run in %s has not finished: %s is used, of step %s",
        workdir, taken, _of_all(workdir, step),
    )  # fmt: skip


def _of_all(workdir: Path, step: int) -> str:
    """A step, and of how many."""
    return f"{step:,} of {_mark(workdir).config['train']['steps']:,}"


def _mark(workdir: Path) -> RunMark:
    mark = read_mark(workdir)
    assert mark is not None, "asked by ``named_run`` before"
    return mark
