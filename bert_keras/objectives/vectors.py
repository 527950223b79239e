"""The vectors of texts that losses compare: which there are, their cosines and distances.

An example has T texts. The batch's ``input_ids`` and ``attention_mask`` are int32 [B, T, L], the
model's ``sentence_embedding`` is [B, T, H]. The vectors may have any length; a cosine divides by
the lengths. A text whose ``attention_mask`` is 0 everywhere is missing. A vector of zeros has the
cosine 0 with every other, and no gradient is infinite.
"""

import math
from collections.abc import Iterable
from numbers import Real

import tensorflow as tf

from bert_keras.config.checks import require
from bert_keras.errors import InputError
from bert_keras.objectives.classification import example_weights
from bert_keras.objectives.means import Means, WeightedMean
from bert_keras.objectives.steps import Batch, SupervisedObjective

VECTORS = "sentence_embedding"  # the model's output
_SMALL = 1e-24  # the square of a length that counts as 0, as in torch's normalize


class OfTexts(SupervisedObjective):
    """An objective of the vectors of several texts.

    Attributes:
        fewest: The number of texts that an example has at least.
        most: The number that it has at most; ``None`` for any.
    """

    fewest = 2
    most: int | None = 2

    def is_there(self, batch: Batch) -> tf.Tensor:
        """Tell which texts are not missing, bool [B, T].

        Raises:
            InputError: When an example has too few texts or too many.
        """
        if "attention_mask" in batch:
            mask = tf.cast(batch["attention_mask"], tf.bool)
        elif "input_ids" in batch:
            mask = tf.ones_like(batch["input_ids"], tf.bool)
        else:
            mask = tf.ones_like(batch["inputs_embeds"][..., 0], tf.bool)
        count = mask.shape[1] if mask.shape.rank == 3 else 1
        if count is not None and not self.fewest <= count <= (self.most or count):
            wanted = str(self.fewest) if self.most else f"{self.fewest} or more"
            raise InputError(
                f"{type(self).__name__} compares {wanted} texts of each example, ids of the shape "
                f"[batch, texts, length]. Received: {mask.shape}"
            )
        return tf.reduce_any(mask, axis=2)

    def read(self, batch: Batch, outputs: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """The vectors, float32 [B, T, H], 0 for a missing text; and which texts are there."""
        is_there = self.is_there(batch)
        vectors = tf.cast(outputs[VECTORS], tf.float32)
        if not (vectors.shape.rank == 3 and is_there.shape.is_compatible_with(vectors.shape[:2])):
            raise InputError(
                f"{VECTORS}: a vector for each text, {(*is_there.shape, 'size')}. Received: "
                f"{vectors.shape}"
            )
        return tf.where(is_there[..., tf.newaxis], vectors, 0.0), is_there


def above_zero(name: str, value: float) -> float:
    """The value of a setting, a number above 0.

    Raises:
        InputError: When it is none.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    require(f"{name} must be a number above 0", is_number and 0 < value < math.inf, value)
    return value


def weights_of_pairs(batch: Batch, is_there: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The weights of examples in the loss, and in other measures 1, or 0 without texts 0 and 1.

    Returns:
        float32 [B] each.
    """
    counts = tf.cast(is_there[:, 0] & is_there[:, 1], tf.float32)
    return counts * example_weights(batch, counts), counts


def sums_of(names: Iterable[str], weights: Iterable[tf.Tensor]) -> dict[str, tf.Tensor]:
    """The sums of weights, by the names of the means."""
    sums = (tf.reduce_sum(each) for each in weights)
    return dict(zip(names, sums, strict=True))


def means_of(
    names: Iterable[str], values: Iterable[tf.Tensor], weights: Iterable[tf.Tensor]
) -> Means:
    """The weighted means of values, by name."""
    rows = zip(names, values, weights, strict=True)
    return {
        name: WeightedMean(tf.reduce_sum(value * weight), tf.reduce_sum(weight))
        for name, value, weight in rows
    }


def normalized(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors [..., H], divided by their lengths; one of zeros is left as it is."""
    squares = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True)
    return vectors / tf.sqrt(tf.where(squares < _SMALL, 1.0, squares))


def cosines(vectors: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """The cosines of vectors [..., H] with others, one by one."""
    return tf.reduce_sum(normalized(vectors) * normalized(others), axis=-1)


def euclidean(vectors: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """The distances of vectors [..., H] from others, one by one; its gradient at 0 is 0."""
    squares = tf.reduce_sum(tf.math.squared_difference(vectors, others), axis=-1)
    is_zero = squares < _SMALL
    return tf.where(is_zero, 0.0, tf.sqrt(tf.where(is_zero, 1.0, squares)))
