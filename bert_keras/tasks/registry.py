"""Which tasks there are, and which one a recipe names or a model is for."""

from typing import Any

from bert_keras.config import TaskDataConfig
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
)
from bert_keras.tasks.classification import Classification
from bert_keras.tasks.masked_lm import MaskedLM
from bert_keras.tasks.multi_label import MultiLabel
from bert_keras.tasks.regression import Regression
from bert_keras.tasks.task import Task

_COLUMNS = ("text_column", "text_pair_column", "label_column")
_SETTINGS: dict[type[Task], tuple[str, ...]] = {
    Classification: _COLUMNS,
    MultiLabel: _COLUMNS,
    Regression: _COLUMNS,
    MaskedLM: (*_COLUMNS, "masking", "masking_rate"),
}
TASKS = {task.name: task for task in _SETTINGS}


def make_task(data: TaskDataConfig) -> Task:
    """The task that ``[data]`` describes, without labels yet."""
    kind = TASKS[data.task]
    names = ("max_seq_length", *_SETTINGS[kind])
    return kind(**{name: getattr(data, name) for name in names})


def task_of(model: Any, **settings: Any) -> Task:
    """The task that a model is for, with its labels.

    Args:
        model: One of our models.
        **settings: Fields of the task; ``max_seq_length`` is by default what the model reads at
            most.

    Raises:
        InputError: When the model has no head for a task.
    """
    settings = {"max_seq_length": model.config.max_position_embeddings} | settings
    if isinstance(model, BertForSequenceClassification):
        by_problem = {kind.problem_type: kind for kind in (Classification, MultiLabel, Regression)}
        return by_problem[model.problem_type](labels=model.labels, **settings)
    if isinstance(model, BertForMaskedLM | BertForPreTraining):
        return MaskedLM(**settings)
    raise InputError(
        f"a {type(model).__name__} has no head for a task; fine-tune it first: bert-keras finetune"
    )
