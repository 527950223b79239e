"""The loss of pairs of texts with a class, as of natural language inference."""

import math

import keras
import tensorflow as tf

from bert_keras.config.checks import at_least
from bert_keras.errors import InputError
from bert_keras.objectives.means import Means
from bert_keras.objectives.steps import Batch
from bert_keras.objectives.vectors import OfTexts, means_of, sums_of, weights_of_pairs

CLASSIFIER = "pair_classifier"  # the beginning of the paths of its weights


class PairSoftmax(OfTexts):
    """Cross-entropy of a pair's class, from both vectors u and v by a linear classifier.

    The classifier reads u, v and |u - v|, one after another. An example has two texts, [B, 2, L],
    and the batch's ``labels`` are int32 [B], the numbers of the classes. See Reimers and Gurevych
    2019, "Sentence-BERT", section 3, the classification objective. The values are those of
    sentence-transformers' ``SoftmaxLoss``, whose classifier is drawn alike.

    A model whose ``objective`` it is trains the classifier, too; a run's checkpoints have it, but
    no saved model does. An example with a missing text does not count. Where the batch has
    ``example_weights``, [B], the loss is their weighted mean. With a label that is no class's
    number the loss is NaN.

    Args:
        classes: The number of classes.
        size: The size H of the vectors.
        seed: Fixes the initial weights of the classifier.

    Attributes:
        head: The classifier, a dense layer.

    Raises:
        InputError: When there are fewer than two classes; from ``measure`` when labels are missing
            or no whole numbers, or the vectors have another size.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]], [[2, 7, 3], [2, 8, 3]]])
        >>> batch = {"input_ids": ids, "labels": np.array([0, 2])}
        >>> vectors = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
        >>> objective = PairSoftmax(classes=3, size=2)
        >>> _ = objective.head.kernel.assign(np.eye(6, 3))  # the logits are u[0], u[1] and v[0]
        >>> means = objective.measure(batch, {"sentence_embedding": vectors})
        >>> float(means["similarity_accuracy"].value())
        0.5
    """

    names = ("similarity_loss", "similarity_accuracy")
    head: keras.layers.Dense

    def __init__(self, classes: int, size: int, seed: int = 0) -> None:
        at_least("classes", classes, 2)
        at_least("size", size, 1)
        self.classes, self.size = classes, size
        self.head = keras.layers.Dense(
            classes,
            name=CLASSIFIER,
            dtype="float32",
            # Uniform up to the root of 1 / 3H, as torch draws a linear layer.
            kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed),
        )
        self.head.build((None, 3 * size))

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of pairs; of the loss their weights."""
        return sums_of(self.names, weights_of_pairs(batch, self.is_there(batch)))

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean loss, and the share of pairs whose class is the likeliest."""
        vectors, is_there = self.read(batch, outputs)
        if vectors.shape[-1] not in (None, self.size):
            raise InputError(
                f"PairSoftmax was made for vectors of {self.size} values. Received: "
                f"{vectors.shape[-1]}"
            )
        if "labels" not in batch:
            raise InputError("the batch has no 'labels', the number of a class for each pair")
        labels = tf.convert_to_tensor(batch["labels"])
        if not labels.dtype.is_integer:
            raise InputError(
                f"labels: the number of a class for each pair, int32. Received: {labels.dtype.name}"
            )
        labels = tf.cast(labels, tf.int32)
        if not (labels.shape.rank == 1 and labels.shape.is_compatible_with(vectors.shape[:1])):
            raise InputError(
                f"labels: the number of a class for each pair, of the shape {vectors.shape[:1]}. "
                f"Received: {labels.shape}"
            )
        first, second = vectors[:, 0], vectors[:, 1]
        logits = self.head(tf.concat([first, second, tf.abs(first - second)], axis=1))
        is_class = (labels >= 0) & (labels < self.classes)
        known = tf.where(is_class, labels, 0)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(known, logits)
        is_pair = is_there[:, 0] & is_there[:, 1]
        losses = tf.where(is_class | ~is_pair, losses, math.nan)
        is_right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
        values = losses, tf.cast(is_right, tf.float32)
        return means_of(self.names, values, weights_of_pairs(batch, is_there))
