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
from bert_keras.tasks.span import Span
from bert_keras.tasks.tagging import Tagging
from bert_keras.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Classification, MultiLabel, Regression, Tagging, Span, MaskedLM)
}

_OF_CLASS: dict[type, type[Task]] = {
    BertForTokenClassification: Tagging,
    BertForQuestionAnswering: Span,
    BertForMaskedLM: MaskedLM,
    BertForPreTraining: MaskedLM,
}
# Keys of ``[data]`` that no task reads itself.
_OF_EVERY_TASK = ("task", "train", "dev", "dev_fraction")
# What JSON may have for a field whose default is of a type.
_TYPES: dict[type, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    bool: (bool,),
    str: (str,),
}


def make_task(data: TaskDataConfig) -> Task:
    """The task that ``[data]`` describes, without labels yet.

    Raises:
        InputError: When a key is set that only other tasks read.
    """
    kind = TASKS[data.task]
    names = [field.name for field in fields(kind) if hasattr(data, field.name)]
    for key in fields(data):
        is_set = getattr(data, key.name) != key.default
        if is_set and key.name not in (*names, *_OF_EVERY_TASK):
            others = [n for n, k in TASKS.items() if key.name in (f.name for f in fields(k))]
            raise InputError(
                f"data.{key.name} is for {', '.join(others)}; data.task is {data.task!r}"
            )
    return kind(**{name: getattr(data, name) for name in names})


def task_of(model: Any, **settings: Any) -> Task:
    """The task that a model is for, with its labels.

    Args:
        model: One of our models.
        **settings: Fields of the task that win over those the model was trained with, which its
            ``config.json`` keeps. A model from elsewhere keeps none; then ``max_seq_length`` is the
            most that it reads, and for span questions no more than 384.

    Raises:
        InputError: When the model has no head for a task, or reads shorter sequences than asked.
    """
    kind = _kind_of(model)
    possible = [field.name for field in fields(kind)]
    for name in settings:
        if name not in possible:
            raise InputError(f"{kind.name} has no {name}; {nearest(name, possible)}")
    longest = model.config.max_position_embeddings
    default = min(longest, Span.max_seq_length) if kind is Span else longest
    labels = {"labels": model.labels} if hasattr(model, "labels") else {}
    of_model = {"max_seq_length": default} | labels | _remembered(kind, model)
    task = kind(**(of_model | settings))
    readable_length("max_seq_length", task.max_seq_length, longest)
    return task


def _kind_of(model: Any) -> type[Task]:
    """The task of a model."""
    if isinstance(model, BertForSequenceClassification):
        by_problem = {kind.problem_type: kind for kind in (Classification, MultiLabel, Regression)}
        return by_problem[model.problem_type]
    for model_class, kind in _OF_CLASS.items():
        if isinstance(model, model_class):
            return kind
    raise InputError(
        f"a {type(model).__name__} has no head for a task; fine-tune it first: bert-keras finetune"
    )


def _remembered(kind: type[Task], model: Any) -> dict[str, Any]:
    """The settings of the task that the model's ``config.json`` keeps."""
    key = kind.remembered_key()
    values = model.other_config.get(key, {})
    types = {f.name: _TYPES[type(f.default)] for f in fields(kind) if f.name in kind.remembers}
    if not isinstance(values, dict) or not all(
        type(value) in types.get(name, ()) for name, value in values.items()
    ):
        raise InputError(f"the model's config.json: {key} is damaged. Received: {values!r}")
    return values


def trained_length(model: Any) -> int | None:
    """The length that a model was fine-tuned at, in tokens; None where it does not say."""
    try:
        kind = _kind_of(model)
    except InputError:  # no head for a task
        return None
    return _remembered(kind, model).get("max_seq_length")
