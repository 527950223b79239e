"""The tasks' metrics as the field defines them. Knows no TensorFlow."""

from bert_keras.tasks.metrics.answers import (
    Threshold,
    answer_f1,
    best_threshold,
    counts_characters,
    exact_match,
    normalize_answer,
)
from bert_keras.tasks.metrics.calibration import (
    Reliability,
    best_temperature,
    negative_log_likelihood,
    reliability,
)
from bert_keras.tasks.metrics.entities import entity_scores, label_scores
from bert_keras.tasks.metrics.labels import (
    accuracy,
    best_f1_threshold,
    label_f1,
    macro_f1,
    matthews_correlation,
    multi_label_scores,
    pearson,
    spearman,
)

__all__ = [
    "Reliability",
    "Threshold",
    "accuracy",
    "answer_f1",
    "best_f1_threshold",
    "best_temperature",
    "best_threshold",
    "counts_characters",
    "entity_scores",
    "exact_match",
    "label_f1",
    "label_scores",
    "macro_f1",
    "matthews_correlation",
    "multi_label_scores",
    "negative_log_likelihood",
    "normalize_answer",
    "pearson",
    "reliability",
    "spearman",
]
