"""The interface of a fine-tuning task: from rows of data to sequences, batches and scores."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.saving import load
from bert_keras.tasks.batches import training_batches
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import Tokenizer

Prediction = dict[str, Any]
Predictions = Sequence[Prediction]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A task that BERT is fine-tuned for (Devlin et al. 2019, section 3.2).

    Its fields are also its keys of a recipe's ``[data]``, but for those ``not_in_recipes``. A task
    that gives answers to texts is an ``AnsweringTask``.

    Attributes:
        labels: The labels' names in the order of their numbers; empty where there are none.
        max_seq_length: Longest sequence of a feature, in tokens with the special ones.
        group_by_length: Whether batches are made of sequences of similar lengths: less padding for
            attention, the only layer that computes it, but batches that teach less.
        name: Its name in ``data.task``.
        title: The title of its curves.
        objective: The beginning of the names of its model's loss and accuracy.
        unit: The unit of its loss.
        curves: The metrics on the dev examples that are drawn; ``*`` stands for anything.
        model_class: The class of its models.
        remembers: The fields that a model's ``config.json`` keeps.
        not_in_recipes: The fields that a recipe does not set.
        has_one_label: Whether an example has one of the labels, so that a share of each label's
            may be held out, and labels may be weighted.
        reads_choices: Whether an example is several texts, such as choices, and its feature has a
            sequence for each.
        has_head: Whether its models have a head that gives answers; a sentence encoder has none.
        pipeline_tag: The name of the task on Hugging Face's hub; empty where it has none.
    """

    labels: tuple[str, ...] = ()
    max_seq_length: int = 128
    group_by_length: bool = False

    name: ClassVar[str]
    title: ClassVar[str]
    objective: ClassVar[str]
    unit: ClassVar[str] = "nats"
    curves: ClassVar[tuple[str, ...]] = ()
    model_class: ClassVar[type[SupervisedModel]]
    remembers: ClassVar[tuple[str, ...]] = ("max_seq_length",)
    not_in_recipes: ClassVar[tuple[str, ...]] = ("labels",)
    has_one_label: ClassVar[bool] = False
    reads_choices: ClassVar[bool] = False
    has_head: ClassVar[bool] = True
    pipeline_tag: ClassVar[str] = ""

    @classmethod
    def recipe_keys(cls) -> list[str]:
        """The keys of ``[data]`` that the task reads."""
        return [field.name for field in fields(cls) if field.name not in cls.not_in_recipes]

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """Tell whether a model has the head for this task."""
        return isinstance(model, cls.model_class)

    @classmethod
    def default_length(cls, model: BertModel) -> int:
        """``max_seq_length`` for a model that does not say what it was trained at."""
        return int(model.default_length)

    @property
    @abstractmethod
    def best_metric(self) -> str:
        """The metric that chooses the best model; higher is better."""

    def metrics(self) -> list[str]:
        """The metrics of which a recipe may choose ``best_metric``."""
        return [self.best_metric]

    def adapted_to(self, examples: Sequence[Any]) -> Self:
        """The task with the settings that follow from the data it learns from."""
        return self

    def sources(self) -> dict[str, Any]:
        """The identity of what the task reads besides the examples; a run resumes on the same."""
        return {}

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The task over these labels.

        Raises:
            InputError: When one is blank.
        """
        if not all(map(str.strip, labels)):
            raise InputError(f"every label needs a name. Received: {labels!r}")
        return replace(self, labels=tuple(labels))

    @classmethod
    def remembered_key(cls) -> str:
        """The key in ``config.json`` under which a model keeps settings of its task."""
        return f"{cls.name}_task"

    def remembered(self) -> dict[str, Any]:
        """The settings that ``config.json`` keeps, so that the model answers as it was trained."""
        values = {name: getattr(self, name) for name in self.remembers}
        # JSON has no infinity.
        return {self.remembered_key(): {n: v for n, v in values.items() if v != math.inf}}

    @abstractmethod
    def read(self, source: str) -> list[Any]:
        """The examples of a file or data set, with labels where it has them.

        Raises:
            InputError: When it cannot be read; names the row.
        """

    @abstractmethod
    def key(self, example: Any) -> str:
        """The text by whose hash an example is held out or not."""

    @abstractmethod
    def labels_of(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """The labels found in examples, in their order; empty where the task has none.

        Raises:
            InputError: When an example has none that the task can learn from; names the row.
        """

    def noun(self, examples: Sequence[Any]) -> str:
        """The name of examples that are counted, for messages."""
        return "examples"

    def cut_by(self, pairs: bool = False) -> str:
        """The settings that decide how much of a long example is read, for messages."""
        return f"max_seq_length = {self.max_seq_length}"

    def model_arguments(self) -> dict[str, Any]:
        """The constructor arguments of ``model_class`` besides the architecture."""
        return {"labels": self.labels} if self.labels else {}

    def open_model(self, path: str | Path, **arguments: Any) -> BertModel:
        """The model of a directory with a head for this task, which keeps the task's settings.

        Args:
            path: A model of any kind that ``bert_keras.load`` opens.
            **arguments: Arguments of the model, such as ``packed=True``.

        Raises:
            InputError: When it cannot be opened.

        Example:
            >>> task = Classification(labels=("bad", "good"), max_seq_length=128)
            >>> model = task.open_model("bert-base-uncased", packed=True)  # doctest: +SKIP
        """
        model = load(path, self.model_class, **(self.model_arguments() | arguments))
        model.other_config |= self.remembered()
        return model

    def check_held_out(self) -> None:  # noqa: B027 - most can be scored
        """Check that examples held out of those to learn from can be scored; called at once.

        Raises:
            InputError: When they cannot.
        """

    def check_batch(self, examples: Sequence[Any], size: int) -> None:  # noqa: B027 - most have nothing to check
        """Check that batches of ``size`` examples teach something; called before training.

        Raises:
            InputError: When they do not.
        """

    @abstractmethod
    def features(self, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Feature]:
        """The sequences of examples; without targets where an example has no label.

        Raises:
            InputError: When a label is not one of the task's; names the row.
        """

    def training_features(
        self, examples: Sequence[Any], features: Sequence[Feature]
    ) -> list[Feature]:
        """The rows of training's batches, by default the features; see ``Ranking``.

        Args:
            examples: The training examples.
            features: What ``features`` gives for them.
        """
        return list(features)

    def found(self, scores: dict[str, float]) -> dict[str, Any]:
        """The settings that an evaluation of the dev examples determines; the model keeps them."""
        return {}

    def metric(self, name: str, dev: Sequence[Any]) -> str:
        """The metric that chooses the best model: ``name``, or the task's own where it is empty.

        Args:
            name: What ``train.best_metric`` says.
            dev: The dev examples.

        Raises:
            InputError: When the task has no such metric.
        """
        if not name or name == self.best_metric:
            return self.best_metric
        if name not in self.metrics():
            raise InputError(
                f"train.best_metric is {name!r}, which {self.name} does not have; its metrics: "
                f"{', '.join(self.metrics())}"
            )
        return name

    def batches(
        self,
        features: Sequence[Feature],
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int = 0,
        start_step: int = 0,
        length: int | None = None,
    ) -> tf.data.Dataset:
        """The endless batches of training; see ``training_batches``."""
        pad_id, group = tokenizer.pad_id, self.group_by_length
        return training_batches(features, batch_size, pad_id, seed, start_step, length, group)

    @abstractmethod
    def measure(
        self,
        model: BertModel,
        examples: Sequence[Any],
        features: Sequence[Feature],
        batch_size: int = 32,
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The model's losses and metrics on labeled examples, and its answers to them, if any."""

    def usage(self, is_pair: bool) -> str:
        """Lines of Python that use ``model``, a model of the task, for its card.

        Args:
            is_pair: Whether the task was learned from pairs of texts.
        """
        return ""

    def usage_in_sentence_transformers(self) -> str:
        """Such lines for sentence-transformers; empty where that is not what opens its models."""
        return ""

    def no_answers(self) -> InputError:
        """The error for a task whose models give no answers."""
        return InputError(f"a model of the task {self.name} gives no answers to predict")
