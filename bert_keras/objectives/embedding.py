"""Losses of pairs of texts with a score, and of the first values of vectors alone."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral

import numpy as np
import tensorflow as tf

from bert_keras.config.checks import require
from bert_keras.errors import InputError
from bert_keras.objectives.classification import EXAMPLE_WEIGHTS
from bert_keras.objectives.means import LOSS, Means, WeightedMean
from bert_keras.objectives.steps import Batch, SupervisedObjective
from bert_keras.objectives.vectors import (
    VECTORS,
    OfTexts,
    above_zero,
    cosines,
    means_of,
    normalized,
    sums_of,
    weights_of_pairs,
)

_MOST = 1 + 1e-5  # a cosine, as float32 rounds it


class CoSENT(OfTexts):
    """The loss of cosines whose order is not that of the scores.

    An example has two texts, [B, 2, L], and the batch's ``labels`` are float32 [B], the scores of
    which the order alone matters. The loss of a batch is log(1 + sum of
    exp((cosine of j - cosine of i) / temperature)) over all examples i and j where the score of i
    is above that of j. See Su 2022, https://kexue.fm/archives/8847, and Huang et al. 2024,
    "CoSENT: Consistent Sentence Embedding via Similarity Ranking". The values are those of
    sentence-transformers' ``CoSENTLoss``, where ``scale`` is 1 / temperature.

    An example with a missing text does not count. Over several batches, the mean is weighted by
    their examples. ``example_weights`` are refused: no part of the loss belongs to one example.

    Args:
        temperature: Divides the cosines.

    Raises:
        InputError: When the temperature is not above 0.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]], [[2, 7, 3], [2, 8, 3]]])
        >>> batch = {"input_ids": ids, "labels": np.array([4.0, 1.0])}
        >>> vectors = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
        >>> means = CoSENT(temperature=0.5).measure(batch, {"sentence_embedding": vectors})
        >>> round(float(means["similarity_loss"].value()), 4)  # log(1 + exp((0 - 1) / 0.5))
        0.1269
    """

    is_additive, compares = False, VECTORS
    names = ("similarity_loss",)

    def __init__(self, temperature: float = 0.05) -> None:
        self.temperature = above_zero("temperature", temperature)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of examples."""
        return sums_of(self.names, weights_of_pairs(batch, self.is_there(batch))[1:])

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The loss of the batch."""
        if EXAMPLE_WEIGHTS in batch:
            raise InputError(
                "sample_weight, or example_weights of a batch: CoSENT compares examples with each "
                "other and weighs none; leave them out, or train with CosineSquaredError"
            )
        vectors, is_there = self.read(batch, outputs)
        found, scores = cosines(vectors[:, 0], vectors[:, 1]), _scores(batch, vectors)
        is_pair = is_there[:, 0] & is_there[:, 1]
        is_above = scores[:, tf.newaxis] > scores  # [i, j]
        is_above &= is_pair[:, tf.newaxis] & is_pair
        excess = (found - found[:, tf.newaxis]) / self.temperature
        terms = tf.where(is_above, excess, -math.inf)
        # The 0 is the logarithm of the 1.
        loss = tf.reduce_logsumexp(tf.concat([[0.0], tf.reshape(terms, [-1])], axis=0))
        # A score that is no number is above none: the loss shows it.
        is_known = tf.reduce_all(tf.math.is_finite(scores) | ~is_pair)
        loss = tf.where(is_known, loss, math.nan)
        return means_of(self.names, (loss,), (tf.cast(is_pair, tf.float32),))


class CosineSquaredError(OfTexts):
    """The mean squared error of the cosines of pairs.

    An example has two texts, [B, 2, L], and the batch's ``labels`` are float32 [B], the cosines
    that they should have. These lie in [-1, 1]; scores of another range, as those of STS-B from 0
    to 5, are scaled before, usually to [0, 1]. See Reimers and Gurevych 2019, "Sentence-BERT",
    section 3, the regression objective. The values are those of sentence-transformers'
    ``CosineSimilarityLoss``.

    An example with a missing text does not count. Where the batch has ``example_weights``, [B],
    the loss is their weighted mean. With a label that is no cosine the loss is NaN.

    Raises:
        InputError: From ``measure`` when labels are missing, not one for each example or, where
            their values are known, outside [-1, 1]; from ``fit`` likewise, of arrays.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]], [[2, 7, 3], [2, 8, 3]]])
        >>> batch = {"input_ids": ids, "labels": np.array([1.0, 0.5])}
        >>> vectors = np.array([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
        >>> means = CosineSquaredError().measure(batch, {"sentence_embedding": vectors})
        >>> float(means["similarity_loss"].value())  # of the cosines 1 and 0
        0.125
    """

    names = ("similarity_loss",)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of examples, or the sum of their weights."""
        return sums_of(self.names, weights_of_pairs(batch, self.is_there(batch))[:1])

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean squared error."""
        vectors, is_there = self.read(batch, outputs)
        found = cosines(vectors[:, 0], vectors[:, 1])
        scores = _scores(batch, vectors)
        scores = tf.where(is_there[:, 0] & is_there[:, 1], scores, 0.0)
        self.check_labels(tf.get_static_value(scores))
        errors = tf.math.squared_difference(found, scores)
        errors = tf.where(tf.abs(scores) <= _MOST, errors, math.nan)
        return means_of(self.names, (errors,), weights_of_pairs(batch, is_there)[:1])

    def check_labels(self, labels: np.ndarray | None) -> None:
        """Check that labels, where they are known, are cosines.

        Raises:
            InputError: When one is below -1 or above 1.
        """
        wrong = [] if labels is None else labels[~(np.abs(labels) <= _MOST)]
        if len(wrong):
            raise InputError(
                "labels: cosines from -1 to 1, which those of CosineSquaredError are to be: divide "
                f"scores by the highest first. Received: {wrong[0]:g}"
            )


class Matryoshka(SupervisedObjective):
    """An objective on the first values of the vectors, for several counts of them.

    A model that was trained so gives vectors that may be cut to any of these sizes. For each
    dimension d the first d values of every vector are taken and scaled to the length 1. The loss
    is the weighted sum of the objective's losses for each d; all other measures are those of whole
    vectors of length 1. Each of these losses is also measured by itself, unweighted, under a name
    of its own: ``contrastive_loss_64``. See Kusupati et al. 2022, "Matryoshka Representation
    Learning". The values are those of sentence-transformers' ``MatryoshkaLoss``.

    Args:
        objective: An objective that reads ``sentence_embedding``.
        dimensions: The counts of values. The size of the vectors should be one of them; else
            whole vectors are measured, but not trained.
        weights: The weights of the losses, in the order of the dimensions; by default 1 each.

    Raises:
        InputError: When the dimensions are not whole numbers from 1 on, each once; when there are
            not as many weights, or one is not above 0; when the objective has a ``head``; from
            ``measure`` when a dimension is above the size of the vectors.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]]])
        >>> batch = {"input_ids": ids, "labels": np.array([1.0])}
        >>> vectors = np.array([[[1.0, 0.0], [3.0, 4.0]]])
        >>> objective = Matryoshka(CosineSquaredError(), [2, 1])
        >>> means = objective.measure(batch, {"sentence_embedding": vectors})
        >>> {name: round(float(mean.value()), 4) for name, mean in means.items()}
        {'similarity_loss': 0.16, 'similarity_loss_2': 0.16, 'similarity_loss_1': 0.0}
    """

    def __init__(
        self,
        objective: SupervisedObjective,
        dimensions: Sequence[int],
        weights: Sequence[float] | None = None,
    ) -> None:
        dimensions = tuple(dimensions)
        are_sizes = all(
            isinstance(size, Integral) and not isinstance(size, bool) and size >= 1
            for size in dimensions
        )
        require(
            "dimensions must be whole numbers from 1 on, each once",
            bool(dimensions) and are_sizes and len(set(dimensions)) == len(dimensions),
            dimensions,
        )
        factors = [1.0] * len(dimensions) if weights is None else list(weights)
        require(
            f"weights must be as many as the dimensions, {len(dimensions)}",
            len(factors) == len(dimensions),
            weights,
        )
        if objective.head:
            raise InputError(
                f"{type(objective).__name__} has a layer that reads vectors of one size: train on "
                "it without Matryoshka"
            )
        self.objective, self.dimensions = objective, dimensions
        self.factors = [above_zero("each of weights", factor) for factor in factors]
        self.is_additive, self.compares = objective.is_additive, objective.compares
        self.names = (*objective.names, *self._names(objective.names))

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weights of the objective's means; for each dimension's loss that of the loss."""
        found = self.objective.weights(batch)
        return found | {name: found[whole] for name, (whole, _) in self._names(found).items()}

    def check_labels(self, labels: np.ndarray | None) -> None:
        """Check labels as the objective does."""
        self.objective.check_labels(labels)

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The weighted sums of the losses, the measures of whole vectors, each loss alone."""
        vectors = tf.cast(outputs[VECTORS], tf.float32)
        whole = vectors.shape[-1]
        if max(self.dimensions) > whole:
            raise InputError(
                f"dimensions must not be above the size of the vectors, {whole}. Received: "
                f"{self.dimensions}"
            )
        by_size = {
            size: self.objective.measure(
                batch, outputs | {VECTORS: normalized(vectors[..., :size])}
            )
            for size in dict.fromkeys((*self.dimensions, whole))
        }
        means = dict(by_size[whole])
        alone = {name: by_size[size][loss] for name, (loss, size) in self._names(means).items()}
        for name, mean in means.items():
            if name.endswith(LOSS):
                parts = (by_size[size][name].total for size in self.dimensions)
                total = sum(f * part for f, part in zip(self.factors, parts, strict=True))
                means[name] = WeightedMean(total, mean.weight)
        return means | alone

    def _names(self, names: Iterable[str]) -> dict[str, tuple[str, int]]:
        """The names of each dimension's losses, and which loss and dimension they are of."""
        losses = [name for name in names if name.endswith(LOSS)]
        return {f"{loss}_{size}": (loss, size) for size in self.dimensions for loss in losses}


def _scores(batch: Batch, vectors: tf.Tensor) -> tf.Tensor:
    """The labels, float32 [B]."""
    if "labels" not in batch:
        raise InputError("the batch has no 'labels', a score for each pair")
    scores = tf.cast(batch["labels"], tf.float32)
    if not (scores.shape.rank == 1 and scores.shape.is_compatible_with(vectors.shape[:1])):
        raise InputError(
            f"labels: a score for each example, of the shape {vectors.shape[:1]}. Received: "
            f"{scores.shape}"
        )
    return scores
