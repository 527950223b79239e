"""The tasks' metrics as the field defines them. Knows no TensorFlow."""

from bert_keras.tasks.metrics.answers import (
    Threshold,
    answer_f1,
    best_threshold,
    counts_characters,
    exact_match,
    normalize_answer,
)
from bert_keras.tasks.metrics.entities import Span, entity_scores, entity_spans
from bert_keras.tasks.metrics.labels import (
    accuracy,
    label_f1,
    macro_f1,
    matthews_correlation,
    multi_label_scores,
    pearson,
    spearman,
)

__all__ = [
    "Span",
    "Threshold",
    "accuracy",
    "answer_f1",
    "best_threshold",
    "counts_characters",
    "entity_scores",
    "entity_spans",
    "exact_match",
    "label_f1",
    "macro_f1",
    "matthews_correlation",
    "multi_label_scores",
    "normalize_answer",
    "pearson",
    "spearman",
]
