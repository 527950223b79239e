"""Random draws that follow from a seed and a purpose, not from the number of earlier draws."""

import hashlib
from typing import Any

import keras
import tensorflow as tf

from bert_keras.arithmetic import PLAIN, Arithmetic


def fold_in(seed: int, name: str) -> int:
    """A seed in [0, 2**31) for the purpose ``name`` under ``seed``; the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def kernel_initializer(stddev: float, seed: int) -> keras.initializers.Initializer:
    """The initializer of BERT: a normal distribution truncated at two standard deviations."""
    return keras.initializers.TruncatedNormal(stddev=stddev, seed=seed)


def dropout(
    x: tf.Tensor,
    rate: float,
    dropout_seed: tf.Tensor | None,
    site: int,
    arithmetic: Arithmetic = PLAIN,
) -> tf.Tensor:
    """``x`` with a share ``rate`` set to 0 and the rest scaled, as the original's dropout.

    Args:
        x: The activations, of any shape.
        rate: The share to drop, in [0, 1); rounded to a multiple of 2**-16.
        dropout_seed: int64 [2], (step, replica); ``None`` outside training, drops nothing.
        site: ``fold_in`` of the model's seed and the layer, so that no two layers share a mask.
        arithmetic: Draws the random numbers.
    """
    if dropout_seed is None or rate == 0:
        return x
    # (step, site + part + replica) names each draw: the last two stay below the 32 bits left.
    seed = dropout_seed + tf.constant([0, site << 32], tf.int64)
    draws = arithmetic.random_integers(x, seed)
    dropped = round(rate * 2**16) * 2 ** (8 * draws.dtype.size - 16)  # of the range of the draws
    keep = draws >= draws.dtype.min + dropped
    return tf.where(keep, x * tf.cast(1.0 / (1.0 - rate), x.dtype), tf.zeros((), x.dtype))


def seed_of_part(dropout_seed: tf.Tensor | None, part: int) -> tf.Tensor | None:
    """The dropout seed of a part of a batch, 0 or 1, that is computed by itself."""
    # The replica stays below the 31 bits left for it.
    return None if dropout_seed is None else dropout_seed + tf.constant([0, part << 31], tf.int64)


class DropoutSeeds(keras.layers.Layer):
    """The count of training calls, from which every step and replica has its dropout masks.

    It is a variable of the model, and so in checkpoints: a resumed run draws the masks that it
    would have drawn.
    """

    def build(self, *shapes: Any) -> None:
        """Make the counter."""
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def for_call(self, training: bool, given: tf.Tensor | None) -> tf.Tensor | None:
        """The seed of a call: the given one, else the counter's next; ``None`` outside training.

        A caller that gives seeds advances the counter itself, as ``TrainStep`` does: a loop over
        micro-batches on several replicas cannot assign a variable.
        """
        if not training:
            return None
        return self.next() if given is None else given

    def next(self) -> tf.Tensor:
        """(step, replica), int64 [2], for this call; advances the counter."""
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        seed = tf.stack([tf.cast(self.step, tf.int64), tf.cast(replica, tf.int64)])
        self.step.assign_add(1)
        return seed
