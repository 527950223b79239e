"""What any model can be trained on, whatever labels it asks for."""

from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.modeling.inputs import SEQUENCES
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import IGNORED_LABEL, SupervisedObjective, WeightedMean
from bert_keras.objectives.means import Means
from bert_keras.objectives.vectors import OfTexts

Batch = dict[str, Any]


def real_part(output: tf.Tensor, batch: Batch) -> tf.Tensor:
    """An output in float32; of one for every token, with zeros at the padding."""
    output, mask = tf.cast(output, tf.float32), batch["attention_mask"]
    if output.shape[1:2] != mask.shape[1:]:
        return output
    mask = tf.cast(mask, tf.bool)
    return tf.where(tf.reshape(mask, [*mask.shape, *[1] * (output.shape.rank - 2)]), output, 0.0)


class Projection(SupervisedObjective):
    """A fixed weighted sum of all outputs: a loss for models that have none."""

    names = ("projection_loss",)

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The rows."""
        return {"projection_loss": tf.cast(tf.shape(batch["input_ids"])[0], tf.float32)}

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The sum over the real tokens."""
        total = tf.zeros(())
        for output in outputs.values():
            waves = np.cos(np.arange(np.prod(output.shape)), dtype="float32")
            total += tf.reduce_sum(real_part(output, batch) * waves.reshape(tuple(output.shape)))
        return {"projection_loss": WeightedMean(total, self.weights(batch)["projection_loss"])}


def objective_of(model: BertModel) -> SupervisedObjective:
    """A model's own objective, or one that any has."""
    return getattr(model, "objective", None) or Projection()


class _Labels(dict):
    """A batch that makes up what it is asked for: the first class, place or number, of each."""

    made: np.ndarray

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = self.made
        return self.made


def labeled(model: BertModel, batch: Batch) -> Batch:
    """A batch with the labels that a model's objective reads, for each real token or each row.

    Where it compares the texts of an example with each other, rows become examples of two texts.
    """
    if isinstance(objective_of(model), OfTexts):
        batch = {name: batch[name].reshape(-1, 2, batch[name].shape[-1]) for name in SEQUENCES}
    labels = _Labels(batch)
    labels.made = np.zeros(len(batch["input_ids"]), "int32")
    if "logits" in getattr(model, "token_outputs", ()):
        labels.made = np.where(batch["attention_mask"], 0, IGNORED_LABEL)
    objective_of(model).measure(labels, model(batch))
    return dict(labels)
