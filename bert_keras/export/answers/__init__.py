"""The answers of each kind of model, as graphs."""

from dataclasses import replace

from bert_keras.config.checks import readable_length
from bert_keras.config.export import SavedModelConfig
from bert_keras.errors import InputError
from bert_keras.export.answers import (  # noqa: F401 - they register themselves
    choices,
    embeddings,
    labels,
    masked_lm,
    span,
    tagging,
)
from bert_keras.export.answers.base import Answers, served
from bert_keras.export.registry import with_pair
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task

__all__ = ["Answers", "answers_of", "served"]


def answers_of(
    model: BertModel, config: SavedModelConfig
) -> tuple[type[Answers], SavedModelConfig]:
    """The kind of a model's answers, and the settings with the model's own length filled in.

    Raises:
        InputError: When the length is more than the model reads, or the settings do not suit it.
    """
    kind = served.of(model)
    default = task_of(model).max_seq_length if has_task(model) else model.default_length
    length = default if config.max_length is None else config.max_length
    readable_length("max_length", length, model.config.longest_sequence)
    config = with_pair(replace(config, max_length=length), model)
    if config.pair and not model.takes_pairs:
        raise InputError("such a model takes single texts: leave pair out")
    kind.text_inputs(config)  # refuses pairs where the kind takes none
    return kind, config
