"""Several processes that train as one: who writes the files, and what if one is lost."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from bert_keras.checkpoints.run_state import CHECKPOINTS_FOLDER, MODEL_FOLDER
from bert_keras.errors import InputError, WorkerLost
from bert_keras.training.strategy import host_of, is_chief
from bert_keras.training.workdir import locked

# What TensorFlow raises when another process of the cluster does not answer any more.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


@contextmanager
def own_workdir(strategy: tf.distribute.Strategy, workdir: Path) -> Iterator[Path]:
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


def agree_on(strategy: tf.distribute.Strategy, step: int) -> None:
    """Checks that all workers go on from the same step.

    Raises:
        InputError: When they do not.
    """
    _, workers = host_of(strategy)
    if workers == 1:
        return

    @tf.function
    def gathered() -> tf.Tensor:
        def of_replica() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_gather(tf.constant([step]), axis=0)

        return strategy.experimental_local_results(strategy.run(of_replica))[0]

    steps = sorted(set(gathered().numpy().tolist()))
    if len(steps) > 1:
        raise InputError(
            f"the workers do not find the same checkpoints but those of steps {steps}; --workdir "
            "must lie on a file system that all of them share"
        )


@contextmanager
def telling_of_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
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
