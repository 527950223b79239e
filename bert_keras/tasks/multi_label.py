"""Multi-label classification: any number of labels for a text or a pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit

from bert_keras.errors import InputError
from bert_keras.tasks.answering import Mistake, Outputs
from bert_keras.tasks.deciding import Choices, DecidingTask
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import multi_label_scores
from bert_keras.tasks.reading import LABEL_SEPARATOR, TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.task import Prediction, Predictions
from bert_keras.tasks.texts import Examples, TextTask, in_order, label_of, shown


@register
@dataclass(frozen=True, kw_only=True)
class MultiLabel(TextTask, DecidingTask):
    """Any number of labels, even none; answers are ``{"labels", "scores"}``.

    Example:
        >>> task = MultiLabel(label_separator="|")
        >>> task.labels_of(task.read("topics.tsv"))
        ('music', 'news', 'sport')
    """

    name = "multi_label"
    title = "Classification"
    pipeline_tag = "text-classification"
    curves = ("micro_f1", "macro_f1")
    columns = ("text", "labels")
    best_metric = "micro_f1"
    problem_type = "multi_label_classification"
    label_kind = "several"
    not_in_recipes = ("trained_on", "decision")
    many = True

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """The single labels found, numbers by value and names by the alphabet."""
        return in_order([label for example in examples for label in split_labels(example)])

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The task over these labels.

        Raises:
            InputError: When there is none.
        """
        if not labels:
            raise InputError("a multi-label classification needs a label; no example has any")
        return super().with_labels(labels)

    def target(self, example: TextExample) -> list[int]:
        """1 for each label that the example has, 0 for each other."""
        numbers = {self.label_number(name, example.where) for name in split_labels(example)}
        return [int(number in numbers) for number in range(len(self.labels))]

    def answers(self, logits: np.ndarray) -> list[Prediction]:
        """The labels whose probability reaches their threshold, and the probability of each."""
        rows = expit(self.decision.scaled(logits))
        return [
            {
                "labels": [name for name, is_so in zip(self.labels, given, strict=True) if is_so],
                "scores": dict(zip(self.labels, map(float, row), strict=True)),
            }
            for row, given in zip(rows, self.decision.is_given(rows), strict=True)
        ]

    def choices(self, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Choices:
        """Each label of each text by itself, texts first."""
        logits, right = Choices.of_texts(features, outputs)
        pairs = np.stack([logits, np.zeros_like(logits)], axis=-1)
        return Choices(pairs.reshape(-1, 2), 1 - right.reshape(-1))

    def label_table(self, examples: Examples) -> np.ndarray:
        """The labels of each text."""
        return np.array([self.target(example) for example in examples])

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """F1 over all labels, the mean of the labels' F1, and the share of sets that are right."""
        expected = self.label_table(examples)
        given = np.array([[int(name in p["labels"]) for name in self.labels] for p in predictions])
        return multi_label_scores(expected, given)

    def decisions(self, prediction: Prediction) -> list[Any]:
        """The decision on each label: given or not."""
        return [label in prediction["labels"] for label in prediction["scores"]]

    def row(self, example: TextExample, prediction: Prediction) -> list[str]:
        """Text, and its labels with their probabilities."""
        scores = prediction["scores"]
        labels = (f"{name} {scores[name]:.3f}" for name in prediction["labels"])
        return [shown(example), ", ".join(labels)]

    def mistake(self, example: TextExample, prediction: Prediction) -> Mistake | None:
        """The whole set, with the probability of the label that was most surely wrong."""
        expected, given = split_labels(example), prediction["labels"]
        wrong = set(expected) ^ set(given)
        if not wrong:
            return None
        scores = prediction["scores"]
        surest = max(scores[name] if name in given else 1 - scores[name] for name in wrong)
        return Mistake(
            surest, LABEL_SEPARATOR.join(expected), LABEL_SEPARATOR.join(given), shown(example)
        )


def split_labels(example: TextExample) -> list[str]:
    """The single labels of an example."""
    parts = label_of(example).split(LABEL_SEPARATOR)
    return [name for part in parts if (name := part.strip())]
