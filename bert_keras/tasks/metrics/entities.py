"""Metrics of tagged words, and of entities as the CoNLL shared tasks define them."""

from collections.abc import Sequence

from seqeval.metrics import v1
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from sklearn import metrics

from bert_keras.tasks.schemes import Scheme

Tags = Sequence[str]


def entity_scores(
    expected: Sequence[Tags], predicted: Sequence[Tags], scheme: Scheme, strict: bool = False
) -> dict[str, float]:
    """Precision, recall and F1 over all entities (micro average), and the accuracy of the tags.

    An entity is right when type, first and last word are. The numbers are seqeval's.

    Args:
        expected: The right tags of each sentence.
        predicted: The model's, as many.
        scheme: The scheme of both. M, L and U count as I, E and S, which seqeval knows.
        strict: Whether tags that do not follow the scheme to the letter mark no entity (seqeval's
            ``mode="strict"``), or count by ``Scheme.spans``.
    """
    if not len(expected):
        return dict.fromkeys(("precision", "recall", "f1", "accuracy"), 0.0)
    options = {"average": "micro", "zero_division": 0}
    if strict:
        assert scheme.strict is not None
        sides = [[list(map(scheme.strict_form, tags)) for tags in s] for s in (expected, predicted)]
        scores = v1.precision_recall_fscore_support(*sides, scheme=scheme.strict, **options)
    else:
        sides = [[list(map(scheme.standard, tags)) for tags in s] for s in (expected, predicted)]
        scores = precision_recall_fscore_support(*sides, **options)
    names = ("precision", "recall", "f1")
    result = {name: float(score) for name, score in zip(names, scores, strict=False)}
    return result | {"accuracy": _accuracy(expected, predicted)}


def label_scores(expected: Sequence[Tags], predicted: Sequence[Tags]) -> dict[str, float]:
    """The accuracy of words' labels, and the mean of the F1 of each label (macro average).

    The mean is over the labels that are expected or predicted at least once.

    Args:
        expected: The right labels of each sentence.
        predicted: The model's, as many.
    """
    right, given = ([tag for tags in side for tag in tags] for side in (expected, predicted))
    macro = metrics.f1_score(right, given, average="macro", zero_division=0.0) if right else 0.0
    return {"accuracy": _accuracy(expected, predicted), "macro_f1": float(macro)}


def _accuracy(expected: Sequence[Tags], predicted: Sequence[Tags]) -> float:
    pairs = [
        one == other
        for sentence in zip(expected, predicted, strict=True)
        for one, other in zip(*sentence, strict=True)
    ]
    return sum(pairs) / len(pairs) if pairs else 0.0
