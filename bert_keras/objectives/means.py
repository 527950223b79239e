"""Means before division, which can be added over batches, steps and replicas."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class WeightedMean(NamedTuple):
    """A mean before division.

    Totals and weights are summed separately over replicas, micro-batches and steps, and divided
    once at the end. So a mean over masked words does not depend on how the examples were split.

    Attributes:
        total: float32 scalar; the weighted sum.
        weight: float32 scalar; the sum of the weights.

    Example:
        >>> float(WeightedMean(tf.constant(6.0), tf.constant(4.0)).value())
        1.5
    """

    total: tf.Tensor
    weight: tf.Tensor

    def value(self) -> tf.Tensor:
        """The mean; 0 over nothing."""
        return tf.math.divide_no_nan(self.total, self.weight)


Means = dict[str, WeightedMean]
LOSS = "_loss"  # the ending of the names of losses


def total_loss(means: Means, weights: dict[str, tf.Tensor] | None = None) -> tf.Tensor:
    """This replica's part of the sum of the losses among ``means``.

    Each weight is summed over the replicas first, so that the parts of all replicas, and their
    gradients, add up to the mean over the whole batch.

    Args:
        means: Those of this replica's examples.
        weights: The weights of the whole batch, if already known.

    Returns:
        float32 scalar.
    """
    shares = []
    for name, mean in means.items():
        if name.endswith(LOSS):
            whole = weights[name] if weights else sum_over_replicas(mean.weight)
            shares.append(tf.math.divide_no_nan(mean.total, whole))
    return tf.add_n(shares)


def count_replicas() -> int:
    """The number of replicas; 1 outside of any."""
    context = tf.distribute.get_replica_context()
    return int(context.num_replicas_in_sync) if context else 1


def of_all_replicas(rows: Any) -> Any:
    """The rows of all replicas, in their order; to be called within a replica.

    The gradient by a replica's own rows is that by the same rows of the result, multiplied by the
    number of replicas: whoever computes one loss on each replica takes 1 / replicas of it there.

    Args:
        rows: Tensors [B, ...] in any structure; B may differ by replica, but not on a TPU.
    """
    context = tf.distribute.get_replica_context()
    rows = tf.nest.map_structure(_to_send, rows)
    counts = context.all_gather(tf.shape(tf.nest.flatten(rows)[0])[:1], axis=0)
    before = tf.reduce_sum(counts[: context.replica_id_in_sync_group])
    after = tf.reduce_sum(counts) - before - counts[context.replica_id_in_sync_group]
    found = context.all_gather(rows, axis=0)

    def with_gradient(whole: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        whole = tf.stop_gradient(whole)
        if not own.dtype.is_floating:
            return whole
        nothing = (own - tf.stop_gradient(own)) * context.num_replicas_in_sync  # but a gradient
        return whole + tf.pad(nothing, [[before, after], *[[0, 0]] * (own.shape.rank - 1)])

    return tf.nest.map_structure(with_gradient, found, rows)


def _to_send(values: Any) -> tf.Tensor:
    """Values as a tensor that devices can send each other: no booleans, and on this device."""
    values = tf.convert_to_tensor(values)
    # A graph's own input is on none, which a worker of a single device refuses.
    return tf.cast(values, tf.int32) if values.dtype == tf.bool else tf.identity(values)


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of a scalar over all replicas; to be called within a replica."""
    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
    return value


def with_whole_value(share: tf.Tensor) -> tf.Tensor:
    """A replica's part of a loss, of which it keeps the gradient, with the value of an equal part.

    Keras multiplies the value by the replicas and averages it over their examples: what it reports
    is the loss of the batch only where every replica has the same value.

    Args:
        share: float32 scalar; the parts of all replicas add up to the loss.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return share
    return share + tf.stop_gradient(sum_over_replicas(share) / replicas - share)


def mean_values(means: Sequence[Means]) -> dict[str, float]:
    """The means over all batches, summed in float64; one over nothing is left out.

    Args:
        means: Those of each batch, with the same names.
    """
    if not means:
        return {}
    rows = tf.nest.map_structure(lambda value: float(value.numpy()), list(means))
    return divided(
        {
            name: (sum(row[name].total for row in rows), sum(row[name].weight for row in rows))
            for name in means[0]
        }
    )


def divided(sums: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Total divided by weight, by name; a mean over nothing is left out.

    Example:
        >>> divided({"mlm_loss": (6.0, 4.0), "nsp_loss": (0.0, 0.0)})
        {'mlm_loss': 1.5}
    """
    return {name: total / weight for name, (total, weight) in sums.items() if weight}


def perplexity(loss: float) -> float:
    """The exponential of a loss in nats, at most about the largest float64."""
    return math.exp(min(loss, 700.0))
