"""Answers for a whole text or pair: a label, several labels, a number."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated, served
from bert_keras.export.long_texts import ids_of, sequences
from bert_keras.export.outputs import (
    CLASSES,
    GIVEN_LABELS,
    LABEL,
    NAMES,
    NUMBER,
    NUMBERS,
    PROBABILITIES,
    SCORE,
    arrays_of,
)
from bert_keras.export.sequences import within_limit
from bert_keras.export.windows import cut_windows
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import Classification, MultiLabel, Regression, predict, task_of
from bert_keras.tasks.multi_label import THRESHOLD
from bert_keras.tasks.windows import overlapping


class _TextAnswers(Answers):
    """Answers to texts, or to pairs of them.

    Long texts are cut, or read in windows, as the model was trained.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        task: Any = task_of(self.model, max_seq_length=self.config.max_length)
        self.task = task
        if task.windows and self.config.pair:
            raise InputError("the model reads long texts in windows, and no pairs: leave pair out")

    @classmethod
    def truncation(cls, model: BertModel) -> str:
        """The part of a long text that the model was trained on."""
        task: Any = task_of(model)
        return str(task.truncation)

    def columns(self, texts: Sequence[str]) -> list[list[str]]:
        """Sample texts; pairs where the model reads such, from ids as well."""
        columns = super().columns(texts)
        if self.config.input == "tokens" and self.task.trained_on == "pairs":
            columns.append([*texts[1:], *texts[:1]])
        return columns

    def logits(self, batch: Tensors) -> tf.Tensor:
        """The model's logits, float32 [B, labels]."""
        return tf.cast(self.model(batch, training=False)["logits"], tf.float32)

    @abstractmethod
    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The answers that logits [B, labels] come down to."""

    def from_ids(self, batch: Tensors) -> Tensors:
        """The answers to sequences."""
        return self.from_logits(self.logits(batch))

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The answers to texts; where they are read in windows, from the mean logits."""
        if not self.task.windows:
            return super().from_texts(*texts)
        assert self.config.max_length is not None
        room = self.config.max_length - self.tokenizer.template.overhead(1)
        stride, most = overlapping(room), self.task.max_windows
        ids, lengths = ids_of(self.graph_tokenizer, texts[0], room + (most - 1) * stride)
        sizes = tf.fill(tf.shape(lengths), room)
        windows = cut_windows(lengths, sizes, stride, most)
        batch = sequences(windows, ids, self.tokenizer)
        logits = self.logits(within_limit(batch, self.config.max_request_tokens))
        sums = tf.math.segment_sum(logits, windows.text)
        counts = tf.math.segment_sum(tf.ones_like(logits[:, :1]), windows.text)
        return self.from_logits(sums / counts)

    def most_read(self) -> int:
        """Those of all windows, which overlap, where it is read in such."""
        length = super().most_read()
        if not self.task.windows:
            return length
        room = length - self.tokenizer.template.overhead(1)
        return length + (self.task.max_windows - 1) * overlapping(room)

    def row_tokens(self) -> int:
        """The tokens of all windows of a text."""
        return super().row_tokens() * (self.task.max_windows if self.task.windows else 1)

    def comparison_length(self) -> int:
        """The tokens of a text that is cut, or read in several windows."""
        return super().comparison_length() * (2 if self.task.windows else 1)

    def own_settings(self) -> dict[str, Any]:
        """The treatment of long texts."""
        if self.task.windows:
            return {"windows": True, "max_windows": self.task.max_windows}
        return {"truncation": self.task.truncation}

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of ``predict``."""
        pairs = texts[1] if len(texts) > 1 else None
        answers = predict(model, texts[0], pairs, max_seq_length=self.config.max_length)
        return arrays_of(self.outputs, answers)


@served.register(Classification)
class ClassificationAnswers(_TextAnswers):
    """One of several labels."""

    outputs = (LABEL, SCORE, PROBABILITIES, CLASSES)

    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The likeliest label and the probability of each."""
        probabilities = tf.nn.softmax(logits)
        names = tf.constant(list(self.model.labels))
        return {
            "labels": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "scores": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": repeated(self.model.labels, probabilities),
        }


@served.register(MultiLabel)
class MultiLabelAnswers(_TextAnswers):
    """Any number of labels."""

    outputs = (GIVEN_LABELS, PROBABILITIES, CLASSES)

    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The labels that are likelier than not, and the probability of each."""
        probabilities = tf.sigmoid(logits)
        classes = repeated(self.model.labels, probabilities)
        is_given = probabilities >= THRESHOLD
        # Stable, so that the given ones come first in their order.
        order = tf.argsort(tf.cast(~is_given, tf.int32), axis=-1, stable=True)
        labels = tf.where(is_given, classes, "")
        return {
            "labels": tf.gather(labels, order, batch_dims=1),
            "probabilities": probabilities,
            "classes": classes,
        }


@served.register(Regression)
class RegressionAnswers(_TextAnswers):
    """A number, or several."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.outputs = (NUMBER,) if len(self.model.labels) == 1 else (NUMBERS, NAMES)

    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The number, or all of them with their names."""
        if self.model.function_to_apply == "sigmoid":
            logits = tf.sigmoid(logits)
        if len(self.model.labels) == 1:
            return {"scores": logits[:, 0]}
        return {"scores": logits, "names": repeated(self.model.labels, logits)}
