"""A run's work directory: its owner and the sources of its run."""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from filelock import FileLock, Timeout

from bert_keras.config import all_values, dump_toml, flat, from_tables
from bert_keras.errors import InputError
from bert_keras.files import check_utf8, write_text_atomic
from bert_keras.objectives import is_compiled
from bert_keras.saving.fingerprint import first_difference
from bert_keras.saving.mark import MARK_FILE, RunMark, may_change, read_mark
from bert_keras.saving.run_state import (
    BEST_FOLDER,
    BEST_STEP_FILE,
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    MODEL_FOLDER,
    steps_in,
)
from bert_keras.training.circumstances import other_circumstances
from bert_keras.training.curves import CURVES_FILE, MASKS_FILE
from bert_keras.training.metrics import LOGS_FOLDER, METRICS_FILE

_logger = logging.getLogger("bert_keras")

LOCK_FILE = ".lock"
# What a run writes besides its config; without the mark these files are not a run's.
_RUN_FILES = (
    CHECKPOINTS_FOLDER, METRICS_FILE, LOGS_FOLDER, CURVES_FILE, BEST_FOLDER, BEST_STEP_FILE,
    MODEL_FOLDER, MARK_FILE, MASKS_FILE, LOCK_FILE,
)  # fmt: skip
# The weights of a model whose config.json lies beside them; TensorFlow's need none (``*.index``).
_WEIGHTS = (
    "*.safetensors", "pytorch_model*.bin", "*.weights.h5", "tf_model*.h5", "flax_model*.msgpack",
)  # fmt: skip

# If 0, they follow from the epochs and the data, which are compared.
DERIVED = ("train.steps", "train.eval_every_steps")
# What it stands for depends on the devices, and that is compared.
BY_DEVICES = "train.jit_compile"


def check_folder(workdir: Path, *inputs: str | Path | None) -> None:
    """Check that a folder may be a work directory; writes nothing.

    Args:
        workdir: The folder, which need not exist yet.
        inputs: The paths that the run reads.

    Raises:
        InputError: When it is one of the inputs, or has no mark of a run but files by the names
            of a run's own, or a model; when the name of an input cannot be in a config.
    """
    if str(workdir) in ("", "."):
        raise InputError(
            f"a run needs a folder of its own as its --workdir. Received: {str(workdir)!r}"
        )
    for given in [given for given in inputs if given]:
        check_utf8(given, f"as the names in a run's {CONFIG_FILE} have to be")
        if os.path.realpath(given) == os.path.realpath(workdir):  # takes links in a circle, too
            raise InputError(f"{workdir} is what the run reads; choose another --workdir")
    for name in _RUN_FILES if read_mark(workdir) is None else ():
        path = workdir / name
        # A run's lock file is empty, and locking would empty another file.
        is_there = os.path.lexists(path) and (name != LOCK_FILE or path.lstat().st_size > 0)
        if is_there and read_mark(workdir) is None:  # another worker may have written it meanwhile
            raise InputError(
                f"{path} is not of a run that began in {workdir}, which has no "
                f"{MARK_FILE} of a run, and stays as it is; choose another --workdir (a run begun "
                "by an earlier version of bert_keras resumes with that version)"
            )
    if read_mark(workdir) is None and (weights := _weights_in(workdir)):
        raise InputError(
            f"{workdir} holds a model already ({weights.name}), and stays as it is; choose another "
            "--workdir"
        )


def _weights_in(folder: Path) -> Path | None:
    """A file of weights that makes a folder a saved model; None where it is not one."""
    names = [*_WEIGHTS, "*.index"] if (folder / "config.json").exists() else ["*.index"]
    return next((file for name in names for file in sorted(folder.glob(name))), None)


def write_mark(workdir: Path, mark: RunMark, config: Any, strategy: tf.distribute.Strategy) -> None:
    """Write a run's mark and ``config.toml``.

    Where a run has no checkpoint yet, another may replace it.

    Args:
        workdir: The work directory.
        mark: The sources of the run.
        config: The recipe.
        strategy: Which devices share a step.

    Raises:
        InputError: When another run has begun in the directory; see ``check_owner``.
    """
    has_begun = check_owner(workdir, mark, config, strategy)
    earlier = read_mark(workdir)
    mark = dataclasses.replace(mark, run_id=mark.content_id())
    if earlier is not None:
        mark = dataclasses.replace(mark, config_hash=earlier.config_hash)
        if has_begun:  # the rest is in the earlier mark alone
            change = other_circumstances(earlier.circumstances, mark.circumstances)
            if change and earlier.model_files is None:
                _logger.warning("%s", change)
            # Left open now, a key has followed to what was there, as ``check_owner`` saw.
            open_keys = earlier.left_open
            if open_keys is not None:
                open_keys = sorted({*open_keys, *(mark.left_open or ())})
            mark = dataclasses.replace(
                earlier,
                config=mark.config,
                data=mark.data,
                base=mark.base or earlier.base,
                left_open=open_keys,
            )
    mark.write(workdir)
    written = _write_config(workdir / CONFIG_FILE, dump_toml(config), mark.config_hash)
    dataclasses.replace(mark, config_hash=written or mark.config_hash).write(workdir)


