"""The devices that share a step, and their shares of its batch."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras.config import ArithmeticConfig, DistributionConfig
from bert_keras.devices import asked_gpus, nvidia_gpus, tpu_chips
from bert_keras.errors import InputError
from bert_keras.signals import ending_at_once

_logger = logging.getLogger("bert_keras")


def make_strategy(settings: DistributionConfig) -> tf.distribute.Strategy:
    """The strategy that ``[distribution]`` names; for ``"auto"`` the first that is possible.

    In this order: several workers in ``TF_CONFIG``, a TPU, several GPUs, one device. To be called
    before TensorFlow runs anything, since workers must connect first.

    Raises:
        InputError: When the devices of the strategy are not there.
    """
    name = settings.strategy
    if name == "auto":
        name = find_strategy(settings)
        warn_of_unseen_devices(name)
    if name == "multi_worker":
        return _multi_worker()
    if name == "tpu":
        return _tpu(settings.tpu or os.environ.get("TPU_NAME") or "local")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def find_strategy(settings: DistributionConfig) -> str:
    """The name of the strategy that ``"auto"`` stands for on this machine."""
    if len(_workers(os.environ.get("TF_CONFIG", ""))) > 1:
        return "multi_worker"
    if settings.tpu or "TPU_NAME" in os.environ or tf.config.list_physical_devices("TPU"):
        return "tpu"
    return "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device"


def warn_of_unseen_devices(name: str, root: Path = Path("/")) -> None:
    """Warn of the accelerators of this machine that a strategy found by ``"auto"`` leaves idle.

    A run would otherwise take the CPU for hours, without a word.

    Args:
        name: The strategy's.
        root: The folder in which the operating system shows the machine's devices.
    """
    unseen = [] if name == "tpu" else tpu_chips(root)
    gpus = nvidia_gpus(root)
    is_asked = asked_gpus(len(gpus), os.environ.get("CUDA_VISIBLE_DEVICES")) > 0
    if is_asked and not tf.config.list_physical_devices("GPU"):
        unseen += gpus
    if unseen:
        _logger.warning(
            "this machine has %s, and TensorFlow does not see it; the run goes without. "
            "`bert-keras doctor` says how to mend that",
            ", ".join(sorted(set(unseen))),
        )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether this process writes the run's files."""
    is_one_of_several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return not is_one_of_several or _worker_of(strategy)[0] == 0


def check_batches(
    strategy: tf.distribute.Strategy, settings: ArithmeticConfig, batch_sizes: Sequence[int]
) -> None:
    """Check that the strategy's devices can share the batches of a recipe.

    Raises:
        InputError: When a batch cannot be split evenly.
    """
    replicas, micro_batches = strategy.num_replicas_in_sync, settings.accumulation_steps
    for size in batch_sizes:
        if size % (replicas * micro_batches):
            raise InputError(
                f"a batch of {size} cannot be shared evenly by {replicas} device(s) with "
                f"train.accumulation_steps = {micro_batches}; set train.batch_size (and that of "
                f"data.phases) to a multiple of {replicas * micro_batches}"
            )


def host_of(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """The number of this host, from 0, and of the hosts that share every global batch.

    Raises:
        InputError: For a TPU of several hosts.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return _worker_of(strategy)
    if isinstance(strategy, tf.distribute.TPUStrategy) and strategy.extended.num_hosts > 1:
        raise InputError(
            f"the TPU has {strategy.extended.num_hosts} hosts; examples are sampled in Python, on "
            "the host that runs this command alone: take a slice with a single host"
        )
    return 0, 1


def distribute(strategy: tf.distribute.Strategy, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The batches of this host, split over its replicas."""

    def of_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        if replicas == 1:
            return dataset
        return dataset.flat_map(lambda batch: _shares(batch, replicas)).prefetch(replicas)

    return strategy.distribute_datasets_from_function(of_host)


def rows_of_host(dataset: tf.data.Dataset, host: tuple[int, int]) -> tf.data.Dataset:
    """A host's rows of global batches, for batches cheap enough to be made on every host."""
    number, count = host
    if count == 1:
        return dataset
    return dataset.map(
        lambda batch: {name: tf.split(rows, count)[number] for name, rows in batch.items()}
    )


def _shares(batch: dict[str, tf.Tensor], replicas: int) -> tf.data.Dataset:
    """A batch as one element for each replica."""
    parts = {name: tf.stack(tf.split(rows, replicas)) for name, rows in batch.items()}
    return tf.data.Dataset.from_tensor_slices(parts)


def _worker_of(strategy: tf.distribute.MultiWorkerMirroredStrategy) -> tuple[int, int]:
    """The number of this worker, from 0, a chief first; and of all workers."""
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict()
    chiefs = len(cluster.get("chief", []))
    number = resolver.task_id + (0 if resolver.task_type == "chief" else chiefs)
    return number, chiefs + len(cluster.get("worker", []))


def _workers(text: str) -> list[str]:
    """The workers' addresses in a ``TF_CONFIG``; none for an empty one.

    Raises:
        InputError: When it has not the form that TensorFlow reads.
    """
    if not text:
        return []
    try:
        config = json.loads(text)
        cluster = config.get("cluster", {})
        addresses = [name for kind in ("chief", "worker") for name in cluster.get(kind, [])]
        task = config.get("task", {})
        is_whole = not addresses or task["index"] < len(cluster[task["type"]])
    except (ValueError, AttributeError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise InputError(
            'TF_CONFIG must be as {"cluster": {"worker": ["host:port", …]}, "task": {"type": '
            f'"worker", "index": 0}}}}. Received: {text}'
        )
    return addresses


def _multi_worker() -> tf.distribute.Strategy:
    addresses = _workers(os.environ.get("TF_CONFIG", ""))
    if not addresses:
        raise InputError(
            "distribution.strategy = 'multi_worker' needs the environment variable TF_CONFIG, "
            "which names all workers and which of them this one is"
        )
    _logger.info("waiting for all of the %s workers %s", len(addresses), ", ".join(addresses))
    # TensorFlow waits in silence, and lets no Python run meanwhile. It also takes SIGTERM for
    # itself, to tell the other workers' TensorFlow, and would keep it afterwards.
    with ending_at_once():
        return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(name: str) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason: Any = str(error).strip().split("\n")[0][:120]
        raise InputError(
            f"no TPU {name!r} can be reached ({type(error).__name__}: {reason}); on a TPU VM "
            "install tensorflow-tpu and set distribution.tpu = 'local', else set it to the TPU's "
            "name, or distribution.strategy = 'auto'"
        ) from None
