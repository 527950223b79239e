"""Train a model on a loss of your own: here the focal loss, in which easy examples count less.

python examples/own_objective.py
"""

import tensorflow as tf

import bert_keras
from bert_keras.objectives import SoftmaxCrossEntropy, WeightedMean

TEXTS, LABELS = ["a fine film", "a warm song", "a dull film", "a cold song"] * 8, [1, 1, 0, 0] * 8


class FocalLoss(SoftmaxCrossEntropy):
    """The cross-entropy times (1 - p)^2 of the right label's p (Lin et al. 2017, equation 4)."""

    def measure(self, batch, outputs):
        logits = tf.cast(outputs["logits"], tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["labels"], logits)
        total = tf.reduce_sum((1 - tf.exp(-losses)) ** 2 * losses)
        loss, _ = self.names
        means = super().measure(batch, outputs)
        # A total and a weight: over devices and micro-batches both are summed, then divided.
        return means | {loss: WeightedMean(total, means[loss].weight)}


class FocalBert(bert_keras.BertForSequenceClassification):
    def supervised_objective(self):
        return FocalLoss("classification")


tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(TEXTS, size=80))
config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
model = FocalBert(config, labels=["bad", "good"])
model.compile(bert_keras.AdamW(1e-3, bias_correction=True))
ids = tf.constant([encoding.input_ids for encoding in tokenizer.encode_batch(TEXTS)])
batch, labels = {"input_ids": ids, "attention_mask": tf.ones_like(ids)}, tf.constant(LABELS)
model.fit(batch, labels, batch_size=16, epochs=25, verbose=2)
print(model.evaluate(batch, labels, verbose=0, return_dict=True))
