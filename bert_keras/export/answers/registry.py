"""Which answers a model gives."""

from dataclasses import replace
from typing import Any

from bert_keras.config.checks import readable_length
from bert_keras.config.export import SavedModelConfig
from bert_keras.export.answers.base import Answers
from bert_keras.export.answers.embeddings import EncoderAnswers, SentenceAnswers
from bert_keras.export.answers.labels import (
    ClassificationAnswers,
    MultiLabelAnswers,
    RegressionAnswers,
)
from bert_keras.export.answers.masked_lm import MaskedLMAnswers
from bert_keras.export.answers.next_sentence import NextSentenceAnswers
from bert_keras.export.answers.span import SpanAnswers
from bert_keras.export.answers.tagging import TaggingAnswers
from bert_keras.export.pairs import with_pair
from bert_keras.modeling import (
    BertEncoder,
    BertForNextSentencePrediction,
    BertForSentenceEmbedding,
)
from bert_keras.tasks import task_of

_OF_CLASS: dict[type, type[Answers]] = {
    BertEncoder: EncoderAnswers,
    BertForNextSentencePrediction: NextSentenceAnswers,
    BertForSentenceEmbedding: SentenceAnswers,
}
_OF_TASK: dict[str, type[Answers]] = {
    "classification": ClassificationAnswers,
    "multi_label": MultiLabelAnswers,
    "regression": RegressionAnswers,
    "masked_lm": MaskedLMAnswers,
    "tagging": TaggingAnswers,
    "span": SpanAnswers,
}


def answers_of(model: Any, config: SavedModelConfig) -> tuple[type[Answers], SavedModelConfig]:
    """The kind of a model's answers, and the settings with the model's own length filled in.

    Raises:
        InputError: When the length is more than the model reads, or the settings do not suit it.
    """
    longest = model.config.max_position_embeddings
    if type(model) in _OF_CLASS:
        kind = _OF_CLASS[type(model)]
        default = model.default_length
    else:
        task = task_of(model)
        kind, default = _OF_TASK[task.name], task.max_seq_length
    length = default if config.max_length is None else config.max_length
    readable_length("max_length", length, longest)
    config = with_pair(replace(config, max_length=length), model)
    kind.text_inputs(config)  # says so when pairs are not for it
    return kind, config
