"""Which tasks there are, and which one a recipe names or a model is for."""

from dataclasses import fields
from typing import Any

from bert_keras.config import TaskDataConfig
from bert_keras.config.checks import nearest, readable_length
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.tasks.classification import Classification
from bert_keras.tasks.masked_lm import MaskedLM
from bert_keras.tasks.multi_label import MultiLabel
from bert_keras.tasks.regression import Regression
from bert_keras.tasks.span import REMEMBERED, SETTINGS, Span
from bert_keras.tasks.tagging import Tagging
from bert_keras.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Classification, MultiLabel, Regression, Tagging, Span, MaskedLM)
}


def make_task(data: TaskDataConfig) -> Task:
    """The task that ``[data]`` describes, without labels yet."""
    kind = TASKS[data.task]
    names = [field.name for field in fields(kind) if hasattr(data, field.name)]
    return kind(**{name: getattr(data, name) for name in names})


def task_of(model: Any, **settings: Any) -> Task:
    """The task that a model is for, with its labels.

    Args:
        model: One of our models.
        **settings: Fields of the task; ``max_seq_length`` is by default what the model reads at
            most, of a span model what it was trained on.

    Raises:
        InputError: When the model has no head for a task, or reads shorter sequences than asked.
    """
    kind, in_model = _kind_of(model)
    possible = [field.name for field in fields(kind)]
    for name in settings:
        if name not in possible:
            raise InputError(f"{kind.name} has no {name}; {nearest(name, possible)}")
    longest = model.config.max_position_embeddings
    default = min(longest, Span.max_seq_length) if kind is Span else longest
    task = kind(**({"max_seq_length": default} | in_model | settings))
    readable_length("max_seq_length", task.max_seq_length, longest)
    return task


def _kind_of(model: Any) -> tuple[type[Task], dict[str, Any]]:
    """The task of a model, and what the model itself says of it."""
    if isinstance(model, BertForSequenceClassification):
        by_problem = {kind.problem_type: kind for kind in (Classification, MultiLabel, Regression)}
        return by_problem[model.problem_type], {"labels": model.labels}
    if isinstance(model, BertForTokenClassification):
        return Tagging, {"labels": model.labels}
    if isinstance(model, BertForQuestionAnswering):
        return Span, _remembered(model)
    if isinstance(model, BertForMaskedLM | BertForPreTraining):
        return MaskedLM, {}
    raise InputError(
        f"a {type(model).__name__} has no head for a task; fine-tune it first: bert-keras finetune"
    )


def _remembered(model: Any) -> dict[str, Any]:
    """What the model's ``config.json`` keeps of the task it was trained on."""
    values = model.other_config.get(REMEMBERED, {})
    if not isinstance(values, dict) or not all(
        name in SETTINGS and type(value) in (int, float) for name, value in values.items()
    ):
        raise InputError(f"the model's config.json: {REMEMBERED} is damaged. Received: {values!r}")
    return values
