"""Whether a model reads pairs of texts: what it was trained on, and what an export is asked for."""

from dataclasses import replace
from typing import TypeVar

from bert_keras.config.export import SavedModelConfig, TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task

Config = TypeVar("Config", SavedModelConfig, TFLiteConfig)


def trained_on(model: BertModel) -> str:
    """``"texts"``, ``"pairs"`` or ``"both"``; empty where the model does not say."""
    if model.needs_pairs:
        return "pairs"
    return str(getattr(task_of(model), "trained_on", "")) if has_task(model) else ""


def with_pair(config: Config, model: BertModel) -> Config:
    """The settings with ``pair`` filled in: where it is left out, what the model was trained on.

    Raises:
        InputError: When the model was trained on the other alone.
    """
    kind = trained_on(model)
    if kind == "pairs" and config.pair is False and config.input == "text":
        raise InputError(
            "the model was trained on pairs of texts, and a single one has no answer: leave "
            "--no-pair (pair = false) out, and the export takes text_a and text_b"
        )
    if kind == "texts" and config.pair:
        raise InputError("the model was trained on single texts: leave --pair (pair = true) out")
    is_pair = kind == "pairs" if config.pair is None else config.pair
    return replace(config, pair=is_pair and config.input == "text")
