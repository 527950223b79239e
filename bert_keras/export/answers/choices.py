"""The score of a choice: a row for each pair of a context and a choice."""

from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, served
from bert_keras.export.outputs import CHOICE_LOGITS
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import MultipleChoice, task_of


@served.register(MultipleChoice)
class ChoiceAnswers(Answers):
    """The logit of each choice; who asks takes the softmax over those of one context.

    A server batches the requests of several clients by their rows, and all rows must be alike. So a
    row is a pair of ``text_a``, the context, and ``text_b``, the choice behind what stands before
    it, and contexts may have any number of choices.
    """

    outputs = (CHOICE_LOGITS,)

    @classmethod
    def text_inputs(cls, config: Any) -> tuple[str, ...]:
        """The context and a choice."""
        return ("text_a", "text_b")

    @classmethod
    def truncation(cls, model: BertModel) -> str:
        """The truncation that the model was trained with."""
        task: Any = task_of(model)
        return str(task.truncation)

    def from_ids(self, batch: Tensors) -> Tensors:
        """The logits, [B]."""
        return {"logits": tf.cast(logits_of_pairs(self.model, batch), tf.float32)}

    def own_settings(self) -> dict[str, Any]:
        """The treatment of long texts."""
        return {"truncation": self.truncation(self.model)}

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The model's own logits."""
        batch = self.host_batch(texts)
        logits = model.forward({name: ids[:, None] for name, ids in batch.items()})["logits"]
        return {"logits": np.asarray(tf.cast(logits, tf.float32))[:, 0]}


def logits_of_pairs(model: BertModel, batch: Tensors) -> tf.Tensor:
    """The logit of each sequence as the only choice, [B].

    Args:
        model: A model of multiple choice.
        batch: ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [B, L].
    """
    choices = {name: tf.expand_dims(ids, 1) for name, ids in batch.items()}
    return model(choices, training=False)["logits"][:, 0]
