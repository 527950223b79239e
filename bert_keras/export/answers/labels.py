"""Answers to a whole text or pair: a label, labels, numbers, whether B follows A."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from bert_keras.errors import InputError
from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated, served
from bert_keras.export.long_texts import cut_windows, ids_of, sequences
from bert_keras.export.outputs import (
    CLASSES,
    GIVEN_LABELS,
    LABEL,
    NAMES,
    NEXT_SENTENCE,
    NUMBER,
    NUMBERS,
    PROBABILITIES,
    SCORE,
    arrays_of,
)
from bert_keras.export.sequences import within_limit
from bert_keras.modeling import BertForNextSentencePrediction
from bert_keras.modeling.decision import THRESHOLD
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import Classification, MultiLabel, Regression, predict, task_of
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
        """The truncation that the model was trained with."""
        task: Any = task_of(model)
        return str(task.truncation)

    def columns(self, texts: Sequence[str]) -> list[list[str]]:
        """Sample texts; pairs where the model was trained on pairs."""
        columns = super().columns(texts)
        if self.config.input == "tokens" and self.task.trained_on == "pairs":
            columns.append([*texts[1:], *texts[:1]])
        return columns

    def logits(self, batch: Tensors) -> tf.Tensor:
        """The model's logits, float32 [B, labels]."""
        return tf.cast(self.model(batch, training=False)["logits"], tf.float32)

    @abstractmethod
    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The answers by logits [B, labels]."""

    def from_ids(self, batch: Tensors) -> Tensors:
        """The answers to sequences."""
        return self.from_logits(self.logits(batch))

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The answers to texts; those read in windows are answered by the mean logits."""
        in_windows = self.windows()
        if in_windows is None:
            return super().from_texts(*texts)
        stride, most = in_windows
        ids, lengths = ids_of(self.graph_tokenizer, texts[0], self.room + (most - 1) * stride)
        windows = cut_windows(lengths, tf.fill(tf.shape(lengths), self.room), stride)
        batch = sequences(windows, ids, self.tokenizer)
        logits = self.logits(within_limit(batch, self.config.max_request_tokens))
        sums = tf.math.segment_sum(logits, windows.text)
        counts = tf.math.segment_sum(tf.ones_like(logits[:, :1]), windows.text)
        return self.from_logits(sums / counts)

    def windows(self) -> tuple[int, int] | None:
        """The windows that the model was trained on, if it was."""
        return (overlapping(self.room), self.task.max_windows) if self.task.windows else None

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
        return _likeliest(self.model.labels, self.model.decision.scaled(logits))


@served.register(MultiLabel)
class MultiLabelAnswers(_TextAnswers):
    """Any number of labels."""

    outputs = (GIVEN_LABELS, PROBABILITIES, CLASSES)

    def from_logits(self, logits: tf.Tensor) -> Tensors:
        """The labels whose probability reaches their threshold, and the probability of each."""
        decision = self.model.decision
        probabilities = tf.sigmoid(decision.scaled(logits))
        classes = repeated(self.model.labels, probabilities)
        is_given = decision.is_given(probabilities)
        # Stable, so that the given ones come first in their order.
        order = tf.argsort(tf.cast(~is_given, tf.int32), axis=-1, stable=True)
        labels = tf.where(is_given, classes, "")
        return {
            "labels": tf.gather(labels, order, batch_dims=1),
            "probabilities": probabilities,
            "classes": classes,
        }

    def is_other(self, name: str, given: Arrays, expected: Arrays, tolerance: float) -> np.ndarray:
        """Tell where an output differs, but not where rounding decides whether a label is given.

        It does where the label's probability is its threshold, within the tolerance.
        """
        other = super().is_other(name, given, expected, tolerance)
        if name != "labels":
            return other
        shares, names = expected["probabilities"], expected["classes"]
        is_far = np.abs(shares - (self.model.decision.thresholds or THRESHOLD)) > tolerance
        has = [(side[name][:, None] == names[:, :, None]).any(axis=2) for side in (given, expected)]
        is_wrong = (is_far & (has[0] != has[1])).any(axis=1)
        return np.asarray(other & is_wrong[:, None])


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


@served.register(BertForNextSentencePrediction)
class NextSentenceAnswers(Answers):
    """An answer to whether one text follows another (Devlin et al. 2019, section 3.1, task 2).

    ``"next"`` or ``"random"``.
    """

    outputs = (LABEL, SCORE, PROBABILITIES, CLASSES)

    @classmethod
    def text_inputs(cls, config: Any) -> tuple[str, ...]:
        """``text_a`` and the text that may follow it."""
        return ("text_a", "text_b")

    def from_ids(self, batch: Tensors) -> Tensors:
        """The likelier of the two."""
        logits = self.model(batch, training=False)["next_sentence_logits"]
        return _likeliest(NEXT_SENTENCE, tf.cast(logits, tf.float32))

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The softmax of the model's logits."""
        logits = model.forward(self.host_batch(texts))["next_sentence_logits"]
        probabilities = softmax(np.asarray(tf.cast(logits, tf.float32), np.float64), axis=-1)
        return {
            "labels": np.array(NEXT_SENTENCE, object)[probabilities.argmax(axis=-1)],
            "scores": probabilities.max(axis=-1),
            "probabilities": probabilities,
            "classes": np.tile(np.array(NEXT_SENTENCE, object), (len(probabilities), 1)),
        }


def _likeliest(labels: Sequence[str], logits: tf.Tensor) -> Tensors:
    """The likeliest of some labels and the probability of each, from logits [B, labels]."""
    probabilities = tf.nn.softmax(logits)
    return {
        "labels": tf.gather(tf.constant(list(labels)), tf.argmax(probabilities, axis=-1)),
        "scores": tf.reduce_max(probabilities, axis=-1),
        "probabilities": probabilities,
        "classes": repeated(labels, probabilities),
    }