def left_open(config: Any) -> list[str]:
    """The keys of a recipe that are 0 and so follow from its epochs and the data."""
    values = flat(all_values(config))
    return [name for name in DERIVED if not values[name]]


def check_owner(
    workdir: Path, mark: RunMark, config: Any, strategy: tf.distribute.Strategy
) -> bool:
    """Tell whether this run has begun in a work directory; see ``write_mark``.

    Raises:
        InputError: When a run of other sources has begun there; names the difference.
    """
    earlier = begun_run(workdir)
    if earlier is None:
        return False
    if earlier.command != mark.command:
        raise InputError(
            f"{workdir} belongs to a run of {earlier.command}, not of {mark.command}; choose "
            "another --workdir"
        )
    difference = _difference(earlier, config, strategy)
    if difference:
        raise InputError(
            f"{workdir} belongs to a run with another config ({difference}); choose another "
            f"--workdir, or give {workdir / CONFIG_FILE} as the recipe to resume that run"
        )
    if changed := first_difference(earlier.data, mark.data):
        raise InputError(
            f"{workdir} belongs to a run on other data ({changed}); choose another --workdir, or "
            "give the data as they were"
        )
    if earlier.base and not config.model.init:
        began_from = earlier.config["model"]["init"]
        raise InputError(
            f"{workdir} belongs to a run that began from the model {began_from}; give that as "
            "model.init to resume it, or choose another --workdir"
        )
    if mark.base and (changed := first_difference(earlier.base, mark.base)):
        raise InputError(
            f"{workdir} belongs to a run from another model than {config.model.init} is now "
            f"({changed}); choose another --workdir, or give the model as it was: "
            f"{earlier.config['model']['init']}"
        )
    return True


def begun_run(workdir: Path) -> RunMark | None:
    """The mark of a run that has a checkpoint or a model; ``None`` where there is no such run."""
    mark = read_mark(workdir)
    if mark and (mark.model_files is not None or steps_in(workdir / CHECKPOINTS_FOLDER)):
        return mark
    return None


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """A block in which no other process may use a work directory; a kill ends the lock too.

    A work directory that was not there, and into which nothing was written, is removed again.

    Raises:
        InputError: When another process is training there.
    """
    is_new = not workdir.exists()
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
        if is_new and [file.name for file in workdir.iterdir()] == [LOCK_FILE]:
            (workdir / LOCK_FILE).unlink()  # while it is held: who waits for it takes a new one
            workdir.rmdir()
        lock.release()


def _write_config(path: Path, text: str, own_hash: str | None) -> str | None:
    """Write ``config.toml``, unless there is one that the run did not write; its hash, if written.

    A user's recipe, or the run's own with comments added, stays.
    """
    if path.is_symlink() and not path.exists():
        return None  # a user's broken link
    there = path.read_bytes() if path.exists() else None
    if there is None or (hashlib.sha256(there).hexdigest() == own_hash and there.decode() != text):
        write_text_atomic(path, text, replace=True)
    elif there.decode(errors="replace") != text:
        _logger.info("%s was not written by the run, and stays; the run's own is in %s",
                     path, path.with_name(MARK_FILE))  # fmt: skip
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _difference(earlier: RunMark, now: Any, strategy: tf.distribute.Strategy) -> str:
    """The first key in which a run's config differs, with both values; paths may differ."""
    try:
        config = from_tables(type(now), dict(earlier.config))
    except InputError as error:
        return str(error)
    before, after = (flat(all_values(each)) for each in (config, now))
    if before[BY_DEVICES] != after[BY_DEVICES]:
        for values in (before, after):
            values[BY_DEVICES] = is_compiled(values[BY_DEVICES], strategy)
    # Before its end, what follows from a key left open is compared as the run begins.
    may_be_open: Sequence[str] = DERIVED
    if earlier.left_open is not None and earlier.model_files is not None:
        may_be_open = earlier.left_open
    for name, value in after.items():  # earlier versions recorded keys of other tasks too
        is_left_open = name in may_be_open and not value
        if not may_change(name) and before.get(name) != value and not is_left_open:
            return f"{name} = {before.get(name)!r} there, {value!r} here"
    return ""
