"""Contrastive training of a sentence encoder: what belongs together is near, all else is far.

Gao et al. 2021, "SimCSE"; Karpukhin et al. 2020, "Dense Passage Retrieval", in-batch negatives.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bert_keras.config.checks import one_of, require
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import InBatchNegatives, SupervisedObjective, Triplet
from bert_keras.retrieval.exact import top_k
from bert_keras.retrieval.measures import DEPTH, measure_rankings
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading.groups import GroupExample, read_group_examples
from bert_keras.tasks.registry import register
from bert_keras.tasks.sentences import TEMPERATURE, SentenceTask
from bert_keras.training.curves import describe_curves

LOSSES = ("in_batch", "triplet")
MARGIN = 0.5
describe_curves("triplet", "Nearer text", "1 - cosine")


@register
@dataclass(frozen=True, kw_only=True)
class Contrastive(SentenceTask):
    """Anchors with a positive each, and negatives where the data have some.

    The measures rank, for every anchor of the dev examples, all their positives and negatives.

    Data are a table with a header (``.csv``, ``.tsv``), JSON lines or a TFDS data set: ``anchor``
    or ``query``, ``positive``, and ``negative`` or ``negatives``; or a ``.txt``, each line of which
    is its own positive (SimCSE).

    Attributes:
        loss: ``"in_batch"``: the positive is to be chosen among all positives and negatives of the
            batch, so that a larger ``train.batch_size`` is a harder question. ``"triplet"``: it is
            to be nearer than each negative of its own row, by ``margin``.
        symmetric: Whether anchors are to be chosen for positives, too; of ``"in_batch"``.
        margin: By how much it is to be nearer, as 1 - cosine; of ``"triplet"``. Left out, 0.5.
        ignore_columns: Columns or fields of the data that are passed over; any other that is not
            read is refused by its name.

    Example:
        >>> task = Contrastive(symmetric=True)
        >>> task.name, task.best_metric
        ('contrastive', 'mrr@10')
    """

    loss: str = "in_batch"
    symmetric: bool = False
    margin: float | None = None
    ignore_columns: tuple[str, ...] = ()

    name = "contrastive"
    title = "Nearest text"
    objective = "contrastive"
    curves = ("recall@1", "mrr@10")
    best_metric = "mrr@10"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.loss", self.loss, LOSSES)
        margin = MARGIN if self.margin is None else self.margin
        require("data.margin must be a number above 0", 0 < margin < math.inf, margin)
        unread = {
            "symmetric": ("in_batch", self.symmetric),
            "temperature": ("in_batch", self.temperature is not None),
            "margin": ("triplet", self.margin is not None),
        }
        for name, (loss, is_given) in unread.items():
            if is_given and self.loss != loss:
                raise InputError(
                    f"data.{name} is for data.loss = {loss!r}. Received: {self.loss!r}"
                )

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """Tell whether a model was trained so; any other sentence encoder is for ``Similarity``."""
        return super().is_of(model) and cls.remembered_key() in model.other_config

    def metrics(self) -> list[str]:
        """The measures of the rankings."""
        return ["mrr@10", "recall@1", "recall@10", "recall@100", "ndcg@10", "map@100"]

    def metric(self, name: str, dev: Sequence[GroupExample]) -> str:
        """The metric that chooses the best model.

        Raises:
            InputError: When there is no such metric, or every dev text is its own positive.
        """
        if dev and all(example.anchor == example.positive for example in dev):
            raise InputError(
                "every dev text is its own positive, so that any model finds it: pass --dev a file "
                "of pairs, or leave data.dev_fraction at 0"
            )
        return super().metric(name, dev)

    def read(self, source: str) -> list[GroupExample]:
        """The examples of a file or data set; see ``read_group_examples``."""
        return read_group_examples(source, self.ignore_columns)

    def adapted_to(self, examples: Sequence[GroupExample]) -> Self:
        """The task, if the loss can learn from these examples.

        Raises:
            InputError: When a triplet has no negative, or there is nothing to choose from.
        """
        for example in examples:
            if self.loss == "triplet" and not example.negatives:
                raise InputError(
                    f"{example.where} has no negative, which data.loss = 'triplet' needs; "
                    "'in_batch' takes the positives of other rows"
                )
        if len({text for example in examples for text in example.texts[1:]}) < 2:
            raise InputError(
                f"{examples[0].where}: no other text is there to choose the positive among: give "
                "more rows, or negatives"
            )
        return self

    def check_batch(self, examples: Sequence[GroupExample], size: int) -> None:
        """Check that a batch has another text than the anchor's positive.

        Raises:
            InputError: When it has one row, and a row has no negatives.
        """
        lone = next((example for example in examples if not example.negatives), None)
        if size == 1 and lone and self.loss == "in_batch":
            raise InputError(
                f"{lone.where} has no negatives, and train.batch_size = 1 brings no other row to "
                "choose the positive from: set train.batch_size to 2 or more"
            )

    def key(self, example: GroupExample) -> str:
        """The anchor, so that all its positives are held out together."""
        return example.anchor

    def texts_of(self, example: GroupExample) -> tuple[str, ...]:
        """The anchor, the positive, the negatives."""
        return example.texts

    def loss_of(self, model: BertModel) -> SupervisedObjective:
        """The choice among the batch, or the distances within a row."""
        if self.loss == "triplet":
            return Triplet(self.margin or MARGIN, "cosine")
        return InBatchNegatives(self.temperature or TEMPERATURE, self.symmetric)

    def usage(self, is_pair: bool) -> str:
        """A search."""
        return 'print(bert_keras.search(model, ["A text.", "Another text."], "A query?", top=1))'

    def score_vectors(
        self,
        examples: Sequence[GroupExample],
        vectors: Sequence[np.ndarray],
        features: Sequence[Feature] = (),
    ) -> dict[str, float]:
        """The measures of the ranking of all texts but the anchors, for each different anchor."""
        queries: dict[str, np.ndarray] = {}
        documents: dict[str, np.ndarray] = {}
        right: dict[str, set[str]] = {}
        for example, (anchor, *others) in zip(examples, vectors, strict=True):
            queries.setdefault(example.anchor, anchor)
            right.setdefault(example.anchor, set()).add(example.positive)
            for text, vector in zip(example.texts[1:], others, strict=True):
                documents.setdefault(text, vector)
        numbers = {text: number for number, text in enumerate(documents)}
        judged: dict[str, dict[Hashable, int]] = {
            query: {numbers[text]: 1 for text in texts} for query, texts in right.items()
        }
        _, best = top_k(np.array([*queries.values()]), np.array([*documents.values()]), DEPTH)
        return measure_rankings(dict(zip(queries, best.tolist(), strict=True)), judged)
