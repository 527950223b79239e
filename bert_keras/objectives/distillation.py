"""The losses of vectors that are to be those of a teacher, or as near to each other as those."""

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.objectives.classification import example_weights
from bert_keras.objectives.means import Means
from bert_keras.objectives.steps import Batch
from bert_keras.objectives.vectors import (
    OfTexts,
    cosines,
    means_of,
    sums_of,
    weights_of_pairs,
)

TEACHER = "teacher_embedding"  # the batch's key


class TeacherVectors(OfTexts):
    """The mean squared error of vectors, of which a teacher gives those that they should be.

    The batch's ``teacher_embedding`` is float32 [B, T, H], a vector for each text, of any number
    of texts. See Reimers and Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual
    using Knowledge Distillation", section 2. The values are those of sentence-transformers'
    ``MSELoss``. Further measured is the mean cosine of each vector with the teacher's.

    A missing text does not count. Where the batch has ``example_weights``, [B], the loss is their
    weighted mean.

    Raises:
        InputError: From ``measure``, when the teacher's vectors are missing or of another shape.

    Example:
        >>> ids = np.array([[[2, 5, 3]], [[2, 7, 3]]])
        >>> teacher = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
        >>> batch = {"input_ids": ids, "teacher_embedding": teacher}
        >>> vectors = np.array([[[1.0, 0.0]], [[0.0, 2.0]]])
        >>> means = TeacherVectors().measure(batch, {"sentence_embedding": vectors})
        >>> {name: float(mean.value()) for name, mean in means.items()}  # one of four is off by 1
        {'distillation_loss': 0.25, 'distillation_cosine': 1.0}
    """

    names = ("distillation_loss", "distillation_cosine")
    fewest, most = 1, None

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of texts; of the loss their weights."""
        return sums_of(self.names, _weights_of_texts(batch, self.is_there(batch)))

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean squared error, and the mean cosine with the teacher's vectors."""
        vectors, is_there = self.read(batch, outputs)
        teacher = _of_teacher(batch, vectors)
        if not teacher.shape.is_compatible_with(vectors.shape):
            raise InputError(
                f"{TEACHER} has vectors of size {teacher.shape[-1]}, the model of size "
                f"{vectors.shape[-1]}: TeacherCosines compares their cosines alone"
            )
        errors = tf.reduce_mean(tf.math.squared_difference(vectors, teacher), axis=-1)
        values = errors, cosines(vectors, teacher)
        return means_of(self.names, values, _weights_of_texts(batch, is_there))


class TeacherCosines(OfTexts):
    """The mean squared error of the cosines of pairs, which should be those of a teacher's vectors.

    The batch's ``teacher_embedding`` is float32 [B, 2, any size]. The values are those of
    ``CosineSquaredError`` with the teacher's cosines as labels. An example with a missing text does
    not count. Where the batch has ``example_weights``, [B], the loss is their weighted mean.

    Raises:
        InputError: From ``measure``, when the teacher's vectors are missing or of another shape.

    Example:
        >>> ids = np.array([[[2, 5, 3], [2, 6, 3]]])
        >>> teacher = np.array([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> batch = {"input_ids": ids, "teacher_embedding": teacher}
        >>> vectors = np.array([[[1.0, 0.0], [1.0, 0.0]]])
        >>> means = TeacherCosines().measure(batch, {"sentence_embedding": vectors})
        >>> float(means["distillation_loss"].value())  # of the cosine 1 that should be 0
        1.0
    """

    names = ("distillation_loss",)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of pairs, or the sum of their weights."""
        return sums_of(self.names, weights_of_pairs(batch, self.is_there(batch))[:1])

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The mean squared error of the cosines."""
        vectors, is_there = self.read(batch, outputs)
        teacher = _of_teacher(batch, vectors)
        found, wanted = (cosines(each[:, 0], each[:, 1]) for each in (vectors, teacher))
        errors = tf.math.squared_difference(found, wanted)
        return means_of(self.names, (errors,), weights_of_pairs(batch, is_there)[:1])


def _of_teacher(batch: Batch, vectors: tf.Tensor) -> tf.Tensor:
    """The teacher's vectors, float32, one for each of the model's."""
    if TEACHER not in batch:
        raise InputError(
            f"the batch has no {TEACHER!r}: add a vector of the teacher's for each text, float32 "
            "[batch, texts, size]"
        )
    teacher = tf.cast(batch[TEACHER], tf.float32)
    if not (teacher.shape.rank == 3 and teacher.shape[:2].is_compatible_with(vectors.shape[:2])):
        raise InputError(
            f"{TEACHER}: a vector for each text, {(*vectors.shape[:2], 'size')}. Received: "
            f"{teacher.shape}"
        )
    return teacher


def _weights_of_texts(batch: Batch, is_there: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The weights of texts in the loss, and in other measures 1, or 0 of missing ones, [B, T]."""
    counts = tf.cast(is_there, tf.float32)
    return counts * example_weights(batch, counts), counts
