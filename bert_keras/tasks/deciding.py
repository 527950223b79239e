"""A task whose models give labels probabilities, from which they decide."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from bert_keras.modeling import BARE, Decision
from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.answering import AnsweringTask, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import label_f1
from bert_keras.tasks.task import Predictions


class Choices(NamedTuple):
    """Choices between labels, each with a right one.

    Attributes:
        logits: The bare logits of the labels, float64 [choices, labels].
        right: The numbers of the right ones, int [choices].
    """

    logits: np.ndarray
    right: np.ndarray

    @classmethod
    def of_texts(cls, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Self:
        """The choices of texts with one feature each: its logits and its target."""
        logits = np.array([output["logits"] for output in outputs], np.float64)
        return cls(logits, np.array([feature.targets["labels"] for feature in features]))

    @classmethod
    def of_tokens(cls, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Self:
        """The choices of the tokens that have a label."""
        right = [np.array(feature.token_targets["labels"]) for feature in features]
        logits = [
            output["logits"][labels != IGNORED_LABEL]
            for output, labels in zip(outputs, right, strict=True)
        ]
        numbers = np.concatenate(right)
        return cls(np.concatenate(logits).astype(np.float64), numbers[numbers != IGNORED_LABEL])

    def at(self, decision: Decision) -> Self:
        """The choices with their logits divided by a decision's temperature."""
        return self._replace(logits=decision.scaled(self.logits))


class LabelScore(NamedTuple):
    """The number of examples that have a label, and the F1 of giving it."""

    examples: int
    f1: float


@dataclass(frozen=True, kw_only=True)
class DecidingTask(AnsweringTask):
    """A task whose models give labels probabilities, by a softmax or by sigmoids.

    Attributes:
        decision: The model's: its temperature and thresholds.
        many: Whether a text may have several labels, so that each has a threshold.
    """

    decision: Decision = BARE

    many = False

    @abstractmethod
    def choices(self, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Choices:
        """The choices that the model made, by its bare logits.

        With several labels each is a choice of its own, between the label's logit and one of 0: the
        softmax of the two is its sigmoid.

        Args:
            features: Features with targets.
            outputs: The model's outputs for each, as ``decode`` has them.
        """

    def label_table(self, examples: Sequence[Any]) -> np.ndarray:
        """1 where an example has a label, int [examples, labels]; of tasks with several labels."""
        raise NotImplementedError(f"{self.name} has one label for each")

    def label_scores(
        self, examples: Sequence[Any], predictions: Predictions
    ) -> dict[str, LabelScore]:
        """Each label's F1; empty where an example has no more than one."""
        if not self.many:
            return {}
        expected = self.label_table(examples)
        given = np.array([[name in p["labels"] for name in self.labels] for p in predictions], int)
        return {
            name: LabelScore(int(right.sum()), label_f1(right.tolist(), answer.tolist(), 1))
            for name, right, answer in zip(self.labels, expected.T, given.T, strict=True)
        }
