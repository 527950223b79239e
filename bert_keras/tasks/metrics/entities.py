"""Metrics of entities, as the CoNLL shared tasks have them (Tjong Kim Sang and De Meulder 2003)."""

from collections.abc import Sequence
from typing import NamedTuple

from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

Tags = Sequence[str]


class Span(NamedTuple):
    """An entity: its type and the half-open range of its words."""

    label: str
    start: int
    end: int


def entity_spans(tags: Tags) -> list[Span]:
    """The entities that IOB2 tags mark, read as ``conlleval`` and seqeval's default mode read them.

    An ``I-x`` that does not follow an x begins an entity.
    """
    return [Span(label, start, last + 1) for label, start, last in get_entities(list(tags))]


def entity_scores(expected: Sequence[Tags], predicted: Sequence[Tags]) -> dict[str, float]:
    """Precision, recall and F1 over all entities (micro average), and the accuracy of the tags.

    An entity is right when type, first and last word are.

    Args:
        expected: The right tags of each sentence.
        predicted: The model's, as many.
    """
    if not len(expected):
        return dict.fromkeys(("precision", "recall", "f1", "accuracy"), 0.0)
    precision, recall, f1, _ = precision_recall_fscore_support(
        [list(tags) for tags in expected],
        [list(tags) for tags in predicted],
        average="micro",
        zero_division=0,
    )
    pairs = [
        one == other
        for sentence in zip(expected, predicted, strict=True)
        for one, other in zip(*sentence, strict=True)
    ]
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "accuracy": sum(pairs) / len(pairs) if pairs else 0.0,
    }
