"""Whether one text follows another (Devlin et al. 2018, section 3.1, task 2)."""

from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated

CLASSES = ("next", "random")  # by their numbers in training


class NextSentenceAnswers(Answers):
    """Next, or a random sentence.

    ``labels`` string [B], ``"next"`` or ``"random"``; ``scores`` float32 [B], its probability;
    ``probabilities`` float32 [B, 2] and the ``classes`` string [B, 2] they are of.
    """

    @classmethod
    def text_inputs(cls, config: Any) -> tuple[str, ...]:
        """``text_a`` and the text that may follow it."""
        return ("text_a", "text_b")

    def from_ids(self, batch: Tensors) -> Tensors:
        """The likelier of the two."""
        logits = self.model(batch, training=False)["next_sentence_logits"]
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        return {
            "labels": tf.gather(tf.constant(CLASSES), tf.argmax(probabilities, axis=-1)),
            "scores": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": repeated(CLASSES, probabilities),
        }

    def expected(self, model: Any, texts: Texts) -> Arrays:
        """The softmax of the model's logits."""
        logits = model.forward(self.host_batch(texts))["next_sentence_logits"]
        probabilities = softmax(np.asarray(tf.cast(logits, tf.float32), np.float64), axis=-1)
        return {
            "labels": np.array(CLASSES, object)[probabilities.argmax(axis=-1)],
            "scores": probabilities.max(axis=-1),
            "probabilities": probabilities,
            "classes": np.tile(np.array(CLASSES, object), (len(probabilities), 1)),
        }
