"""What lies in a run's work directory, and whose it is."""

import dataclasses
import logging
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bert_keras.checkpoints import load, save
from bert_keras.checkpoints.run import finished_or_best, is_there, located
from bert_keras.checkpoints.run_state import (
    BEST_FOLDER,
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    MODEL_FOLDER,
    steps_in,
)
from bert_keras.config import dump_toml, load_toml
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory, write_text_atomic
from bert_keras.training.curves import plot_curves
from bert_keras.training.metrics import read_metrics

_logger = logging.getLogger("bert_keras")

LOCK_FILE = ".lock"

# The data are told by their content, wherever they lie.
MOVABLE = ("data.corpus", "data.train", "data.dev")
# Where they are 0 they follow from the epochs and the data, which are compared.
DERIVED = ("train.steps", "train.eval_every_steps")
# They may change from one start of a run to the next: its weights do not depend on the first,
# and what the second has done so far is kept in the checkpoints.
FREE_TABLES = ("checkpoint", "watch")


def claim(workdir: Path, config: Any, data_file: str, data: str, source: object) -> None:
    """Writes the resolved config into a new work directory, or checks that it is the same one.

    Beside it goes the description of the data, so that a run cannot go on with others. A
    directory without a checkpoint, of a run that never got going, may be taken by any config.

    Args:
        workdir: The work directory.
        config: The dataclass of the run's tables.
        data_file: What the description is called there.
        data: The text that tells these data from any others.
        source: What a message calls the data.

    Raises:
        InputError: As ``check_owner`` does.
    """
    if not check_owner(workdir, config, data_file, data, source):
        write_text_atomic(workdir / data_file, data)
    text = dump_toml(config)
    if not (workdir / CONFIG_FILE).exists() or _read(workdir / CONFIG_FILE) != text:
        write_text_atomic(workdir / CONFIG_FILE, text)


def check_owner(workdir: Path, config: Any, data_file: str, data: str, source: object) -> bool:
    """Whether a run has begun in a work directory, which then must be this one; see ``claim``.

    Raises:
        InputError: When the directory belongs to a run with another config or other data.
    """
    if not ((workdir / CONFIG_FILE).exists() and _has_begun(workdir)):
        return False
    difference = _difference(workdir / CONFIG_FILE, config)
    if difference:
        raise InputError(
            f"{workdir} belongs to a run with another config ({difference}); choose another "
            f"--workdir, or give {workdir / CONFIG_FILE} as the recipe to go on with that run"
        )
    kept = workdir / data_file
    if not kept.exists() or kept.read_text(encoding="utf-8") != data:
        raise InputError(f"{workdir} belongs to a run on other data than {source}")
    return True


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keeps every other process out of a work directory until the block ends or a kill comes.

    Raises:
        InputError: When another process is training there.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is training in {workdir}; wait for it or choose another --workdir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def finish(workdir: str | Path) -> Path:
    """Ends a run early: what it has becomes its ``model/``, and the run counts as finished.

    That is the best model so far on the development set, where there is one, else the newest
    checkpoint that is whole. The checkpoints stay: without ``model/`` the run goes on.

    Args:
        workdir: The run's work directory.

    Returns:
        The directory of the model.

    Raises:
        InputError: When there is no run, it has no checkpoint yet, or a process is training there.
    """
    workdir = Path(workdir)
    if not (workdir / CONFIG_FILE).is_file():
        raise InputError(f"{workdir} is not the work directory of a run: it has no {CONFIG_FILE}")
    with locked(workdir):
        if not (workdir / MODEL_FOLDER).exists():
            best = finished_or_best(workdir)
            if best is None:
                save(load(workdir), workdir / MODEL_FOLDER)
            else:
                # A copy: should the run go on, the best model so far may stay the best to its end.
                with atomic_directory(workdir / MODEL_FOLDER) as directory:
                    shutil.copytree(best, directory, dirs_exist_ok=True)
            if read_metrics(workdir):
                plot_curves(workdir)
    return workdir / MODEL_FOLDER


def has_model(workdir: Path) -> bool:
    """Whether a run has its ``model/`` already; where steps are left, that is said."""
    if not (workdir / MODEL_FOLDER).exists():
        return False
    steps = steps_in(workdir / CHECKPOINTS_FOLDER)
    if steps and (workdir / CONFIG_FILE).exists():
        train = tomllib.loads(_read(workdir / CONFIG_FILE))["train"]
        if steps[-1] < train["steps"] and not train.get("patience"):
            _logger.warning(
                "the run in %s ended at step %s of %s; remove %s, and it goes on",
                workdir, f"{steps[-1]:,}", f"{train['steps']:,}", workdir / MODEL_FOLDER,
            )  # fmt: skip
    return True


def start_of_run(workdir: Path, given: str) -> str:
    """``model.init`` as the run that has begun in a work directory wrote it down, else located.

    A run starts from a model that stays the same: where ``given`` is another run, that is its
    ``model/``, or its best model or newest checkpoint so far. The other may go on or finish
    before this one is started again, which then is still the same run.

    Raises:
        InputError: When ``given`` is a run without a model or a checkpoint.
    """
    recorded = _recorded_start(workdir)
    of_run = recorded.rpartition("@")[0] or str(Path(recorded).parent)
    is_found = "@" in recorded or Path(recorded).name in (BEST_FOLDER, MODEL_FOLDER)
    if given and is_found and Path(of_run) == Path(given):
        return recorded
    return given and str(located(Path(given)))


def source_of_start(workdir: Path, init: str) -> str:
    """The model to open for ``model.init``: the run's own newest checkpoint where that is gone.

    Its weights are those that the run goes on with; of a model that is gone only architecture and
    tokenizer are needed, and a checkpoint has them.
    """
    own = steps_in(workdir / CHECKPOINTS_FOLDER)
    return init if not own or is_there(Path(init)) else f"{workdir}@{own[-1]}"


def _recorded_start(workdir: Path) -> str:
    """``model.init`` of the run that has begun in a work directory; empty where none has."""
    if not ((workdir / CONFIG_FILE).exists() and _has_begun(workdir)):
        return ""
    try:
        tables = tomllib.loads(_read(workdir / CONFIG_FILE))
        return str(tables.get("model", {}).get("init", ""))
    except (ValueError, AttributeError):  # damaged: ``claim`` says so
        return ""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _has_begun(workdir: Path) -> bool:
    """Whether there is anything that another config would spoil."""
    return (workdir / MODEL_FOLDER).exists() or any((workdir / CHECKPOINTS_FOLDER).glob("step-*"))


def _difference(path: Path, now: Any) -> str:
    """The first key in which a run's config differs, with both values; the data may have moved."""
    try:
        earlier = load_toml(type(now), path)
    except InputError as error:
        return str(error)
    before, after = (_flat(dataclasses.asdict(config)) for config in (earlier, now))
    for name in before:
        is_left_open = name in DERIVED and not after[name]
        is_free = name in MOVABLE or name.partition(".")[0] in FREE_TABLES
        if not is_free and before[name] != after[name] and not is_left_open:
            return f"{name} = {before[name]!r} there, {after[name]!r} here"
    return ""


def _flat(tables: dict[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table in tables for key, value in tables[table].items()}
