"""The end of a run: its ``model/``, written at its own end or by ``finish``."""

import dataclasses
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bert_keras.contents import hash_files
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.saving import save
from bert_keras.saving.build import build
from bert_keras.saving.fingerprint import first_difference
from bert_keras.saving.huggingface import CARD_FILE
from bert_keras.saving.mark import MARK_FILE, read_mark
from bert_keras.saving.run import finished_or_best, newest, read_step
from bert_keras.saving.run_state import (
    CHECKPOINTS_FOLDER,
    MODEL_FOLDER,
    has_files,
    read_best_step,
    steps_in,
)
from bert_keras.training.curves import CURVES_FILE, plot_curves
from bert_keras.training.metrics import read_metrics
from bert_keras.training.workdir import locked

_logger = logging.getLogger("bert_keras")


def finish(workdir: str | Path) -> Path:
    """End a run early: its best model or newest checkpoint becomes its ``model/``.

    The best model is that on the development set so far, if there is one; a damaged checkpoint is
    skipped. The checkpoints stay: once ``model/`` is removed, the run can be resumed.

    Args:
        workdir: The run's work directory.

    Returns:
        The directory of the model.

    Raises:
        InputError: When there is no run, it has no checkpoint yet, or a process is training there.

    Example:
        >>> finish("run").as_posix()
        'run/model'
    """
    workdir = Path(workdir)
    if read_mark(workdir) is None:
        raise InputError(f"{workdir} is not the work directory of a run: it has no {MARK_FILE}")
    with locked(workdir):
        if not is_finished(workdir):
            best = finished_or_best(workdir)
            if best is None:
                step, arrays = newest(workdir)
            else:
                steps = steps_in(workdir / CHECKPOINTS_FOLDER)
                step = max(*steps, read_best_step(workdir) or 0, 0)
            with model_written(workdir, ended_at=step) as path:
                if best is None:
                    save(build(read_step(workdir, step, arrays)), path)
                elif best != path:
                    # A copy: a resumed run needs the best model so far.
                    with atomic_directory(path) as directory:
                        shutil.copytree(best, directory, dirs_exist_ok=True)
            if read_metrics(workdir):
                plot_curves(workdir)
    return workdir / MODEL_FOLDER


def has_model(workdir: Path) -> bool:
    """Tell whether a run has its ``model/``; ``is_finished`` also compares what is in it."""
    mark = read_mark(workdir)
    return mark is not None and not mark.is_finishing and has_files(workdir / MODEL_FOLDER)


def is_finished(workdir: Path) -> bool:
    """Tell whether a run has its ``model/``, as it wrote it; warn if the run ended early.

    Raises:
        InputError: When ``model/`` has changed, or is not the run's.
    """
    mark, model = read_mark(workdir), workdir / MODEL_FOLDER
    steps = steps_in(workdir / CHECKPOINTS_FOLDER)
    if mark is None or not has_model(workdir):
        return False
    if mark.model_files is None:
        raise InputError(f"{model} is not of the run in {workdir}, which has not finished; move it")
    if changed := first_difference(mark.model_files, _model_files(model)):
        best = read_best_step(workdir)
        again = ", and the same command makes it again" if best in (None, *steps) else ""
        raise InputError(
            f"{model} is not as the run wrote it ({changed}); put it back, or move it away{again}"
        )
    train, ended_at = mark.config["train"], mark.ended_at
    if ended_at is None and steps and not train.get("patience"):
        ended_at = steps[-1]
    if ended_at is not None and ended_at < train["steps"]:
        _logger.warning(
            "the run in %s ended at step %s of %s; to resume it remove %s",
            workdir, f"{ended_at:,}", f"{train['steps']:,}", model,
        )  # fmt: skip
    else:
        _logger.info("the run in %s has finished: nothing is trained", workdir)
    if read_metrics(workdir) and not (workdir / CURVES_FILE).exists():
        plot_curves(workdir)
    return True


@contextmanager
def model_written(workdir: Path, ended_at: int | None = None) -> Iterator[Path]:
    """A block that writes a run's ``model/``, whose path it is given, and so finishes the run.

    After a kill within, a ``model/`` is still known to be the run's.

    Args:
        workdir: The work directory.
        ended_at: The step at which ``finish`` ends the run; None at the run's own end.

    Raises:
        InputError: When a ``model/`` that the run did not write has come there meanwhile.
    """
    mark, model = read_mark(workdir), workdir / MODEL_FOLDER
    assert mark is not None
    if not has_files(model):
        shutil.rmtree(model, ignore_errors=True)  # empty
    elif not mark.is_finishing and (
        mark.model_files is None or first_difference(mark.model_files, _model_files(model))
    ):
        raise InputError(
            f"{model} is not of the run in {workdir}; move it, and the same command ends the run"
        )
    ended = dataclasses.replace(mark, is_finishing=True, ended_at=ended_at)
    ended.write(workdir)
    try:
        yield model
    finally:
        if not has_files(model):
            mark.write(workdir)
    files = _model_files(model)
    dataclasses.replace(ended, is_finishing=False, model_files=files).write(workdir)


def _model_files(model: Path) -> dict[str, str]:
    """The hash of each file of a ``model/`` but its card, which a user may go on writing."""
    return {name: value for name, value in hash_files(model).items() if name != CARD_FILE}
