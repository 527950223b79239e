"""Losses and accuracies as ratios of sums."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from bert_keras.modeling.cross_entropy import cross_entropy
from bert_keras.modeling.fusion import fuses


class Ratio(NamedTuple):
    """A mean that is not divided yet.

    Numerators and denominators are summed separately over replicas, accumulated batches and
    steps, and divided once at the end: so a mean over masked words does not depend on how the
    examples were shared out.

    Attributes:
        numerator: float32 scalar.
        denominator: float32 scalar; the number of things the mean is over.
    """

    numerator: tf.Tensor
    denominator: tf.Tensor

    def value(self) -> tf.Tensor:
        """The mean; 0 over nothing."""
        return tf.math.divide_no_nan(self.numerator, self.denominator)


def cross_entropy_ratios(
    name: str,
    logits: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor | None = None,
    loss_weights: tf.Tensor | None = None,
) -> dict[str, Ratio]:
    """The loss and the accuracy of a softmax classification.

    Args:
        name: The prefix of the keys.
        logits: [..., classes], of any float dtype; the loss is float32.
        labels: int32 [...].
        weights: float32 [...]; ``None`` counts every label once.
        loss_weights: float32 [...], what the losses are weighed with beside that; the accuracy
            does not see them.

    Returns:
        ``{name}_loss`` in nats and ``{name}_accuracy`` as a fraction.
    """
    losses = cross_entropy(logits, labels)
    logits = logits if fuses(logits) else tf.cast(logits, tf.float32)
    is_right = tf.cast(tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels, tf.float32)
    # Of the labels' shape, not the losses': what a mean is over must not wait for the logits.
    weights = tf.ones(tf.shape(labels)) if weights is None else tf.cast(weights, tf.float32)
    shares = weights if loss_weights is None else weights * loss_weights
    return {
        f"{name}_loss": Ratio(tf.reduce_sum(losses * shares), tf.reduce_sum(shares)),
        f"{name}_accuracy": Ratio(tf.reduce_sum(is_right * weights), tf.reduce_sum(weights)),
    }


def binary_cross_entropy_ratios(
    name: str, logits: tf.Tensor, labels: tf.Tensor
) -> dict[str, Ratio]:
    """The loss and the accuracy of many yes-or-no questions.

    Args:
        name: The prefix of the keys.
        logits: [..., questions], of any float dtype; the loss is float32.
        labels: 0 or 1 each, of the same shape.

    Returns:
        ``{name}_loss`` in nats and ``{name}_accuracy`` as a fraction, both over single answers.
    """
    logits, labels = tf.cast(logits, tf.float32), tf.cast(labels, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    is_right = tf.cast((logits > 0) == (labels > 0.5), tf.float32)
    count = tf.cast(tf.size(labels), tf.float32)
    return {
        f"{name}_loss": Ratio(tf.reduce_sum(losses), count),
        f"{name}_accuracy": Ratio(tf.reduce_sum(is_right), count),
    }


def squared_error_ratios(name: str, predictions: tf.Tensor, targets: tf.Tensor) -> dict[str, Ratio]:
    """``{name}_loss``, the mean squared error.

    Args:
        name: The prefix of the key.
        predictions: [B, values], of any float dtype.
        targets: [B, values], or [B] where there is one value.
    """
    count = tf.cast(tf.size(targets), tf.float32)
    predictions = tf.cast(predictions, tf.float32)
    targets = tf.reshape(tf.cast(targets, tf.float32), tf.shape(predictions))
    errors = tf.math.squared_difference(predictions, targets)
    return {f"{name}_loss": Ratio(tf.reduce_sum(errors), count)}


def total_loss(
    ratios: dict[str, Ratio], denominators: dict[str, tf.Tensor] | None = None
) -> tf.Tensor:
    """The sum of the losses among ``ratios``, this replica's share of it.

    Each denominator is summed over the replicas first, so that the shares (and with them the
    gradients) of all replicas add up to the ratio of the whole batch.

    Args:
        ratios: Those of this replica's examples.
        denominators: The denominators of the whole batch, where they are known already.
    """
    shares = []
    for name, ratio in ratios.items():
        if name.endswith("_loss"):
            whole = denominators[name] if denominators else sum_over_replicas(ratio.denominator)
            shares.append(tf.math.divide_no_nan(ratio.numerator, whole))
    return tf.add_n(shares)


def sum_over_replicas(part: tf.Tensor) -> tf.Tensor:
    """The sum of a scalar over all replicas; within a replica."""
    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        return context.all_reduce(tf.distribute.ReduceOp.SUM, part)
    return part


def sum_ratios(ratios: Sequence[dict[str, Ratio]]) -> dict[str, tuple[float, float]]:
    """Numerators and denominators summed over batches, in float64.

    Args:
        ratios: Those of each batch, all of the same names.
    """
    if not ratios:
        return {}
    rows = tf.nest.map_structure(lambda part: float(part.numpy()), list(ratios))
    return {
        name: (sum(row[name].numerator for row in rows), sum(row[name].denominator for row in rows))
        for name in ratios[0]
    }


def perplexity(loss: float) -> float:
    """The exponential of a loss in nats; of an absurd one the largest that float64 holds."""
    return math.exp(min(loss, 700.0))
