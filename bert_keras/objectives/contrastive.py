"""Losses of anchors, texts that belong to them and texts that do not."""

import math

import tensorflow as tf

from bert_keras.config.checks import one_of
from bert_keras.objectives.classification import example_weights
from bert_keras.objectives.means import Means
from bert_keras.objectives.steps import Batch
from bert_keras.objectives.vectors import (
    VECTORS,
    OfTexts,
    above_zero,
    cosines,
    euclidean,
    means_of,
    normalized,
    sums_of,
    weights_of_pairs,
)

DISTANCES = ("euclidean", "cosine")
_ID_BITS = 31


class InBatchNegatives(OfTexts):
    """Cross-entropy of each anchor's positive among the positives and negatives of the batch.

    The first text of an example is the anchor, the second its positive, further ones are hard
    negatives; [B, T, L] with T of 2 or more. The logits of an anchor are its cosines with the
    positives and the hard negatives of all examples, divided by the temperature. See Henderson et
    al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply", section 4.4; and
    Gao et al. 2021, "SimCSE", the supervised objective. The values are those of
    sentence-transformers' ``MultipleNegativesRankingLoss``, where ``scale`` is 1 / temperature.

    A text is left out of an anchor's negatives where the batch shows that it is none: it is the
    same text as the anchor or as the anchor's positive, or it is the positive of another example
    with the same anchor. sentence-transformers does not look for such texts; its sampler
    ``NO_DUPLICATES`` keeps them out of a batch. Texts are the same when the ids of their real
    tokens are; of texts given as ``inputs_embeds`` no two are the same.

    The accuracy is the share of anchors whose positive is nearer than all their negatives. An
    example without its anchor or its positive does not count. Where the batch has
    ``example_weights``, [B], the loss is their weighted mean.

    Args:
        temperature: Divides the cosines.
        symmetric: Whether to add the cross-entropy of each positive's anchor among all anchors,
            and to take the mean of both, as ``MultipleNegativesSymmetricRankingLoss`` does.

    Raises:
        InputError: When the temperature is not above 0.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]], [[2, 7, 3], [2, 8, 3]]])
        >>> vectors = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]])
        >>> objective = InBatchNegatives(temperature=0.5)
        >>> means = objective.measure({"input_ids": ids}, {"sentence_embedding": vectors})
        >>> round(float(means["contrastive_loss"].value()), 4)  # log(1 + exp(-1 / 0.5))
        0.1269
        >>> float(means["contrastive_accuracy"].value())
        1.0
    """

    is_additive, compares = False, VECTORS
    names = ("contrastive_loss", "contrastive_accuracy")
    most = None

    def __init__(self, temperature: float = 0.05, symmetric: bool = False) -> None:
        self.temperature, self.symmetric = above_zero("temperature", temperature), symmetric

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of anchors that have a positive; of the loss their weights."""
        return sums_of(self.names, weights_of_pairs(batch, self.is_there(batch)))

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean loss of the anchors, and the share of them whose positive is nearest."""
        vectors, is_there = self.read(batch, outputs)
        units = normalized(vectors)
        others = _one_after_another(units[:, 1:])
        scores = tf.matmul(units[:, 0], others, transpose_b=True) / self.temperature
        count = tf.shape(scores)[0]
        is_own = tf.range(count)[:, tf.newaxis] == tf.range(tf.shape(scores)[1])
        is_related = is_own | _is_related(batch)
        is_negative = _one_after_another(is_there[:, 1:]) & ~is_related
        own = tf.linalg.diag_part(scores)
        losses = _log_sums(scores, is_own | is_negative) - own
        is_right = own > tf.reduce_max(tf.where(is_negative, scores, -math.inf), axis=1)
        if self.symmetric:
            back, is_own, is_related = (
                tf.transpose(each[:, :count]) for each in (scores, is_own, is_related)
            )
            back_sums = _log_sums(back, is_own | (is_there[:, 0] & ~is_related))
            losses = (losses + back_sums - own) / 2.0
        values = losses, tf.cast(is_right, tf.float32)
        return means_of(self.names, values, weights_of_pairs(batch, is_there))


