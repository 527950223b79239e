"""Answers of models without a task's head: vectors of texts and of their tokens."""

from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, served
from bert_keras.export.outputs import POOLED_BY_HAND, SENTENCE, encoder_outputs
from bert_keras.modeling import BertEncoder, BertForSentenceEmbedding
from bert_keras.modeling.model import BertModel


@served.register(BertEncoder)
class EncoderAnswers(Answers):
    """The encoder's vectors of a text and of its tokens."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.outputs = encoder_outputs(self.model) + POOLED_BY_HAND

    def from_ids(self, batch: Tensors) -> Tensors:
        """The vectors."""
        outputs = super().from_ids(batch)
        sequences, mask = outputs["sequence_output"], batch["attention_mask"]
        count = tf.cast(tf.reduce_sum(mask, axis=1, keepdims=True), tf.float32)
        return outputs | {
            "cls_embedding": sequences[:, 0],
            "mean_embedding": tf.reduce_sum(sequences, axis=1) / tf.maximum(count, 1.0),
            "attention_mask": mask,
        }

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The model's own outputs, pooled by numpy."""
        batch = self.host_batch(texts)
        outputs = {n: np.asarray(tf.cast(v, tf.float32)) for n, v in model.forward(batch).items()}
        mask = batch["attention_mask"]
        sequences = outputs["sequence_output"] * mask[:, :, None]
        return outputs | {
            "sequence_output": sequences,
            "cls_embedding": sequences[:, 0],
            "mean_embedding": sequences.sum(axis=1) / mask.sum(axis=1, keepdims=True),
            "attention_mask": mask,
        }


@served.register(BertForSentenceEmbedding)
class SentenceAnswers(Answers):
    """A vector for each text, pooled as the model was trained.

    Texts are read after the model's default prompt, where it has one; ``tokens`` takes what
    ``tokenize`` gives, the prompt's tokens among it.
    """

    outputs = (SENTENCE,)

    def from_ids(self, batch: Tensors) -> Tensors:
        """The vectors, cut to the model's ``dimensions``."""
        vectors = super().from_ids(self._pooled(batch))["sentence_embedding"]
        return {"sentence_embedding": self.model.truncated(vectors)}

    def encode(self, *texts: tf.Tensor) -> Tensors:
        """The sequences of texts, the prompt before each."""
        prompt = self.model.prompt()
        return super().encode(
            *(tf.strings.join([prompt, text]) if prompt else text for text in texts)
        )

    def host_batch(self, texts: Texts) -> Arrays:
        """The texts, the prompt before each, as the host's tokenizer reads them."""
        prompt = self.model.prompt()
        return super().host_batch([[prompt + text for text in column] for column in texts])

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The model's own output."""
        vectors = model(self._pooled(self.host_batch(texts)), training=False)["sentence_embedding"]
        return {"sentence_embedding": self.model.truncated(vectors.numpy())}

    def _pooled(self, batch: Any) -> Any:
        """The batch with a mask that leaves out the prompt, where the model pools without it."""
        unpooled = self.model.unpooled_tokens(self.model.prompt())
        if not unpooled:
            return batch
        mask = batch["attention_mask"]
        is_pooled = tf.cast(tf.range(tf.shape(mask)[1]) >= unpooled, mask.dtype)
        return {**batch, "pooling_mask": mask * is_pooled}
