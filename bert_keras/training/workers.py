"""Several processes that train as one: who writes the files, and what if one is lost."""

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
from bert_keras.saving.run_state import CHECKPOINTS_FOLDER, MODEL_FOLDER
from bert_keras.training.circumstances import versions
from bert_keras.training.strategy import host_of, is_chief
from bert_keras.training.workdir import MOVABLE, locked

_WIDTH = 24  # characters of a value that a message shows
# What TensorFlow raises when another process of the cluster does not answer any more.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


@contextmanager
def writable_workdir(strategy: tf.distribute.Strategy, workdir: Path) -> Iterator[Path]:
    """The directory that this process may write in.

    The chief's is the run's own, locked. Another worker's is a temporary one that looks the same
    at first, so that it goes on from where the chief does.

    Raises:
        InputError: When another process is training there.
    """
    if is_chief(strategy):
        with locked(workdir):
            yield workdir
        return
    with tempfile.TemporaryDirectory(prefix="bert-keras-worker-") as name:
        own = Path(name)
        for file in workdir.glob("*"):
            if file.is_file():
                shutil.copyfile(file, own / file.name)
        (own / CHECKPOINTS_FOLDER).symlink_to((workdir / CHECKPOINTS_FOLDER).absolute())
        if (workdir / MODEL_FOLDER).exists():
            (own / MODEL_FOLDER).symlink_to((workdir / MODEL_FOLDER).absolute())
        yield own


@contextmanager
def agreement(strategy: tf.distribute.Strategy) -> Iterator[dict[str, Any]]:
    """Lets no worker go on after the block unless all can, and found the same.

    The block reads and checks what the run is made from, and makes no variable: of workers with
    other architectures each would wait for the other for ever. It notes what it found in the
    dictionary that it is given, by names that a message can name.

    Raises:
        InputError: On every worker, when two found something else, or the block failed on another.
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
    """What a run is made from, as ``agreement`` compares it.

    Args:
        tables: Of the config; where data and models lie is left out.
        data: What the data are by content.
        base: What the base model is by content.
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
    """Checks that all workers have the same values, which JSON must know, by name.

    Args:
        strategy: The workers'.
        found: What this one has.
        remedy: What to do if they differ.
        failure: What went wrong on this worker, which is raised once the others know.

    Raises:
        InputError: When they differ, or something went wrong on another worker.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        number, _ = host_of(strategy)
        message = f"worker {number} cannot begin: {failure}" if failure else ""
        told = _tell(strategy, {"worker": number, "found": found, "failure": message})
        wrong = next((each["failure"] for each in told if each["failure"]), "") or disagreement(
            [each["found"] for each in told], remedy
        )
        if wrong:
            # Who has heard it waits for the others: of one that is gone they would hear no more.
            with suppress(*_LOST):
                _tell(strategy, {"worker": number})
            raise failure or InputError(wrong)
    elif failure:
        raise failure


def disagreement(found: Sequence[Mapping[str, Any]], remedy: str) -> str:
    """The first name under which two workers have something else; empty where they agree.

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


def check_same_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """Checks that all workers go on from the same step.

    Raises:
        InputError: When they do not.
    """
    remedy = "--workdir must lie on a file system that all of them share"
    agree(strategy, {"the newest checkpoint's step": step}, remedy)


def _short(value: Any) -> str:
    """A value as a message shows it: hashes and long texts by their beginning."""
    if value is None:
        return "unset"
    text = json.dumps(value, ensure_ascii=False).strip('"')
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _tell(strategy: tf.distribute.Strategy, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of all workers, in their order."""
    text = json.dumps(message, default=str).encode()
    lengths = _gather(strategy, np.array([len(text)]))
    row = np.zeros(lengths.max(), np.uint8)
    row[: len(text)] = np.frombuffer(text, np.uint8)
    rows = _gather(strategy, row).astype(np.uint8)
    texts = [bytes(row[:length]) for row, (length,) in zip(rows, lengths, strict=True)]
    # Of a worker with several devices each has told the same.
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
    """Says in one line that another worker is gone.

    Raises:
        WorkerLost: In the place of TensorFlow's error.
    """
    try:
        yield
    except _LOST as error:
        number, workers = host_of(strategy)
        if workers == 1:
            raise
        raise WorkerLost(
            f"worker {number} has lost another of the {workers} workers ({type(error).__name__}); "
            "start all of them again: they go on from the newest checkpoint"
        ) from None
