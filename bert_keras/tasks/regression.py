"""Regression: a number for a text or a pair, as in STS-B (Devlin et al. 2019, section 4.1).

Or several numbers, each by its name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from bert_keras.errors import InputError
from bert_keras.modeling.labeling import label_names
from bert_keras.tasks.answering import Mistake
from bert_keras.tasks.metrics import pearson, spearman
from bert_keras.tasks.reading import LABEL_SEPARATOR, TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.task import Prediction, Predictions
from bert_keras.tasks.texts import Examples, TextTask, label_of, shown

_YES_OR_NO = ("true", "false", "yes", "no")


@register
@dataclass(frozen=True, kw_only=True)
class Regression(TextTask):
    """A number, or several; answers are ``{"score"}``, or ``{"scores"}`` by their names.

    Several stand in the data as a list, or joined by ``|``; ``labels`` names them.

    Attributes:
        function_to_apply: ``"sigmoid"`` where the model's score is one, as a cross-encoder's.

    Example:
        >>> task = Regression()
        >>> [task.target(example) for example in task.read("scores.tsv")]
        [4.5, 1.0]
    """

    labels: tuple[str, ...] = ("score",)
    function_to_apply: str = "none"

    name = "regression"
    title = "Regression"
    pipeline_tag = "text-classification"
    objective = "regression"
    unit = "squared error"
    curves = ("spearman", "pearson")
    columns = ("text", "score")
    best_metric = "spearman"
    problem_type = "regression"
    label_kind = "number"
    confidence = "difference"
    not_in_recipes = (*TextTask.not_in_recipes, "function_to_apply")

    def adapted_to(self, examples: Examples) -> Self:
        """The task with a name for each number that the data have."""
        return super().adapted_to(examples).with_labels(self.labels_of(examples))

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """The one number, or a name for each of as many as the first example has."""
        task, count = self, len(_numbers(examples[0])) if examples else 0
        if self.labels == Regression.labels and count > 1:
            task = self.with_labels(label_names(count))
        for example in examples:
            task.target(example)
        return task.labels

    def target(self, example: TextExample) -> list[float] | float:
        """The number that stands as label, or the numbers."""
        numbers = _numbers(example)
        if len(numbers) != len(self.labels):
            raise InputError(
                f"{example.where}: a label must have {len(self.labels)} numbers "
                f"({', '.join(self.labels)}). Received: {example.label!r}"
            )
        return numbers if len(numbers) > 1 else numbers[0]

    def answers(self, logits: np.ndarray) -> list[Prediction]:
        """The number or numbers the model gives."""
        scores = expit(logits) if self.function_to_apply == "sigmoid" else logits
        if len(self.labels) == 1:
            return [{"score": float(row[0])} for row in scores]
        return [{"scores": dict(zip(self.labels, map(float, row), strict=True))} for row in scores]

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """Both correlations and the mean squared error; of several numbers the mean, and each."""
        expected = np.array([_numbers(example) for example in examples]).T
        given = np.array([_given(prediction) for prediction in predictions]).T
        each = [_metrics(*pair) for pair in zip(expected, given, strict=True)]
        if len(each) == 1:
            return each[0]
        means = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
        return means | {
            f"{name}_{label}": value
            for label, one in zip(self.labels, each, strict=True)
            for name, value in one.items()
        }

    def decisions(self, prediction: Prediction) -> None:
        """None: a number is a measurement."""
        return

    def metrics(self) -> list[str]:
        """The correlations; of several numbers their means, and each."""
        each = (f"{name}_{label}" for label in self.labels for name in self.curves)
        return [*self.curves, *(each if len(self.labels) > 1 else ())]

    def row(self, example: TextExample, prediction: Prediction) -> list[str]:
        """Text and number, or the numbers with their names."""
        return [shown(example), self._line(_given(prediction), ".3f")]

    def mistake(self, example: TextExample, prediction: Prediction) -> Mistake | None:
        """The answer as a mistake: its distance from the right number stands for the confidence."""
        expected, given = _numbers(example), _given(prediction)
        furthest = float(np.abs(np.subtract(expected, given)).max())
        lines = self._line(expected, "g"), self._line(given, ".3f")
        return Mistake(furthest, *lines, shown(example))

    def _line(self, numbers: Sequence[float], form: str) -> str:
        """A number, or several with their names."""
        if len(numbers) == 1:
            return format(numbers[0], form)
        named = zip(self.labels, numbers, strict=True)
        return ", ".join(f"{name} {number:{form}}" for name, number in named)


def _numbers(example: TextExample) -> list[float]:
    """The numbers of a label.

    Raises:
        InputError: When there is none, or one is not finite.
    """
    label = label_of(example)
    try:
        values = [float(part) for part in label.split(LABEL_SEPARATOR)]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise InputError(
            f"{example.where}: a regression's label must be a number, or several as a list. "
            f"Received: {label!r}; data.ignore_labels = [{label!r}] (--ignore-label) leaves such "
            "rows out"
        )
    return values


def number_of(example: TextExample, classes: str = "") -> float:
    """The one number that stands as label.

    Args:
        example: The example.
        classes: The end of the message where the label is a word: what learns from classes.

    Raises:
        InputError: When it is not one finite number.
    """
    label = label_of(example)
    hint = f"; data.ignore_labels = [{label!r}] (--ignore-label) leaves such rows out"
    try:
        number = float(label)
        if math.isfinite(number):
            return number
    except ValueError:
        if label.strip().lower() in _YES_OR_NO:
            hint = "; write 1 for yes and 0 for no"
        elif any(map(str.isalpha, label)):
            hint = classes or hint
    raise InputError(f"{example.where}: the label must be one number. Received: {label!r}{hint}")


def _given(prediction: Prediction) -> list[float]:
    return list(prediction["scores"].values() if "scores" in prediction else [prediction["score"]])


def _metrics(expected: Sequence[float], given: Sequence[float]) -> dict[str, float]:
    return {
        "spearman": spearman(expected, given),
        "pearson": pearson(expected, given),
        "mean_squared_error": float(np.mean(np.subtract(expected, given) ** 2)),
    }
