"""The answers and the settings of an export, by what the model is and was trained on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from bert_keras.config.checks import check_settings
from bert_keras.config.export import SavedModelConfig, TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task

Kind = TypeVar("Kind", bound=type)
Config = TypeVar("Config", SavedModelConfig, TFLiteConfig)


class Registry(Generic[Kind]):
    """The kinds of answers of one format.

    Args:
        form: The name of the format in messages.
    """

    def __init__(self, form: str) -> None:
        self._form = form
        self._kinds: dict[type, Kind] = {}

    def register(self, *of: type) -> Callable[[Kind], Kind]:
        """A class decorator that registers a kind of answers.

        Args:
            *of: The classes of the tasks whose models have them; the classes of models, for those
                that have no task. Those derived from them have them, too.
        """

        def known(kind: Kind) -> Kind:
            self._kinds.update(dict.fromkeys(of, kind))
            return kind

        return known

    def of(self, model: BertModel) -> Kind:
        """The kind of a model's answers.

        Raises:
            InputError: When there is none.
        """
        owner = type(task_of(model)) if has_task(model) else type(model)
        for each in owner.__mro__:
            if each in self._kinds:
                return self._kinds[each]
        raise InputError(
            f"{type(model).__name__} cannot be exported {self._form}: no answers are registered "
            f"for {owner.__name__}; it can be saved, and opened from Python"
        )


def with_settings(config: Config, settings: dict[str, Any]) -> Config:
    """The settings of an export, with those that are given by name.

    Raises:
        InputError: When there is no such setting.
    """
    check_settings(config, settings)
    return replace(config, **settings)


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
    if kind == "pairs" and config.pair is False and config.input != "tokens":
        raise InputError(
            "the model was trained on pairs of texts, and a single one has no answer: leave "
            "--no-pair (pair = false) out, and the export takes text_a and text_b"
        )
    if kind == "texts" and config.pair:
        raise InputError("the model was trained on single texts: leave --pair (pair = true) out")
    is_pair = kind == "pairs" if config.pair is None else config.pair
    return replace(config, pair=is_pair and config.input != "tokens")
