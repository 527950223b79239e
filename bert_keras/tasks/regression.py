"""Regression: a number for a text or a pair, as in STS-B (Devlin et al. 2018, section 4.1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bert_keras.errors import InputError
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import pearson, spearman
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.running import Outputs
from bert_keras.tasks.task import Mistake, Prediction
from bert_keras.tasks.texts import TextTask, label_of, logits_of, shown


@dataclass(frozen=True, kw_only=True)
class Regression(TextTask):
    """A number; answers are ``{"score"}``."""

    labels: tuple[str, ...] = ("score",)

    name = "regression"
    columns = ("text", "score")
    best_metric = "spearman"
    problem_type = "regression"
    confidence = "difference"

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """The one number."""
        for example in examples:
            self.target(example)
        return self.labels

    def target(self, example: TextExample) -> float:
        """The number that stands as label."""
        label = label_of(example)
        try:
            value = float(label)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{example.where}: a regression's label must be a number. Received: {label!r}"
            )
        return value

    def decode(
        self,
        examples: Sequence[TextExample],
        features: Sequence[Feature],
        outputs: Sequence[Outputs],
    ) -> list[Prediction]:
        """The number the model gives."""
        return [{"score": float(row[0])} for row in logits_of(features, outputs)]

    def score(
        self, examples: Sequence[TextExample], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Both correlations and the mean squared error."""
        expected = [self.target(example) for example in examples]
        given = [prediction["score"] for prediction in predictions]
        return {
            "spearman": spearman(expected, given),
            "pearson": pearson(expected, given),
            "mean_squared_error": float(np.mean(np.subtract(expected, given) ** 2)),
        }

    def row(self, example: TextExample, prediction: Prediction) -> list[str]:
        """Text and number."""
        return [shown(example), f"{prediction['score']:.3f}"]

    def mistake(self, example: TextExample, prediction: Prediction) -> Mistake | None:
        """Every answer is more or less wrong: by how much stands for the confidence."""
        expected, given = self.target(example), prediction["score"]
        return Mistake(abs(expected - given), f"{expected:g}", f"{given:.3f}", shown(example))
