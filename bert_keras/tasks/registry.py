"""The tasks that there are, and the one that a recipe names or a model is for."""

from dataclasses import fields, replace
from typing import Any, TypeVar

from bert_keras.config import TaskDataConfig, from_tables
from bert_keras.config.checks import (
    LEAST_LENGTH,
    at_least,
    nearest,
    one_of,
    readable_length,
)
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.task import Task
from bert_keras.training.curves import describe_curves

TASKS: dict[str, type[Task]] = {}

Kind = TypeVar("Kind", bound=type[Task])


def register(kind: Kind) -> Kind:
    """Make a task known by its name to recipes, and by its class of models.

    A class decorator; it stands above ``@dataclass``.

    Example:
        >>> @register  # doctest: +SKIP
        ... @dataclass(frozen=True, kw_only=True)
        ... class Coherence(AnsweringTask):
        ...     name = "coherence"
    """
    TASKS[kind.name] = kind
    describe_curves(kind.objective, kind.title, kind.unit, kind.curves)
    return kind


def make_task(data: TaskDataConfig) -> Task:
    """The task that ``[data]`` describes; with labels where it names them.

    Raises:
        InputError: When there is no such task, or no such key; names the tasks that have the key.
    """
    one_of("data.task", data.task, tuple(TASKS))
    kind = TASKS[data.task]
    if data.stratify and not kind.has_one_label:
        raise InputError(_of_others("stratify", [k.name for k in TASKS.values() if k.has_one_label],
                                    data.task))  # fmt: skip
    keys = kind.recipe_keys()
    for key in data.settings:
        if key not in keys:
            others = [name for name, other in TASKS.items() if key in other.recipe_keys()]
            if others:
                raise InputError(_of_others(key, others, data.task))
            raise InputError(f"unknown key data.{key}; {nearest(key, [*data.own_keys(), *keys])}")
    task = from_tables(kind, dict(data.settings), prefix="data.")
    at_least("data.max_seq_length", task.max_seq_length, LEAST_LENGTH)
    return task


def with_every_key(data: TaskDataConfig, task: Task) -> TaskDataConfig:
    """``[data]`` with every key of its task, as a run's ``config.toml`` has it."""
    values = {name: getattr(task, name) for name in task.recipe_keys()}
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
    return replace(data, settings=plain)


def _of_others(key: str, others: list[str], task: str) -> str:
    names = " or ".join(map(repr, others))
    return f"data.{key} is for data.task = {names}. Received: data.task = {task!r}"


def task_of(model: BertModel, **settings: Any) -> Task:
    """The task that a model is for, with its labels.

    Args:
        model: One of our models.
        **settings: Fields of the task that win over those the model was trained with, which its
            ``config.json`` keeps. A model from elsewhere keeps none; then ``max_seq_length`` is its
            ``default_length``, and for span questions no more than 384.

    Raises:
        InputError: When the model has no head for a task, or reads shorter sequences than asked.
    """
    kind = _kind_of(model)
    possible = [field.name for field in fields(kind)]
    for name in settings:
        if name not in possible:
            raise InputError(f"{kind.name} has no {name}; {nearest(name, possible)}")
    # What a task has of its model by the same name.
    names = [
        n
        for n in ("labels", "function_to_apply", "decision")
        if n in possible and hasattr(model, n)
    ]
    of_model = {"max_seq_length": kind.default_length(model)}
    of_model |= {name: getattr(model, name) for name in names} | _remembered(kind, model)
    task = kind(**(of_model | settings))
    longest = model.config.longest_sequence
    readable_length("max_seq_length", task.max_seq_length, longest)
    return task


def has_task(model: BertModel) -> bool:
    """Tell whether a model has a head that gives a task's answers."""
    return any(kind.has_head and kind.is_of(model) for kind in TASKS.values())


def _kind_of(model: BertModel) -> type[Task]:
    """The task of a model; of several the one that it was trained for, where it says so."""
    kinds = [kind for kind in TASKS.values() if kind.is_of(model)]
    if not kinds:
        raise InputError(
            f"a {type(model).__name__} has no head for a task; fine-tune it first: bert-keras "
            "finetune"
        )
    trained = (kind for kind in kinds if kind.remembered_key() in model.other_config)
    return next(trained, kinds[0])


def _remembered(kind: type[Task], model: BertModel) -> dict[str, Any]:
    """The settings of the task that the model's ``config.json`` keeps."""
    key = kind.remembered_key()
    values = model.other_config.get(key, {})
    types = {f.name: type(f.default) for f in fields(kind) if f.name in kind.remembers}
    # JSON has no difference between 1 and 1.0.
    possible = {name: (int, float) if kind is float else (kind,) for name, kind in types.items()}
    if not isinstance(values, dict) or not all(
        type(value) in possible.get(name, ()) for name, value in values.items()
    ):
        raise InputError(f"the model's config.json: {key} is damaged. Received: {values!r}")
    return values


def trained_length(model: BertModel) -> int | None:
    """The length that a model was fine-tuned at, in tokens; None where it does not say."""
    if not has_task(model):
        return None
    return _remembered(_kind_of(model), model).get("max_seq_length")
