"""What every fine-tuning task is: from rows of data to the model's answers and their score."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.saving import load
from bert_keras.tasks.batches import training_batches
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.running import Outputs, run_model
from bert_keras.tokenization import Tokenizer

Prediction = dict[str, Any]


class Mistake(NamedTuple):
    """An answer that was wrong, and how sure the model was of it, or how far off."""

    confidence: float
    expected: str
    predicted: str
    text: str


class Confusion(NamedTuple):
    """How often each label (rows) was given each label (columns); ``counts`` [n, n]."""

    labels: tuple[str, ...]
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A kind of question that a fine-tuned BERT answers (Devlin et al. 2018, section 3.2).

    Attributes:
        labels: The labels' names in the order of their numbers; empty where there are none.
        max_seq_length: Longest sequence of a feature, in tokens with the special ones.
        group_by_length: As in ``training_batches``.
    """

    labels: tuple[str, ...] = ()
    max_seq_length: int = 128
    group_by_length: bool = False

    name: ClassVar[str]
    model_class: ClassVar[type]
    confidence: ClassVar[str] = "confidence"  # what orders the mistakes
    remembers: ClassVar[tuple[str, ...]] = ("max_seq_length",)  # what ``config.json`` keeps

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of ``row``."""

    @property
    @abstractmethod
    def best_metric(self) -> str:
        """The metric that chooses the best model; higher is better."""

    def adapted_to(self, examples: Sequence[Any]) -> Self:
        """The task with the settings that the data it learns from decide."""
        return self

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The task over these labels."""
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
    def from_text(self, text: str, text_pair: str | None = None) -> Any:
        """The example of a text, or of a pair, that is to be answered."""

    @abstractmethod
    def read(self, source: str) -> list[Any]:
        """The examples of a file or data set, with labels where it has them.

        Raises:
            InputError: When it cannot be read; names the row.
        """

    @abstractmethod
    def read_texts(self, source: str) -> list[Any]:
        """The examples of a file that are to be answered, one for every row.

        Labels are passed over; a text may be empty.
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

    def cut_by(self, pairs: bool = False) -> str:
        """The settings that decide which part of a long example is read, for messages."""
        return f"max_seq_length = {self.max_seq_length}"

    def model_arguments(self) -> dict[str, Any]:
        """What ``model_class`` is made of beside the architecture."""
        return {"labels": self.labels} if self.labels else {}

    def open_model(self, path: str | Path, **arguments: Any) -> Any:
        """The model of a directory with a head for this task, which remembers the task's settings.

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

    @abstractmethod
    def features(self, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Feature]:
        """The sequences of examples; without targets where an example has no label.

        Raises:
            InputError: When a label is not one of the task's; names the row.
        """

    @abstractmethod
    def decode(
        self, examples: Sequence[Any], features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The answer to each example, of plain Python values.

        Args:
            examples: The examples.
            features: Their features.
            outputs: The model's outputs for each feature, as float32; those for tokens [L, ...]
                without padding.
        """

    @abstractmethod
    def score(self, examples: Sequence[Any], predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics, by their names in the field; shares are fractions."""

    def found(self, scores: dict[str, float]) -> dict[str, Any]:
        """The settings that an evaluation of the dev examples found; the model keeps them."""
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
        lower_is_better = ("_error", "_threshold")  # or neither is
        possible = [name for name in self.score([], []) if not name.endswith(lower_is_better)]
        if name not in possible:
            raise InputError(
                f"train.best_metric is {name!r}, which {self.name} does not have; its metrics: "
                f"{', '.join(possible or [self.best_metric])}"
            )
        return name

    @abstractmethod
    def texts_of(self, example: Any) -> dict[str, str]:
        """The texts of an example, by their names in files of answers."""

    @abstractmethod
    def row(self, example: Any, prediction: Prediction) -> list[str]:
        """The answer as a row of a table, under ``columns``."""

    @abstractmethod
    def mistake(self, example: Any, prediction: Prediction) -> Mistake | None:
        """What was wrong with an answer; None when it was right."""

    def confusion(
        self, examples: Sequence[Any], predictions: Sequence[Prediction]
    ) -> Confusion | None:
        """The confusion matrix; None where the task has none."""
        return None

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

    def measure(
        self, model: Any, examples: Sequence[Any], features: Sequence[Feature], batch_size: int = 32
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The model's losses and metrics on labelled examples, and its answers to them."""
        outputs, means = run_model(model, features, batch_size)
        predictions = self.decode(examples, features, outputs)
        losses = {name: value for name, value in means.items() if name.endswith("_loss")}
        return losses | self.score(examples, predictions), predictions
