"""Which devices share a step."""

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy that ``distribution.strategy`` names.

    Args:
        name: ``"one_device"``, ``"mirrored"``, or ``"auto"``: mirrored where there are several
            GPUs, else one device.
    """
    if name == "auto":
        name = "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device"
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def distribute(strategy: tf.distribute.Strategy, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Hands each replica its rows of every global batch."""
    options = tf.data.Options()
    # The batches are a function of the step: no file or element is to be sharded away.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return strategy.experimental_distribute_dataset(dataset.with_options(options))
