"""Whether one text follows another (Devlin et al. 2018, section 3.1, task 2)."""

from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated, served
from bert_keras.export.outputs import (
    CLASSES,
    LABEL,
    NEXT_SENTENCE,
    PROBABILITIES,
    SCORE,
)
from bert_keras.modeling import BertForNextSentencePrediction
from bert_keras.modeling.model import BertModel


@served.register(BertForNextSentencePrediction)
class NextSentenceAnswers(Answers):
    """Next, or a random sentence: ``"next"`` or ``"random"``."""

    outputs = (LABEL, SCORE, PROBABILITIES, CLASSES)

    @classmethod
    def text_inputs(cls, config: Any) -> tuple[str, ...]:
        """``text_a`` and the text that may follow it."""
        return ("text_a", "text_b")

    def from_ids(self, batch: Tensors) -> Tensors:
        """The likelier of the two."""
        logits = self.model(batch, training=False)["next_sentence_logits"]
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        return {
            "labels": tf.gather(tf.constant(NEXT_SENTENCE), tf.argmax(probabilities, axis=-1)),
            "scores": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": repeated(NEXT_SENTENCE, probabilities),
        }

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
