"""Losses of labels: softmax, sigmoid and squared error; names and values are Hugging Face's."""

from collections.abc import Iterable

import tensorflow as tf

from bert_keras.arithmetic import PLAIN, Arithmetic
from bert_keras.errors import InputError
from bert_keras.objectives.means import Means, WeightedMean
from bert_keras.objectives.steps import Batch, SupervisedObjective

IGNORED_LABEL = -100  # as in torch's losses, and so in published data sets
EXAMPLE_WEIGHTS = "example_weights"  # float32 [B], or of the labels' shape; may be missing


class SoftmaxCrossEntropy(SupervisedObjective):
    """One of several classes: the loss in nats and the accuracy.

    Args:
        name: The prefix of the means' names.
        output: The model's output, logits [..., classes].
        labels: The batch's key of the labels, int32 [...]; -100 is ignored.
        weights: The key of their weights, float32 [...], in loss and accuracy; ``None`` for none.
            Then the loss alone is weighted by the batch's ``example_weights`` where it has them.
        arithmetic: How the loss is computed.
    """

    def __init__(
        self,
        name: str,
        output: str = "logits",
        labels: str = "labels",
        weights: str | None = None,
        arithmetic: Arithmetic = PLAIN,
    ) -> None:
        self.name, self.names = name, (f"{name}_loss", f"{name}_accuracy")
        self.output, self.labels_key = output, labels
        self.weights_key = weights
        self.arithmetic = arithmetic

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The sum of the labels' weights; for the loss that of their further weights."""
        _, weights, loss_weights = self._targets(batch)
        sums = tf.reduce_sum(loss_weights), tf.reduce_sum(weights)
        return dict(zip(self.names, sums, strict=True))

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """Loss and accuracy over the labels that are not ignored."""
        labels, weights, loss_weights = self._targets(batch)
        logits = tf.convert_to_tensor(outputs[self.output])
        if not labels.shape.is_compatible_with(logits.shape[:-1]):
            raise InputError(
                f"labels: one number for each row of {self.output} {logits.shape} is expected. "
                f"Received {labels.shape}; one-hot labels need compile(loss=...), such as "
                "keras.losses.CategoricalCrossentropy(from_logits=True)"
            )
        losses, is_best = self.arithmetic.cross_entropy(logits, labels)
        is_right = tf.cast(is_best, tf.float32)
        loss, accuracy = self.names
        return {
            loss: WeightedMean(tf.reduce_sum(losses * loss_weights), tf.reduce_sum(loss_weights)),
            accuracy: WeightedMean(tf.reduce_sum(is_right * weights), tf.reduce_sum(weights)),
        }

    def _targets(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The labels int32, and their weights and loss weights float32, of one shape."""
        labels = tf.cast(batch[self.labels_key], tf.int32)
        if self.weights_key is None:
            is_kept = labels != IGNORED_LABEL
            labels, weights = tf.where(is_kept, labels, 0), tf.cast(is_kept, tf.float32)
        else:
            weights = tf.cast(batch[self.weights_key], tf.float32)
            return labels, weights, weights
        return labels, weights, weights * example_weights(batch, weights)


class SigmoidCrossEntropy(SupervisedObjective):
    """Yes or no for each label: the loss in nats and the accuracy.

    The batch's ``labels`` are 0 or 1 each, [B, labels], as the model's ``logits``; where it has
    ``example_weights``, the loss is their weighted mean.
    """

    def __init__(self, name: str) -> None:
        self.name, self.names = name, (f"{name}_loss", f"{name}_accuracy")

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of answers; of the loss their weights."""
        labels = tf.cast(batch["labels"], tf.float32)
        loss, accuracy = self.names
        weights = tf.ones_like(labels) * example_weights(batch, labels)
        return {loss: tf.reduce_sum(weights), accuracy: tf.cast(tf.size(labels), tf.float32)}

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """Loss and accuracy over all labels."""
        logits, labels = (
            tf.cast(values, tf.float32) for values in (outputs["logits"], batch["labels"])
        )
        if not labels.shape.is_compatible_with(logits.shape):
            raise InputError(
                f"labels: 0 or 1 for each label, of the shape of logits {logits.shape}. "
                f"Received {labels.shape}"
            )
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        losses *= example_weights(batch, losses)
        is_right = tf.cast((logits > 0) == (labels > 0.5), tf.float32)
        sums = tf.reduce_sum(losses), tf.reduce_sum(is_right)
        return _means(self.weights(batch), sums)


class SquaredError(SupervisedObjective):
    """The mean squared error of numbers.

    The batch's ``labels`` are float32 [B, values] as the model's ``logits``, or [B] where there is
    one value; where it has ``example_weights``, the loss is their weighted mean.
    """

    def __init__(self, name: str) -> None:
        self.name, self.names = name, (f"{name}_loss",)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The count of numbers, or the sum of their weights."""
        labels = tf.cast(batch["labels"], tf.float32)
        weights = tf.ones_like(labels) * example_weights(batch, labels)
        return {self.names[0]: tf.reduce_sum(weights)}

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean squared error."""
        predictions = tf.cast(outputs["logits"], tf.float32)
        targets, rows = tf.cast(batch["labels"], tf.float32), predictions.shape
        is_column = rows[-1] == 1 and targets.shape.is_compatible_with(rows[:1])
        if not (is_column or targets.shape.is_compatible_with(rows)):
            raise InputError(
                f"labels: a number for each value, of the shape of logits {rows}. Received "
                f"{targets.shape}"
            )
        targets = tf.reshape(targets, tf.shape(predictions))
        errors = tf.math.squared_difference(predictions, targets)
        errors *= example_weights(batch, errors)
        return _means(self.weights(batch), [tf.reduce_sum(errors)])


class SpanCrossEntropy(SupervisedObjective):
    """The start and the end of an answer (Devlin et al. 2019, section 4.2).

    The batch's ``start_positions`` and ``end_positions`` are int32 [B]; an answer outside the
    sequence is ignored. The loss in nats is the mean of both, and an answer is right where
    both are. Where the batch has ``example_weights``, the loss is their weighted mean.

    Args:
        arithmetic: How the loss is computed.
    """

    names = ("span_loss", "span_accuracy")

    def __init__(self, arithmetic: Arithmetic = PLAIN) -> None:
        self.arithmetic = arithmetic

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of answers inside their sequences; of the loss their weights."""
        is_inside = tf.cast(_spans(batch)[2], tf.float32)
        loss, accuracy = self.names
        weights = is_inside * example_weights(batch, is_inside)
        return {loss: tf.reduce_sum(weights), accuracy: tf.reduce_sum(is_inside)}

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean loss of start and end, and the share of answers with both right."""
        starts, ends, is_inside = _spans(batch)
        losses, is_right = [], is_inside
        weights = tf.cast(is_inside, tf.float32)
        weights *= example_weights(batch, weights)
        for logits, positions in ((outputs["start_logits"], starts), (outputs["end_logits"], ends)):
            positions = tf.where(is_inside, positions, 0)
            found, is_best = self.arithmetic.cross_entropy(logits, positions)
            losses.append(tf.reduce_sum(found * weights))
            is_right &= is_best
        right = tf.reduce_sum(tf.cast(is_right, tf.float32))
        return _means(self.weights(batch), (sum(losses) / 2.0, right))


def example_weights(batch: Batch, values: tf.Tensor) -> tf.Tensor:
    """The batch's ``example_weights`` as factors of values [B, ...]; 1 where it has none."""
    if EXAMPLE_WEIGHTS not in batch:
        return tf.constant(1.0)
    return spread_weights(batch[EXAMPLE_WEIGHTS], values)


def spread_weights(weights: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Weights of examples, [B] or [B, 1], or of values, in the rank of ``values`` [B, ...]."""
    weights = tf.cast(weights, tf.float32)
    rank, wanted = weights.shape.rank, values.shape.rank
    sizes = [*weights.shape, *[1] * (wanted - rank)]
    expected = [*values.shape, *[1] * (rank - wanted)]
    pairs = zip(sizes, expected, strict=True)
    if not all(size in (1, None, other) or other is None for size, other in pairs):
        raise InputError(
            f"sample_weight, or example_weights of a batch: a number for each example, [B], or of "
            f"the labels' shape {values.shape}. Received {weights.shape}"
        )
    if rank > wanted:
        return tf.squeeze(weights, axis=list(range(wanted, rank)))
    return tf.reshape(weights, [*tf.unstack(tf.shape(weights)), *[1] * (wanted - rank)])


def _means(weights: dict[str, tf.Tensor], totals: Iterable[tf.Tensor]) -> Means:
    pairs = zip(weights.items(), totals, strict=True)
    return {name: WeightedMean(total, weight) for (name, weight), total in pairs}


class SumOf(SupervisedObjective):
    """The sum of several objectives of one model.

    Args:
        required: The one whose labels every batch has.
        optional: Others by the key of their labels; left out where a batch has no such key.
    """

    def __init__(
        self, required: SupervisedObjective, optional: dict[str, SupervisedObjective]
    ) -> None:
        self.required, self.optional = required, optional
        self.names = (*required.names, *(n for each in optional.values() for n in each.names))

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weights of all objectives that the batch has labels for."""
        found: dict[str, tf.Tensor] = {}
        for each in self._of(batch):
            found |= each.weights(batch)
        return found

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The means of all objectives that the batch has labels for."""
        means: Means = {}
        for each in self._of(batch):
            means |= each.measure(batch, outputs)
        return means

    def _of(self, batch: Batch) -> list[SupervisedObjective]:
        return [self.required, *(each for key, each in self.optional.items() if key in batch)]


def sequence_length(batch: Batch) -> tf.Tensor:
    """The sequence length L of a batch, int32."""
    return tf.shape(batch["input_ids" if "input_ids" in batch else "inputs_embeds"])[1]


def _spans(batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The starts and ends, int32 [B], and whether both are within the sequence."""
    length = sequence_length(batch)
    starts, ends = (tf.cast(batch[f"{edge}_positions"], tf.int32) for edge in ("start", "end"))
    for edge in (starts, ends):
        if edge.shape.rank not in (1, None):
            raise InputError(
                f"start_positions and end_positions: one number for each example, [B]. Received "
                f"{edge.shape}"
            )
    return starts, ends, (starts >= 0) & (starts < length) & (ends >= 0) & (ends < length)