class Triplet(OfTexts):
    """The loss of negatives that are not further from the anchor than the positive, by a margin.

    The first text of an example is the anchor a, the second its positive p, and every further one
    that is not missing a negative n; [B, T, L] with T of 3 or more. The loss is the mean of
    max(0, d(a, p) - d(a, n) + margin) over all negatives, the accuracy the share of negatives that
    are further from the anchor than the positive is. Where the batch has ``example_weights``, [B],
    the loss is their weighted mean. See Reimers and Gurevych 2019, "Sentence-BERT", section 3,
    which has this distance and this margin. The values are those of sentence-transformers'
    ``TripletLoss``; its margin is 5 by default, which vectors of length 1 cannot reach: their
    distance is 2 at most.

    Args:
        margin: How much further from the anchor a negative should be.
        distance: ``"euclidean"``, or ``"cosine"`` for 1 - the cosine. Where two vectors are equal
            the gradient of their Euclidean distance is 0.

    Raises:
        InputError: When the margin is not above 0, or the distance unknown.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3], [2, 7, 3]]])
        >>> vectors = np.array([[[0.0, 0.0], [0.0, 3.0], [4.0, 3.0]]])
        >>> objective = Triplet(margin=2.5)
        >>> means = objective.measure({"input_ids": ids}, {"sentence_embedding": vectors})
        >>> {name: float(mean.value()) for name, mean in means.items()}  # of the distances 3 and 5
        {'triplet_loss': 0.5, 'triplet_accuracy': 1.0}
    """

    names = ("triplet_loss", "triplet_accuracy")
    fewest, most = 3, None

    def __init__(self, margin: float = 1.0, distance: str = "euclidean") -> None:
        one_of("distance", distance, DISTANCES)
        self.margin, self.distance = above_zero("margin", margin), distance

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of negatives; of the loss their weights."""
        return sums_of(self.names, self._weights(batch, self.is_there(batch)))

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean loss of the negatives, and the share of them that are further away."""
        vectors, is_there = self.read(batch, outputs)
        anchors, others = vectors[:, :1], vectors[:, 1:]
        if self.distance == "euclidean":
            distances = euclidean(anchors, others)
        else:
            distances = 1.0 - cosines(anchors, others)
        nearer, further = distances[:, :1], distances[:, 1:]
        losses = tf.nn.relu(nearer - further + self.margin)
        is_right = tf.cast(further > nearer, tf.float32)
        return means_of(self.names, (losses, is_right), self._weights(batch, is_there))

    def _weights(self, batch: Batch, is_there: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The weights of the negatives, in the loss and in the accuracy, float32 [B, T - 2]."""
        counts = tf.cast(is_there[:, :1] & is_there[:, 1:2] & is_there[:, 2:], tf.float32)
        return counts * example_weights(batch, counts), counts


def _log_sums(scores: tf.Tensor, is_taken: tf.Tensor) -> tf.Tensor:
    """The logarithm of the sum of the exponentials of those that are taken, for each row."""
    return tf.reduce_logsumexp(tf.where(is_taken, scores, -math.inf), axis=1)


def _one_after_another(texts: tf.Tensor) -> tf.Tensor:
    """[B, T, ...] to [T * B, ...]: the first texts of all examples, then the second ones."""
    turned = tf.transpose(texts, [1, 0, *range(2, texts.shape.rank)])
    return tf.reshape(turned, [-1, *texts.shape[2:]])


def _is_related(batch: Batch) -> tf.Tensor:
    """Tell which texts the batch itself shows to be no negatives of an anchor.

    Texts are the same where the product of their ids' bits, as 1 and -1, is the number of bits;
    float32 holds it exactly. Comparing id by id would take the memory of all pairs times L.

    Returns:
        bool [B, (T - 1) * B], for each anchor the texts that are none; [1, 1] without ids.
    """
    if "input_ids" not in batch:
        return tf.constant([[False]])
    ids = tf.cast(batch["input_ids"], tf.int32) + 1
    if "attention_mask" in batch:
        ids *= tf.cast(batch["attention_mask"], tf.int32)
    count, texts, length = tf.unstack(tf.shape(ids))
    ids = tf.transpose(ids, [1, 0, 2])[..., tf.newaxis]
    bits = tf.bitwise.right_shift(ids, tf.range(_ID_BITS)) & 1
    signs = tf.reshape(tf.cast(2 * bits - 1, tf.float32), [texts * count, length * _ID_BITS])
    product = tf.matmul(signs[: 2 * count], signs, transpose_b=True)
    is_same = product == tf.cast(length * _ID_BITS, tf.float32)
    anchors, positives = is_same[:count], is_same[count:]
    is_shared = tf.pad(anchors[:, :count], [[0, 0], [0, (texts - 2) * count]])
    return anchors[:, count:] | positives[:, count:] | is_shared
