"""Several workers: which one writes the files, what they agree on, and the loss of one."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.config import flat
from bert_keras.errors import InputError, WorkerLost
from bert_keras.saving.mark import MARK_FILE, MOVABLE
from bert_keras.saving.run_state import (
    BEST_STEP_FILE,
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    MODEL_FOLDER,
)
from bert_keras.training.circumstances import versions
from bert_keras.training.curves import CURVES_FILE, MASKS_FILE
from bert_keras.training.metrics import METRICS_FILE
from bert_keras.training.strategy import host_of, is_chief
from bert_keras.training.workdir import locked

# The files of a work directory that a run reads, or asks for, besides those in its folders.
_READ = (MARK_FILE, CONFIG_FILE, METRICS_FILE, BEST_STEP_FILE, MASKS_FILE, CURVES_FILE)
_WIDTH = 24  # characters of a value that a message shows
# TensorFlow's errors when another process of the cluster does not answer.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


@contextmanager
def writable_workdir(strategy: tf.distribute.Strategy, workdir: Path) -> Iterator[Path]:
    """The directory that this process may write to.

    The chief's is the work directory itself, locked. Another worker's is temporary, with copies of
    the files that a run reads and links to the folders, so that it resumes from the same
    checkpoint.

    Raises:
        InputError: When another process is training there.
    """
    if is_chief(strategy):
        with locked(workdir):
            yield workdir
        return
    with tempfile.TemporaryDirectory(prefix="bert-keras-worker-") as name:
        own = Path(name)
        for file in _READ:
            if (workdir / file).is_file():
                with suppress(FileNotFoundError):  # another process has just removed it
                    shutil.copyfile(workdir / file, own / file)
        (own / CHECKPOINTS_FOLDER).symlink_to((workdir / CHECKPOINTS_FOLDER).absolute())
        if (workdir / MODEL_FOLDER).exists():
            (own / MODEL_FOLDER).symlink_to((workdir / MODEL_FOLDER).absolute())
        yield own


@contextmanager
def agreement(strategy: tf.distribute.Strategy) -> Iterator[dict[str, Any]]:
    """A block that fails on every worker if it fails on one, or if two have different values.

    The block reads and checks the sources of the run, and writes their values into the dictionary
    that it is given, by names for messages. It makes no variable, in which workers with different
    architectures would wait for each other for ever.

    Raises:
        InputError: When two workers have different values, or the block failed on another.
    """
    found: dict[str, Any] = {}
    failure = None
    try:
        yield found
    except Exception as error:
        failure = error
    agree(strategy, found, failure=failure)


def contents_of(
    tables: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], base: Mapping[str, str]
) -> dict[str, Any]:
    """The sources of a run, as ``agreement`` compares them.

    Args:
        tables: Those of the config; the paths of data and models are left out.
        data: The identity of the data.
        base: The hashes of the model that the run starts from.
    """
    config = {name: value for name, value in flat(tables).items() if name not in MOVABLE}
    contents = {f"the data's {name}": value for name, value in flat(data).items()}
    contents |= {f"the base model's {name}": value for name, value in base.items()}
    return config | contents | {f"{name}'s version": text for name, text in versions().items()}


def agree(
    strategy: tf.distribute.Strategy,
    found: Mapping[str, Any],
    remedy: str = "give all workers the same command, files and versions",
    failure: Exception | None = None,
) -> None:
    """Check that all workers have the same values by name.

    Args:
        strategy: The workers'.
        found: The values of this worker, which JSON must support.
        remedy: What to do if they differ.
        failure: The error of this worker, which is raised once the others know of it.

    Raises:
        InputError: When they differ, or another worker failed.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        number, _ = host_of(strategy)
        message = f"worker {number} cannot begin: {failure}" if failure else ""
        messages = _exchange(strategy, {"worker": number, "found": found, "failure": message})
        wrong = next((each["failure"] for each in messages if each["failure"]), "") or disagreement(
            [each["found"] for each in messages], remedy
        )
        if wrong:
            # Wait for the others to read it: they could not read from a worker that is gone.
            with suppress(*_LOST):
                _exchange(strategy, {"worker": number})
            raise failure or InputError(wrong)
    elif failure:
        raise failure


def disagreement(found: Sequence[Mapping[str, Any]], remedy: str) -> str:
    """A line on the first value that differs between two workers; empty where none does.

    Args:
        found: The values of each worker by name.
        remedy: What to do about it.
    """
    for name in dict.fromkeys(name for values in found for name in values):
        shown = [_short(values.get(name)) for values in found]
        for number, values in enumerate(found):
            if values.get(name) != found[0].get(name):
                return (
                    f"worker {number} has {name} = {shown[number]}, worker 0 has {shown[0]}; "
                    f"{remedy}"
                )
    return ""


def check_same_step(strategy: tf.distribute.Strategy, step: int, sha256: str = "") -> None:
    """Check that all workers resume from the same step, and from files of the same content.

    Args:
        strategy: The workers'.
        step: The checkpoint's.
        sha256: The checkpoint's, where one was read.

    Raises:
        InputError: When they do not.
    """
    remedy = "--workdir must lie on a file system that all of them share"
    found = {"the newest checkpoint's step": step, "the newest checkpoint's content": sha256}
    agree(strategy, found, remedy)


def _short(value: Any) -> str:
    """A value for a message: of a hash or a long text the beginning."""
    if value is None:
        return "unset"
    text = json.dumps(value, ensure_ascii=False).strip('"')
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _exchange(strategy: tf.distribute.Strategy, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of all workers, in their order."""
    text = json.dumps(message, default=str).encode()
    lengths = _gather(strategy, np.array([len(text)]))
    row = np.zeros(lengths.max(), np.uint8)
    row[: len(text)] = np.frombuffer(text, np.uint8)
    rows = _gather(strategy, row).astype(np.uint8)
    texts = [bytes(row[:length]) for row, (length,) in zip(rows, lengths, strict=True)]
    # A worker with several devices sends its message from each.
    messages = {message["worker"]: message for message in map(json.loads, texts)}
    return [messages[number] for number in sorted(messages)]


def _gather(strategy: tf.distribute.Strategy, row: np.ndarray) -> np.ndarray:
    """The rows of all replicas, int32 [replicas, n]."""

    @tf.function
    def gathered() -> tf.Tensor:
        def of_replica() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_gather(tf.constant(row[None], tf.int32), axis=0)

        return strategy.experimental_local_results(strategy.run(of_replica))[0]

    return np.asarray(gathered().numpy())


@contextmanager
def lost_workers_named(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """A block in which the loss of another worker is an error of one line.

    Raises:
        WorkerLost: Instead of TensorFlow's error.
    """
    try:
        yield
    except _LOST as error:
        number, workers = host_of(strategy)
        if workers == 1:
            raise
        raise WorkerLost(
            f"worker {number} has lost another of the {workers} workers ({type(error).__name__}); "
            "start all of them again: they resume from the newest checkpoint"
        ) from None
