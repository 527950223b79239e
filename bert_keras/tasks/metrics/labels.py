"""Metrics of labels and numbers, as the field defines them; what is undefined is 0.0."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats
from sklearn import metrics

Labels = Sequence[str] | Sequence[int]


def accuracy(expected: Labels, predicted: Labels) -> float:
    """The share of labels that are right."""
    return float(metrics.accuracy_score(expected, predicted)) if len(expected) else 0.0


def label_f1(expected: Labels, predicted: Labels, label: str | int) -> float:
    """The F1 of one label: the harmonic mean of its precision and recall."""
    return _f1(expected, predicted, [label])


def macro_f1(expected: Labels, predicted: Labels) -> float:
    """The plain mean of the labels' F1, over those that are expected or predicted at least once."""
    return _f1(expected, predicted, None)


def _f1(expected: Labels, predicted: Labels, labels: list[str | int] | None) -> float:
    if not len(expected):
        return 0.0
    return float(
        metrics.f1_score(expected, predicted, labels=labels, average="macro", zero_division=0.0)
    )


def matthews_correlation(expected: Labels, predicted: Labels) -> float:
    """The correlation coefficient of Matthews in [-1, 1] (GLUE's metric for CoLA)."""
    if not len(expected):
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one label only
        return float(metrics.matthews_corrcoef(expected, predicted))


def pearson(expected: Sequence[float], predicted: Sequence[float]) -> float:
    """The correlation coefficient of Pearson in [-1, 1]; 0.0 when one side does not vary."""
    return _correlation(stats.pearsonr, expected, predicted)


def spearman(expected: Sequence[float], predicted: Sequence[float]) -> float:
    """The rank correlation of Spearman in [-1, 1], ties at their mean rank; 0.0 as above."""
    return _correlation(stats.spearmanr, expected, predicted)


def multi_label_scores(expected: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Micro-F1, macro-F1 and the share of rows with exactly the right labels.

    Args:
        expected: 0 or 1, [rows, labels].
        predicted: The same shape.
    """
    if not len(expected):
        return {"micro_f1": 0.0, "macro_f1": 0.0, "subset_accuracy": 0.0}
    # A single column is to sklearn two classes, of which 0 would count as well.
    labels = [1] if np.shape(expected)[1] == 1 else None
    micro, macro = (
        float(metrics.f1_score(expected, predicted, labels=labels, average=kind, zero_division=0.0))
        for kind in ("micro", "macro")
    )
    right = float((np.asarray(expected) == np.asarray(predicted)).all(axis=1).mean())
    return {"micro_f1": micro, "macro_f1": macro, "subset_accuracy": right}


def best_f1_threshold(probabilities: np.ndarray, is_right: np.ndarray) -> float:
    """The threshold at which giving a label has the highest F1.

    It lies halfway between two of the probabilities, so that rounding moves none across it. Of
    several with the same F1 it is the nearest to 0.5, and of two that are as near the higher one.
    It is 0.5 where that is as good as any other, and where no example has the label.

    Args:
        probabilities: Those of the label, float64 [rows].
        is_right: Whether each row has it, bool [rows].
    """
    if not np.any(is_right):
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    upper, right = probabilities[order], np.asarray(is_right)[order]
    lower = np.append(upper[1:], 0.0)  # of the ones that are not given any more
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(right) + 1) + right.sum())
    # Rows of equal probabilities can only be given together.
    is_cut = np.append(upper[:-1] > upper[1:], True)
    is_best = is_cut & (f1 == f1[is_cut].max())
    lower, upper = lower[is_best], upper[is_best]
    between = (lower + upper) / 2
    between = np.where(between > lower, between, upper)  # no number lies between them
    thresholds = np.where((lower < 0.5) & (upper >= 0.5), 0.5, between)
    return float(thresholds[np.argmin(np.abs(thresholds - 0.5))])


def _correlation(function: object, expected: Sequence[float], predicted: Sequence[float]) -> float:
    assert callable(function)
    if len(expected) < 2:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one side is constant, or nearly
        value = float(function(np.asarray(expected, float), np.asarray(predicted, float))[0])
    return value if np.isfinite(value) else 0.0
