"""Text classification: one label for a text or a pair (Devlin et al. 2019, section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from bert_keras.errors import InputError
from bert_keras.tasks.answering import Confusion, Mistake, Outputs
from bert_keras.tasks.deciding import Choices, DecidingTask
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import accuracy, label_f1, macro_f1, matthews_correlation
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.task import Prediction, Predictions
from bert_keras.tasks.texts import Examples, TextTask, in_order, label_of, shown


@register
@dataclass(frozen=True, kw_only=True)
class Classification(TextTask, DecidingTask):
    """One of several labels; answers are ``{"label", "score", "scores"}``.

    Attributes:
        positive_label: The label whose F1 is measured, as ``f1_LABEL`` with ``_`` for spaces; by
            default each of two, and of more none.

    Example:
        >>> task = Classification(max_seq_length=32)
        >>> examples = task.read("train.tsv")
        >>> task = task.with_labels(task.labels_of(examples))
        >>> task.labels
        ('bad', 'good')
        >>> features = task.features(examples, tokenizer)
    """

    positive_label: str = ""

    name = "classification"
    title = "Classification"
    pipeline_tag = "text-classification"
    curves = ("accuracy", "f1_*", "macro_f1")
    columns = ("text", "label", "score")
    best_metric = "accuracy"
    problem_type = "single_label_classification"
    label_kind = "one"
    remembers = (*TextTask.remembers, "positive_label")
    not_in_recipes = ("label_columns", "label_separator", "trained_on", "decision")
    has_one_label = True

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """The labels found, numbers by value and names by the alphabet."""
        for example in examples:
            if not label_of(example):
                raise InputError(
                    f"{example.where}: the label is empty; data.ignore_labels = [''] "
                    "(--ignore-label '') leaves such rows out"
                )
        return in_order([label_of(example) for example in examples])

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The task over these labels.

        Raises:
            InputError: When there is only one, so that there is nothing to learn, or the
                positive one is not among them.
        """
        if len(labels) < 2:
            raise InputError(
                f"a classification needs examples of two labels at least. Received: {labels[0]!r} "
                "alone"
            )
        task = super().with_labels(labels)
        task._measured_labels()
        return task

    def _measured_labels(self) -> Sequence[str]:
        """The labels whose own F1 is measured."""
        if not self.positive_label:
            return self.labels if len(self.labels) == 2 else ()
        if self.positive_label not in self.labels:
            raise InputError(
                f"data.positive_label is {self.positive_label!r}, which is none of the labels: "
                f"{', '.join(self.labels)}"
            )
        return (self.positive_label,)

    def target(self, example: TextExample) -> int:
        """The label's number."""
        return self.label_number(label_of(example), example.where)

    def answers(self, logits: np.ndarray) -> list[Prediction]:
        """The likeliest label, and the probability of each."""
        rows = softmax(self.decision.scaled(logits), axis=-1)
        return [
            {
                "label": self.labels[int(row.argmax())],
                "score": float(row.max()),
                "scores": dict(zip(self.labels, map(float, row), strict=True)),
            }
            for row in rows
        ]

    def choices(self, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Choices:
        """Each text's choice between the labels."""
        return Choices.of_texts(features, outputs)

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """Accuracy, F1 and Matthews' correlation."""
        expected, given = _labels(examples, predictions)
        return {
            "accuracy": accuracy(expected, given),
            **{
                f"f1_{'_'.join(label.split())}": label_f1(expected, given, label)
                for label in self._measured_labels()
            },
            "macro_f1": macro_f1(expected, given),
            "matthews_correlation": matthews_correlation(expected, given),
        }

    def confusion(self, examples: Examples, predictions: Predictions) -> Confusion:
        """Right labels against given ones."""
        expected, given = _labels(examples, predictions)
        return Confusion(self.labels, confusion_matrix(expected, given, labels=list(self.labels)))

    def decisions(self, prediction: Prediction) -> list[Any]:
        """The label."""
        return [prediction["label"]]

    def row(self, example: TextExample, prediction: Prediction) -> list[str]:
        """Text, label and its probability."""
        return [shown(example), prediction["label"], f"{prediction['score']:.3f}"]

    def mistake(self, example: TextExample, prediction: Prediction) -> Mistake | None:
        """The wrong label, with its probability."""
        expected, given = label_of(example), prediction["label"]
        if expected == given:
            return None
        return Mistake(prediction["score"], expected, given, shown(example))


def _labels(examples: Examples, predictions: Predictions) -> tuple[list[str], list[str]]:
    """The right labels and the given ones."""
    return [label_of(e) for e in examples], [p["label"] for p in predictions]
