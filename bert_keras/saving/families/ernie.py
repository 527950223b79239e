"""ERNIE (Sun et al. 2019; 2.0: Sun et al. 2020): BERT with an embedding of the task.

ERNIE 2.0 and 3.0 add to every token the embedding of the task that the text is of
(``use_task_id``). As in transformers where nothing else is said, that is task 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.config.model import require_whole_number
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.modeling.layers import BertEmbeddings
from bert_keras.modeling.layout import lookup
from bert_keras.saving.families.bert import PLAIN_ENCODER, bert_names
from bert_keras.saving.families.family import Family, derived, register_family
from bert_keras.saving.names import Shape, bert_variables

_TABLE = "embeddings/task_type_embeddings"


@dataclass(frozen=True, kw_only=True)
class ErnieConfig(BertConfig):
    """BERT's, with the embeddings of tasks.

    Attributes:
        task_type_vocab_size: How many tasks there are.
        use_task_id: Whether the embedding of task 0 is added.
    """

    task_type_vocab_size: int = 3
    use_task_id: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole_number("task_type_vocab_size", self.task_type_vocab_size, at_least=1)
        if not isinstance(self.use_task_id, bool):
            raise InputError(f"use_task_id must be true or false. Received: {self.use_task_id!r}")


@keras.saving.register_keras_serializable(package="bert_keras")
class ErnieEmbeddings(BertEmbeddings):
    """BERT's, and with ``use_task_id`` the embedding of task 0 at every token."""

    config: ErnieConfig
    config_class = ErnieConfig

    def table_sizes(self) -> dict[str, int]:
        """The rows of each table."""
        tasks = {"task_type_embeddings": self.config.task_type_vocab_size}
        return super().table_sizes() | (tasks if self.config.use_task_id else {})

    def summed(self, words: tf.Tensor, positions: tf.Tensor, types: tf.Tensor) -> tf.Tensor:
        """The sum [T, E]."""
        summed = super().summed(words, positions, types)
        if self.config.use_task_id:
            summed += lookup(self.task_type_embeddings, tf.zeros_like(types))
        return summed


@keras.saving.register_keras_serializable(package="bert_keras")
class ErnieEncoder(BertEncoder):
    """ERNIE without a head; called as ``BertEncoder`` is."""

    config_class = ErnieConfig
    embeddings_class = ErnieEmbeddings


def _variables(config: Any, labels: int = 2) -> Iterator[tuple[str, Shape]]:
    yield from bert_variables(config, labels)
    if config.use_task_id:
        yield _TABLE, (config.task_type_vocab_size, config.hidden_size)


_HEADED = derived(
    ErnieEncoder,
    {
        "ErnieForPreTraining": BertForPreTraining,
        "ErnieForMaskedLM": BertForMaskedLM,
        "ErnieForNextSentencePrediction": BertForNextSentencePrediction,
        "ErnieForSequenceClassification": BertForSequenceClassification,
        "ErnieForTokenClassification": BertForTokenClassification,
        "ErnieForQuestionAnswering": BertForQuestionAnswering,
        "ErnieForMultipleChoice": BertForMultipleChoice,
    },
)
_EMBEDDING = "ErnieForSentenceEmbedding"

register_family(
    Family(
        model_type="ernie",
        title="ERNIE",
        classes={"ErnieModel": ErnieEncoder, **_HEADED},
        sentence_embedding=derived(ErnieEncoder, {_EMBEDDING: BertForSentenceEmbedding})[
            _EMBEDDING
        ],
        pretraining=_HEADED["ErnieForPreTraining"],
        names=bert_names("ernie", {_TABLE: "embeddings.task_type_embeddings.weight"}),
        prefix="ernie.",
        variables=_variables,
        required=PLAIN_ENCODER,
    )
)
