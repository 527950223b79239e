"""Answers for a whole text or pair: a label, several labels, a number."""

from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated
from bert_keras.tasks import predict
from bert_keras.tasks.multi_label import THRESHOLD


class _TextAnswers(Answers):
    """Answers to texts, or to pairs of them."""

    def logits(self, batch: Tensors) -> tf.Tensor:
        """The model's logits, float32 [B, labels]."""
        return tf.cast(self.model(batch, training=False)["logits"], tf.float32)

    def predictions(self, model: Any, texts: Texts) -> list[dict[str, Any]]:
        """Keras's answers."""
        pairs = texts[1] if len(texts) > 1 else None
        return predict(model, texts[0], pairs, max_seq_length=self.config.max_length)


class ClassificationAnswers(_TextAnswers):
    """One of several labels.

    ``labels`` string [B], the likeliest; ``scores`` float32 [B], its probability;
    ``probabilities`` float32 [B, C] and the ``classes`` string [B, C] they are of.
    """

    def from_ids(self, batch: Tensors) -> Tensors:
        """The likeliest label and the probability of each."""
        probabilities = tf.nn.softmax(self.logits(batch))
        names = tf.constant(list(self.model.labels))
        return {
            "labels": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "scores": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": repeated(self.model.labels, probabilities),
        }

    def expected(self, model: Any, texts: Texts) -> Arrays:
        """The answers of ``predict``."""
        answers = self.predictions(model, texts)
        return {
            "labels": np.array([answer["label"] for answer in answers], object),
            "scores": np.array([answer["score"] for answer in answers]),
            "probabilities": np.array([list(answer["scores"].values()) for answer in answers]),
            "classes": np.array([list(answer["scores"]) for answer in answers], object),
        }


class MultiLabelAnswers(_TextAnswers):
    """Any number of labels.

    ``labels`` string [B, C], those from a probability of 0.5 on in their order and then empty
    ones; ``probabilities`` float32 [B, C] and the ``classes`` string [B, C] they are of.
    """

    def from_ids(self, batch: Tensors) -> Tensors:
        """The labels that are likelier than not, and the probability of each."""
        probabilities = tf.sigmoid(self.logits(batch))
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

    def expected(self, model: Any, texts: Texts) -> Arrays:
        """The answers of ``predict``."""
        answers = self.predictions(model, texts)
        width = len(self.model.labels)
        labels = [answer["labels"] + [""] * (width - len(answer["labels"])) for answer in answers]
        return {
            "labels": np.array(labels, object),
            "probabilities": np.array([list(answer["scores"].values()) for answer in answers]),
            "classes": np.array([list(answer["scores"]) for answer in answers], object),
        }


class RegressionAnswers(_TextAnswers):
    """A number: ``scores`` float32 [B]."""

    def from_ids(self, batch: Tensors) -> Tensors:
        """The number."""
        logits = self.logits(batch)
        is_sigmoid = self.model.function_to_apply == "sigmoid"
        return {"scores": (tf.sigmoid(logits) if is_sigmoid else logits)[:, 0]}

    def expected(self, model: Any, texts: Texts) -> Arrays:
        """The answers of ``predict``."""
        return {"scores": np.array([answer["score"] for answer in self.predictions(model, texts)])}
