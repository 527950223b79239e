"""Pairs of texts with a score of how near they are, or with a class, for a sentence encoder.

Reimers and Gurevych 2019, "Sentence-BERT", section 3.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from bert_keras.config.checks import one_of, require
from bert_keras.errors import InputError, listed
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import fold_in
from bert_keras.objectives import CoSENT, CosineSquaredError, PairSoftmax, SupervisedObjective
from bert_keras.objectives.pair_classes import CLASSIFIER
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import pearson, spearman
from bert_keras.tasks.reading import LabelRules, TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.regression import number_of
from bert_keras.tasks.sentences import TEMPERATURE, SentenceTask, cosines
from bert_keras.tasks.texts import TextReader, in_order, label_of

LOSSES = ("cosent", "cosine", "softmax")
_SHOWN = 10  # classes in a message
_BY_SCORES = ", and vectors are measured by scores: pass --dev a file of pairs with scores"
_CLASSES = "; pairs with classes teach by data.loss = 'softmax'"
_logger = logging.getLogger("bert_keras")


@register
@dataclass(frozen=True, kw_only=True)
class Similarity(SentenceTask, TextReader):
    """Pairs of texts with a score of how near they are, as in STS-B.

    The data are those of ``Regression`` on pairs. The measure is the correlation of the cosines
    with the scores. Training examples may have a class instead, as in natural language inference;
    the dev examples have scores then, too, as what is trained are vectors, not a classifier.

    Attributes:
        loss: ``"cosent"``: a pair with a higher score has a higher cosine than one with a lower,
            whatever the scores' range. ``"cosine"``: the cosine is the score, which is scaled to
            0 to 1 from ``lowest`` to ``highest`` (Reimers and Gurevych 2019, section 3).
            ``"softmax"``: the label is a class, which a linear classifier tells from both vectors
            and their difference; it is trained along and then dropped.
        lowest: The score that means 0, of ``"cosine"``; left out with ``highest``, the lowest of
            the training data.
        highest: The score that means 1.
        ignore_labels: Classes whose rows are left out, of ``"softmax"``: ``["-"]`` for SNLI.
        classes: Those of the training examples, in order, of ``"softmax"``.

    Example:
        >>> task = Similarity(text_pair_column="text")
        >>> task.name, task.best_metric
        ('similarity', 'spearman')
    """

    loss: str = "cosent"
    lowest: float | None = None
    highest: float | None = None
    ignore_labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    name = "similarity"
    title = "Similarity"
    objective = "similarity"
    unit = "nats, or squared error"
    curves = ("spearman", "pearson")
    best_metric = "spearman"
    not_in_recipes = (*SentenceTask.not_in_recipes, "classes")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.loss", self.loss, LOSSES)
        unread = [("temperature", "cosent"), ("lowest", "cosine"), ("highest", "cosine"),
                  ("ignore_labels", "softmax")]  # fmt: skip
        for name, loss in unread:
            if getattr(self, name) not in (None, ()) and self.loss != loss:
                raise InputError(
                    f"data.{name} is for data.loss = {loss!r}. Received: {self.loss!r}"
                )
        if self.matryoshka and self.loss == "softmax":
            raise InputError(
                "data.matryoshka is for losses that compare vectors, and the classifier of "
                "data.loss = 'softmax' reads vectors of one size"
            )
        low, high = self.lowest, self.highest
        if low is not None and high is not None:
            require("data.lowest must be below data.highest", low < high, (low, high))
        elif (low is None) != (high is None):
            raise InputError("data.lowest and data.highest go together; give both, or neither")

    def metrics(self) -> list[str]:
        """Both correlations."""
        return list(self.curves)

    def read(self, source: str) -> list[TextExample]:
        """The pairs of a table or data set with their scores, or with classes to learn from.

        See ``read_text_examples``.
        """
        has_classes = self.loss == "softmax" and not self.classes  # else these are known already
        rules = LabelRules(kind="one", ignored=self.ignore_labels)
        return self._read(source, rules if has_classes else LabelRules(kind="number"), labeled=True)

    def metric(self, name: str, dev: Sequence[TextExample]) -> str:
        """The metric that chooses the best model.

        Raises:
            InputError: When there is no such metric, all dev scores are the same, or one is a
                class that is no number.
        """
        spelled = [example for example in dev if example.label in self.classes]
        for example in spelled:
            if not _is_number(label_of(example)):
                raise InputError(f"{example.where} has the class {example.label!r}{_BY_SCORES}")
        if dev and len(spelled) == len(dev):
            _logger.warning(
                "the dev labels are spelled like the classes of the training examples; they are "
                "taken for scores: the higher, the nearer the texts of a pair"
            )
        if dev:
            _check_differ(dev, "dev scores")
        return super().metric(name, dev)

    def check_held_out(self) -> None:
        """Refuse to hold out examples with classes, by which vectors cannot be measured."""
        if self.loss == "softmax":
            raise InputError(f"data.dev_fraction holds out pairs with a class{_BY_SCORES}, or set "
                             "data.dev_fraction to 0")  # fmt: skip

    def adapted_to(self, examples: Sequence[TextExample]) -> Self:
        """The task with the range of the scores, or with the classes.

        Raises:
            InputError: When all are the same, a class is empty, or a score is out of the range
                that was given.
        """
        if self.loss == "softmax":
            for example in examples:
                if not label_of(example).strip():
                    raise InputError(
                        f"{example.where} has no class: give it one, or leave out the rows without "
                        "by data.ignore_labels = ['']"
                    )
            classes = in_order([label_of(example) for example in examples])
            if len(classes) < 2:
                raise InputError(
                    f"data.loss = 'softmax' needs pairs of two classes at least. Received: "
                    f"{classes[0]!r} alone"
                )
            _logger.info("%s classes: %s", len(classes), listed(classes, _SHOWN))
            return replace(self, classes=classes)
        scores = _check_differ(examples, "scores")
        if self.loss != "cosine":
            return self
        if self.lowest is None or self.highest is None:
            return replace(self, lowest=min(scores), highest=max(scores))
        for example, score in zip(examples, scores, strict=True):
            if not self.lowest <= score <= self.highest:
                raise InputError(
                    f"{example.where}: the score {score:g} is not from {self.lowest:g} to "
                    f"{self.highest:g}, which data.lowest and data.highest say"
                )
        return self

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """None; an example that is no pair, or has no score, is refused."""
        for example in examples:
            self.texts_of(example)
            if example.label not in self.classes:
                number_of(example, _BY_SCORES if self.loss == "softmax" else _CLASSES)
        return ()

    def texts_of(self, example: TextExample) -> tuple[str, ...]:
        """Both texts."""
        if example.text_pair is None:
            raise InputError(
                f"{example.where} is a single text, and similarity is of two: "
                "data.text_pair_column (--text-pair-column) names the column of the second"
            )
        return example.text, example.text_pair

    def targets(self, example: TextExample) -> dict[str, float]:
        """The score; from 0 to 1 where the cosine is to be it. Or the number of the class."""
        if self.loss == "softmax":  # a dev example has a score, which nothing is trained on
            known = example.label in self.classes
            return {"labels": self.classes.index(label_of(example))} if known else {}
        score = number_of(example, _CLASSES)
        if self.lowest is not None and self.highest is not None:
            score = (score - self.lowest) / (self.highest - self.lowest)
        return {"labels": score}

    def loss_of(self, model: BertModel) -> SupervisedObjective:
        """CoSENT, the squared error of the cosine, or the cross-entropy of the class."""
        if self.loss == "softmax":
            seed = fold_in(model.seed or 0, CLASSIFIER)
            return PairSoftmax(len(self.classes), model.width, seed)
        if self.loss == "cosine":
            return CosineSquaredError()
        return CoSENT(self.temperature or TEMPERATURE)

    def score_vectors(
        self,
        examples: Sequence[TextExample],
        vectors: Sequence[np.ndarray],
        features: Sequence[Feature] = (),
    ) -> dict[str, float]:
        """The correlations of the cosines with the scores."""
        scores = [number_of(example, _CLASSES) for example in examples]
        pairs = np.array(vectors)
        found = cosines(pairs[:, 0], pairs[:, 1]).tolist()
        return {"spearman": spearman(scores, found), "pearson": pearson(scores, found)}


def _is_number(label: str) -> bool:
    """Tell whether a label may be a score."""
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _check_differ(examples: Sequence[TextExample], what: str) -> list[float]:
    """The scores of examples, of which not all are the same.

    Raises:
        InputError: When they are, so that there is no order to learn or to measure.
    """
    scores = [number_of(example, _CLASSES) for example in examples]
    if len(set(scores)) < 2:
        raise InputError(
            f"all {len(scores)} {what} are the same, so there is no order of them: give pairs with "
            f"different scores. The first is {examples[0].where}"
        )
    return scores
