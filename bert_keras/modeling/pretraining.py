"""The pre-training models: masked LM, next sentence, and both (Devlin et al. 2019, section 3.1)."""

from typing import ClassVar

import keras
import tensorflow as tf

from bert_keras.modeling.headed import HeadedModel
from bert_keras.modeling.heads import MaskedLMHead, NextSentenceHead
from bert_keras.modeling.inputs import as_batch
from bert_keras.modeling.layout import Layout, lookup
from bert_keras.objectives import Batch, SoftmaxCrossEntropy, SumOf, SupervisedObjective


class _PretrainingModel(HeadedModel):
    """The base of the models with one or both pre-training heads."""

    takes_pairs = False

    def masked_lm_logits(self, inputs: Batch, tokens: tf.Tensor, layout: Layout) -> tf.Tensor:
        """The logits [B, P, V] at ``masked_lm_positions``, or [B, L, V] without such a key."""
        positions = inputs.get("masked_lm_positions")
        if positions is None:
            positions = tf.zeros_like(layout.attention_mask) + tf.range(
                tf.shape(layout.attention_mask)[1]
            )
        rows = layout.rows(tf.cast(positions, tf.int32))
        masked = lookup(tokens, tf.reshape(rows, [-1]))
        logits = self.masked_lm_head(masked, self.encoder.embeddings.word_embeddings)
        shape = tf.shape(rows)
        batch, count = rows.shape[0] or shape[0], rows.shape[1] or shape[1]
        return tf.reshape(logits, [batch, count, self.config.vocab_size])

    def masked_lm_objective(self) -> SupervisedObjective:
        """Loss in nats and accuracy of the masked words."""
        names = ("mlm", "masked_lm_logits", "masked_lm_ids", "masked_lm_weights")
        return SoftmaxCrossEntropy(*names, arithmetic=self.arithmetic)

    def next_sentence_objective(self) -> SupervisedObjective:
        """Loss in nats and accuracy of the pairs."""
        names = ("nsp", "next_sentence_logits", "next_sentence_labels")
        return SoftmaxCrossEntropy(*names, arithmetic=self.arithmetic)


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForPreTraining(_PretrainingModel):
    """BERT with both pre-training heads; the loss is their sum.

    A batch without ``next_sentence_labels`` trains the masked words alone; the pooler and the
    next-sentence head then keep their weights.

    Called with the batch of ``pretraining_dataset``; returns ``masked_lm_logits`` [B, P, V] at
    the masked positions alone and ``next_sentence_logits`` [B, 2].

    Example:
        >>> model = BertForPreTraining(config)
        >>> {name: logits.shape[:2].as_list() for name, logits in model(batch).items()}
        {'masked_lm_logits': [4, 5], 'next_sentence_logits': [4, 2]}
        >>> model.compile()  # BERT's AdamW
        >>> history = model.fit(batches, steps_per_epoch=2, verbose=0)
    """

    heads: ClassVar[dict[str, type]] = {
        "masked_lm_head": MaskedLMHead,
        "next_sentence_head": NextSentenceHead,
    }

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the masked words and of the sentence pair."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        pooled = self.encoder.pool(tokens, layout)
        return {
            "masked_lm_logits": self.masked_lm_logits(inputs, tokens, layout),
            "next_sentence_logits": self.next_sentence_head(pooled),
        }

    def supervised_objective(self) -> SupervisedObjective:
        """The losses in nats and accuracies of the tasks that the batch has labels for."""
        return SumOf(
            self.masked_lm_objective(), {"next_sentence_labels": self.next_sentence_objective()}
        )


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForMaskedLM(_PretrainingModel):
    """BERT with the masked-LM head; returns ``masked_lm_logits``.

    [B, P, V] at ``masked_lm_positions`` where the batch gives them, else [B, L, V].

    Example:
        >>> model = BertForMaskedLM(config)
        >>> logits = model(batch)["masked_lm_logits"]
        >>> logits.shape == (4, 5, tokenizer.vocab_size)
        True
    """

    heads: ClassVar[dict[str, type]] = {"masked_lm_head": MaskedLMHead}
    with_pooler = False

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the masked words."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        return {"masked_lm_logits": self.masked_lm_logits(inputs, tokens, layout)}

    def supervised_objective(self) -> SupervisedObjective:
        """Loss in nats and accuracy of the masked words."""
        return self.masked_lm_objective()


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForNextSentencePrediction(_PretrainingModel):
    """BERT with the next-sentence head; returns ``next_sentence_logits`` [B, 2].

    Example:
        >>> model = BertForNextSentencePrediction(config)
        >>> model(batch)["next_sentence_logits"].shape
        TensorShape([4, 2])
    """

    heads: ClassVar[dict[str, type]] = {"next_sentence_head": NextSentenceHead}
    takes_pairs = needs_pairs = True

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the sentence pair."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        return {"next_sentence_logits": self.next_sentence_head(self.encoder.pool(tokens, layout))}

    def supervised_objective(self) -> SupervisedObjective:
        """Loss in nats and accuracy of the pairs."""
        return self.next_sentence_objective()
