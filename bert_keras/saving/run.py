"""A run as a model: its ``model/``, or the best so far, or a checkpoint.

Reading writes nothing and needs no lock: the run may be training meanwhile.
"""

import json
import logging
from functools import partial
from pathlib import Path

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic
from bert_keras.hub import HubName, is_available
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.model import FROZEN, BertModel
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
    check_run,
    read_best_step,
    read_state,
    state_file,
    steps_in,
)
from bert_keras.saving.stored import StoredModel, stored_weights
from bert_keras.tokenization import Tokenizer

_logger = logging.getLogger("bert_keras")

MODEL_CONFIG_FILE = "config.json"
# What makes a checkpoint's encoder a sentence encoder, as modules.json does that of a model.
_SENTENCE_EMBEDDING = "bert_keras_sentence_embedding"
_NOT_KEPT = ("name", "trainable", "dtype", "config", "seed", "packed", FROZEN)
_MODEL_GONE = f"its {MODEL_FOLDER}/ is gone or not whole"


def write_description(model: BertModel, workdir: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write what a run's checkpoints need to be opened as models: config and tokenizer.

    Args:
        model: The model that the run trains.
        workdir: Its work directory.
        tokenizer: By default the one that the model was loaded with.
    """
    folder = workdir / CHECKPOINTS_FOLDER
    values = config_values(model)
    if isinstance(model, BertForSentenceEmbedding):
        given = {n: v for n, v in model.get_config().items() if n not in _NOT_KEPT}
        values[_SENTENCE_EMBEDDING] = {"arguments": given, "files": model.other_files}
    text = json.dumps(values, indent=2) + "\n"
    write_text_atomic(folder / MODEL_CONFIG_FILE, text, replace=True)
    tokenizer = tokenizer or model.tokenizer
    if tokenizer is not None:
        tokenizer.save(folder, replace=True)


def named_run(path: Path) -> tuple[Path, int | None] | None:
    """The work directory and the step that a path names: ``RUN`` or ``RUN@STEP``; None if neither.

    Raises:
        InputError: When what follows the @ of a run is not a step.
    """
    if path.exists():
        return (path, None) if read_mark(path) else None
    folder, at, step = str(path).rpartition("@")
    if not at or not read_mark(Path(folder)):
        return None
    if not (step.isascii() and step.isdigit()):
        raise InputError(
            f"after the @ of {path} there must be a step; {_available_steps(Path(folder))}"
        )
    return Path(folder), int(step)


def located(path: Path) -> Path:
    """The path of the model that a path means now: a run's model/, best/ or newest checkpoint.

    A checkpoint is given as ``RUN@STEP``. A path that does not name a run is returned as it is.

    Raises:
        InputError: When the run has neither a model nor a checkpoint.
    """
    workdir, step = named_run(path) or (None, None)
    if workdir is None or step is not None:
        return path
    folder = finished_or_best(workdir)
    return folder or Path(f"{workdir}@{newest(workdir)[0]}")


def is_there(given: str) -> bool:
    """Tell whether a name leads to a model: a path, ``RUN@STEP``, a TF checkpoint's or a hub's."""
    if HubName.of(given):
        return is_available(given)
    path = Path(given)
    if path.exists() or Path(f"{path}.index").exists():
        return True
    workdir, step = named_run(path) or (None, None)
    return workdir is not None and step in steps_in(workdir / CHECKPOINTS_FOLDER)


def read_run(workdir: Path, step: int | None) -> StoredModel:
    """A checkpoint of a run as a model; logs which.

    Args:
        workdir: The run's work directory.
        step: The checkpoint's step; None means the newest that is whole.

    Raises:
        InputError: When there is no such checkpoint, or it is damaged.
    """
    if step is None:
        return read_step(workdir, *newest(workdir))
    stored = read_step(workdir, step, arrays_of_step(workdir, step))
    _logger.info("%s: the checkpoint of step %s", workdir, _progress(workdir, step))
    return stored


def read_step(workdir: Path, step: int, arrays: Arrays) -> StoredModel:
    """A checkpoint of a run as a model, with its arrays."""
    folder = workdir / CHECKPOINTS_FOLDER
    path, config_file = state_file(folder, step), folder / MODEL_CONFIG_FILE
    values = read_json_object(config_file)
    family = family_of_config(config_file, values)
    config, foreign = family.read_config(values)
    model_class, refusal = family.named_class(config_file, values)
    arguments = head_arguments(model_class, values, str(path))
    of_sentences = foreign.pop(_SENTENCE_EMBEDDING, None)
    if of_sentences and family.sentence_embedding:
        model_class, arguments = family.sentence_embedding, of_sentences["arguments"]
    shapes = {
        name: array.shape for name, array in arrays.items() if name.startswith(MODEL_VARIABLES)
    }
    return StoredModel(
        path=folder,
        layout="checkpoint",
        family=family,
        config=config,
        weights=stored_weights(str(path), _OWN_NAMES, shapes, arrays.__getitem__),
        model_class=model_class,
        refusal=refusal,
        arguments=arguments,
        other_files=of_sentences["files"] if of_sentences else {},
        read_tokenizer=partial(family.read_tokenizer, folder),
        foreign=foreign,
        files={name: folder / name for name in (MODEL_CONFIG_FILE, *family.tokenizer_files)},
    )


class _OwnNames(Names):
    """The names in a checkpoint: our own paths."""

    def of(self, path: str) -> tuple[str, ...]:
        return (MODEL_VARIABLES + path,)


_OWN_NAMES = _OwnNames({}, {}, passed_over=(f"{MODEL_VARIABLES}dropout_seeds/step",))


def finished_or_best(workdir: Path) -> Path | None:
    """The folder of a run's model, or of the best so far, with a warning; None without either."""
    mark = _mark(workdir)
    is_own = mark.is_finishing or mark.model_files is not None
    if is_own and (workdir / MODEL_FOLDER / MODEL_CONFIG_FILE).exists():
        return workdir / MODEL_FOLDER
    if (workdir / BEST_FOLDER / MODEL_CONFIG_FILE).exists():
        step = read_best_step(workdir)
        if step is not None:  # else somebody removed the file, and the step is unknown
            _warn_unfinished(workdir, "its best model so far", step)
            return workdir / BEST_FOLDER
    return None


def version_of_best(path: Path) -> tuple[int, int] | None:
    """The version of a run's best model, which training may replace by the next at any time.

    Args:
        path: A run's work directory or its ``best/``; of any other path nothing is told.
    """
    folder = path if path.name == BEST_FOLDER else path / BEST_FOLDER
    try:
        status = folder.stat() if read_mark(folder.parent) else None
    except (FileNotFoundError, InputError):  # another version's run
        return None
    return (status.st_ino, status.st_mtime_ns) if status else None


def newest(workdir: Path) -> tuple[int, Arrays]:
    """The newest checkpoint of a run that is whole, with a warning: its step and its arrays.

    Raises:
        InputError: When there is none, or another run wrote it.
    """
    folder = workdir / CHECKPOINTS_FOLDER
    skipped: set[int] = set()
    while left := [step for step in steps_in(folder) if step not in skipped]:
        path = state_file(folder, left[-1])
        skipped.add(left[-1])
        try:
            found = read_state(path)
        except FileNotFoundError:  # the run is training and has replaced it by newer ones
            continue
        except ValueError as error:
            _logger.warning("%s is passed over: %s", path, error)
            continue
        check_run(path, found.state, _mark(workdir).run_id)
        _warn_unfinished(workdir, "its newest checkpoint", left[-1])
        return left[-1], found.arrays
    if _mark(workdir).model_files is not None:
        lost = "all its checkpoints are damaged" if skipped else "it has no checkpoint either"
        raise InputError(
            f"the run in {workdir} has finished, but {_MODEL_GONE}, and {lost}; put "
            f"{workdir / MODEL_FOLDER} back, or train the run again"
        )
    raise InputError(
        f"the run in {workdir} has not finished, and all its checkpoints are damaged"
        if skipped
        else f"the run in {workdir} has not finished and has no checkpoint yet, nor a model/; "
        "checkpoint.every_steps says when one is written, and a run that is stopped writes one too"
    )


def arrays_of_step(workdir: Path, step: int) -> Arrays:
    """The variables in a checkpoint of a run, by name.

    Raises:
        InputError: When there is no such checkpoint, it is damaged, or another run wrote it.
    """
    path = state_file(workdir / CHECKPOINTS_FOLDER, step)
    try:
        found = read_state(path)
    except FileNotFoundError:
        raise InputError(
            f"the run in {workdir} has no checkpoint of step {step:,}; {_available_steps(workdir)}"
        ) from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; {_available_steps(workdir)}") from None
    check_run(path, found.state, _mark(workdir).run_id)
    return found.arrays


def _available_steps(workdir: Path) -> str:
    steps = [f"{step:,}" for step in steps_in(workdir / CHECKPOINTS_FOLDER)]
    return f"there are those of steps {' and '.join(steps)}" if steps else "there is none at all"


def _warn_unfinished(workdir: Path, what: str, step: int) -> None:
    mark = _mark(workdir)
    state, way_out = "has not finished", ""
    if mark.model_files is not None and mark.ended_at is None:  # else it may go on by now
        state = f"has finished, but {_MODEL_GONE}"
        way_out = "; the command that trained it makes the model again, if that checkpoint is kept"
    _logger.warning(
        "the run in %s %s: %s is used, of step %s%s",
        workdir, state, what, _progress(workdir, step), way_out,
    )  # fmt: skip


def _progress(workdir: Path, step: int) -> str:
    """A step and the number of all steps, for messages."""
    return f"{step:,} of {_mark(workdir).config['train']['steps']:,}"


def _mark(workdir: Path) -> RunMark:
    mark = read_mark(workdir)
    assert mark is not None, "``named_run`` has checked it"
    return mark
