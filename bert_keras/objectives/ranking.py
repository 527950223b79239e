"""The loss of a ranking: the scores of all documents of a query at once."""

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.objectives.classification import example_weights
from bert_keras.objectives.means import Means, WeightedMean
from bert_keras.objectives.steps import Batch, Model, SupervisedObjective

_SEQUENCES = ("input_ids", "attention_mask", "token_type_ids")
_NOWHERE = -1e9  # a logit whose softmax is 0, also beside labels


class ListNet(SupervisedObjective):
    """The cross-entropy of the softmax of a query's scores with the softmax of its labels.

    Cao et al. 2007, "Learning to Rank: From Pairwise Approach to Listwise Approach", section 4, by
    the probability of each document to be the first; as ``ListNetLoss`` of sentence-transformers.
    The loss is in nats, the mean over queries. ``ranking_accuracy`` is the share of the queries
    whose highest score is that of a document with the highest label.

    The batch's ``input_ids``, ``attention_mask`` and ``token_type_ids`` are int32 [B, D, L]: B
    queries, each with up to D documents, a pair of query and document in each sequence. The model
    is given B * D sequences, and has one logit for each. ``labels`` are float32 [B, D] or longer
    rows, of which the first D count; the higher, the better. A document whose ``attention_mask`` is
    0 everywhere is missing. Where the batch has ``example_weights``, float32 [B], the loss is their
    weighted mean.

    Keras's ``fit`` calls a model before its objective, and so cannot train on lists; fine-tuning
    and ``TrainStep`` can.
    """

    names = ("ranking_loss", "ranking_accuracy")

    def __call__(
        self, model: Model, batch: Batch, *, training: bool, dropout_seed: tf.Tensor | None = None
    ) -> Means:
        """The means of a batch, whose lists are given to the model as pairs."""
        pairs = {}
        for name in (name for name in _SEQUENCES if name in batch):
            length = batch[name].shape[-1] or tf.shape(batch[name])[-1]
            pairs[name] = tf.reshape(batch[name], [-1, length])
        labels = batch["labels"][:, : tf.shape(batch["input_ids"])[1]]
        outputs = model(pairs, training=training, dropout_seed=dropout_seed)
        logits = tf.reshape(outputs["logits"], tf.shape(labels))
        return self.measure(batch | {"labels": labels}, {"logits": logits})

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The number of queries with a document; of the loss their weights."""
        counts = tf.cast(tf.reduce_any(_is_there(batch), axis=1), tf.float32)
        loss, accuracy = self.names
        weights = counts * example_weights(batch, counts)
        return {loss: tf.reduce_sum(weights), accuracy: tf.reduce_sum(counts)}

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The means of scores, ``logits`` [B, D].

        Raises:
            InputError: When there is not a logit for each label.
        """
        logits, labels = (
            tf.cast(values, tf.float32) for values in (outputs["logits"], batch["labels"])
        )
        if logits.shape.rank != 2 or not labels.shape.is_compatible_with(logits.shape):
            raise InputError(
                f"ListNet ranks lists, logits and labels [queries, documents]. Received: "
                f"{logits.shape} and {labels.shape}; train on lists by bert-keras finetune "
                "(data.loss = 'listwise'), as fit reads single pairs"
            )
        is_there = _is_there(batch)
        logits, labels = (tf.where(is_there, each, _NOWHERE) for each in (logits, labels))
        losses = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(labels), logits)
        best = tf.gather(labels, tf.argmax(logits, axis=1), axis=1, batch_dims=1)
        is_right = tf.cast(best == tf.reduce_max(labels, axis=1), tf.float32)
        counts = tf.cast(tf.reduce_any(is_there, axis=1), tf.float32)
        weights = self.weights(batch)
        totals = losses * counts * example_weights(batch, counts), is_right * counts
        return {
            name: WeightedMean(tf.reduce_sum(total), weights[name])
            for name, total in zip(self.names, totals, strict=True)
        }


def _is_there(batch: Batch) -> tf.Tensor:
    """Tell which documents are not missing, bool [B, D]."""
    if "attention_mask" not in batch:
        return tf.ones_like(batch["labels"], tf.bool)
    return tf.reduce_any(tf.cast(batch["attention_mask"], tf.bool), axis=2)
