"""Ranking: a score for a query and a document that are read together, by a cross-encoder.

Nogueira and Cho 2019, "Passage Re-ranking with BERT", section 3.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np

from bert_keras.config.checks import one_of
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import ListNet, SigmoidCrossEntropy, SquaredError, SupervisedObjective
from bert_keras.objectives.means import mean_values
from bert_keras.retrieval.measures import measure_rankings
from bert_keras.saving.run_state import MODEL_FOLDER
from bert_keras.tasks.answering import Mistake, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading.rankings import by_query, check_order, numbers_by_query, read_lists
from bert_keras.tasks.registry import register
from bert_keras.tasks.regression import Regression, number_of
from bert_keras.tasks.task import Prediction, Predictions
from bert_keras.tasks.texts import Examples, shown
from bert_keras.tokenization import Tokenizer, WordPieceTokenizer

_logger = logging.getLogger("bert_keras")

# The function from the model's logit to its score, by the loss.
LOSSES = {"binary": "sigmoid", "squared": "none", "listwise": "none"}


@register
@dataclass(frozen=True, kw_only=True)
class Ranking(Regression):
    """A score for each document of a query; answers are ``{"score"}``, the higher, the better.

    The model is a regression's, with one score for a pair of query and document, so that
    sentence-transformers opens it as a ``CrossEncoder``. The measures rank the documents that the
    data have for each query. Of documents with equal scores the less relevant one counts as first.

    Data have a query, a document and a label in each row, as ``Regression`` reads pairs; or what
    ``read_lists`` takes: ``query``, ``documents`` and ``labels``, or ``query``, ``positive`` and
    negatives, or BEIR's judgements.

    Attributes:
        loss: ``"binary"``: the score is the probability that a document is relevant; labels are 0
            to 1. ``"squared"``: the score is the label. ``"listwise"``: the documents of a query
            compete (``ListNet``); a row of a batch is a query with all its documents.
        ignore_columns: Fields of lists that are passed over; others that are not read are refused.

    Example:
        >>> task = Ranking(loss="listwise")
        >>> task.name, task.best_metric
        ('ranking', 'ndcg@10')
    """

    loss: str = "binary"
    ignore_columns: tuple[str, ...] = ()
    trained_on: str = "pairs"

    name = "ranking"
    title = "Ranking"
    objective = "ranking"
    unit = "nats"
    curves = ("ndcg@10", "mrr@10")
    best_metric = "ndcg@10"
    pipeline_tag = "text-ranking"
    remembers = (*Regression.remembers, "loss")
    not_in_recipes = (*Regression.not_in_recipes, "windows", "max_windows")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.loss", self.loss, tuple(LOSSES))

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """Tell whether a model was trained so; any other of one score is for ``Regression``."""
        return super().is_of(model) and cls.remembered_key() in model.other_config

    def metrics(self) -> list[str]:
        """The measures of the rankings."""
        return ["ndcg@10", "mrr@10", "map@100", "recall@1", "recall@10", "recall@100"]

    def metric(self, name: str, dev: Examples) -> str:
        """The metric that chooses the best model.

        Raises:
            InputError: When there is no such metric, or no dev query has anything to rank, or
                anything relevant.
        """
        if dev:
            check_order(self._labels(dev))
        return super().metric(name, dev)

    def read(self, source: str) -> list[Any]:
        """The pairs of query and document with their labels, each query's together."""
        lists = read_lists(source, self.ignore_columns)
        return by_query(super().read(source) if lists is None else lists)

    def read_texts(self, source: str) -> list[Any]:
        """The pairs in the order of the rows, and of the documents of a row."""
        lists = read_lists(source, self.ignore_columns, labeled=False)
        return super().read_texts(source) if lists is None else lists

    def adapted_to(self, examples: Examples) -> Self:
        """The task, if it can learn from these examples.

        Raises:
            InputError: When all labels are the same, or of ``"listwise"`` those of each query.
        """
        self.labels_of(examples)
        groups = self._labels(examples)
        if self.loss == "listwise" and not any(len(set(group)) > 1 for group in groups):
            raise InputError(
                "no query has documents with different labels, which data.loss = 'listwise' needs; "
                "'binary' and 'squared' learn from single pairs"
            )
        labels = {*chain.from_iterable(groups)}
        if len(labels) == 1:
            raise InputError(
                f"every label is {labels.pop():g}, so that there is nothing to tell apart: add "
                "documents that answer their query better, or not, with another label"
            )
        return replace(self, function_to_apply=LOSSES[self.loss])

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """The one score; an example without a label is refused."""
        for example in examples:
            self.target(example)
        return self.labels

    def noun(self, examples: Examples) -> str:
        """Pairs, and the number of their queries, each of which is a row of ``"listwise"``."""
        return f"pairs of {len(numbers_by_query(examples)):,} queries"

    def key(self, example: Any) -> str:
        """The query, so that all its documents are held out together."""
        return str(example.text)

    def target(self, example: Any) -> list[float]:
        """The label, as the one value of the model's logits.

        Raises:
            InputError: When it is not a number, or of ``"binary"`` not one from 0 to 1.
        """
        label = number_of(example)
        if self.loss == "binary" and not 0 <= label <= 1:
            raise InputError(
                f"{example.where}: a label of data.loss = 'binary' must be 0 to 1. Received: "
                f"{label:g}; 'squared' and 'listwise' take any number"
            )
        return [label]

    def cut_by(self, pairs: bool = False) -> str:
        """The length, and how longer texts are read."""
        return super().cut_by(pairs=True)

    def model_arguments(self) -> dict[str, Any]:
        """A regression's, and the function that makes the score."""
        return super().model_arguments() | {"function_to_apply": LOSSES[self.loss]}

    def open_model(self, path: Any, **arguments: Any) -> BertModel:
        """The cross-encoder of a directory, or one with a new head, which is given the loss.

        ``fit`` trains it on the pairs of ``features``, not on lists (``ListNet``). If it reads
        WordPiece, its files will say the longest sequence, so that other programs cut texts there.

        Raises:
            InputError: When it cannot be opened.
        """
        model = super().open_model(path, **arguments)
        assert isinstance(model, SupervisedModel)
        model.objective = self.loss_of()
        if isinstance(model.tokenizer, WordPieceTokenizer):
            model.tokenizer = _of_length(model.tokenizer, self.max_seq_length)
        elif model.default_length != self.max_seq_length:
            _logger.warning("%s: its tokenizer's files will not say data.max_seq_length = %d, at "
                            "which other programs must cut", path, self.max_seq_length)  # fmt: skip
        return model

    def loss_of(self) -> SupervisedObjective:
        """The loss of a batch of pairs, or of lists."""
        if self.loss == "listwise":
            return ListNet()
        return SigmoidCrossEntropy("ranking") if self.loss == "binary" else SquaredError("ranking")

    def features(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        """One pair each; of ``"listwise"`` without labels, which ``training_features`` adds."""
        pairs = super().features(examples, tokenizer)
        return [replace(f, targets={}) for f in pairs] if self.loss == "listwise" else pairs

    def training_features(self, examples: Examples, features: Sequence[Feature]) -> list[Feature]:
        """The pairs; of ``"listwise"`` the list of each query, with its labels."""
        if self.loss != "listwise":
            return list(features)
        lists, labels = numbers_by_query(examples), self._labels(examples)
        most = max(map(len, lists))
        return [
            _list([features[n] for n in numbers], row + [0.0] * (most - len(row)))
            for numbers, row in zip(lists, labels, strict=True)
        ]

    def judge(
        self,
        examples: Examples,
        features: Sequence[Feature],
        outputs: Sequence[Outputs],
        means: Mapping[str, float],
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The loss of training, the measures, and the answers."""
        logits = np.array([output["logits"] for output in outputs], np.float32)
        labels = np.array([self.target(example) for example in examples], np.float32)
        batch, given = {"labels": labels}, logits
        if self.loss == "listwise":
            batch, given = _as_lists(numbers_by_query(examples), labels, logits)
        found = mean_values([self.loss_of().measure(batch, {"logits": given})])
        return super().judge(examples, features, outputs, found)

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """The measures of the ranking of each query's documents, those above 0 being relevant.

        Raises:
            InputError: As ``metric``.
        """
        labels = [self.target(example)[0] for example in examples]
        rankings, judged = {}, {}
        for query, numbers in enumerate(numbers_by_query(examples)):
            judged[query] = {number: labels[number] for number in numbers}
            rankings[query] = sorted(numbers, key=lambda n: (-predictions[n]["score"], labels[n]))
        check_order([[*row.values()] for row in judged.values()])
        measures = measure_rankings(rankings, judged)
        return {name: measures[name] for name in self.metrics()}

    def mistake(self, example: Any, prediction: Prediction) -> Mistake | None:
        """The score on the wrong side of a half, where it is a probability."""
        label, score = number_of(example), prediction["score"]
        if self.loss != "binary" or (label > 0.5) == (score > 0.5):
            return None
        return Mistake(abs(label - score), f"{label:g}", f"{score:.3f}", shown(example))

    def usage(self, is_pair: bool) -> str:
        """Documents in the order in which they answer a query."""
        return 'print(bert_keras.rank(model, "A query?", ["A document.", "Another one."]))'

    def usage_in_sentence_transformers(self) -> str:
        """The same order of documents."""
        return (
            "from sentence_transformers import CrossEncoder\n\n"
            f'model = CrossEncoder("{MODEL_FOLDER}")\n'
            'print(model.rank("A query?", ["A document.", "Another one."]))'
        )

    def _labels(self, examples: Examples) -> list[list[float]]:
        """The labels of each query's documents."""
        return [[self.target(examples[n])[0] for n in row] for row in numbers_by_query(examples)]


def _of_length(tokenizer: WordPieceTokenizer, length: int) -> WordPieceTokenizer:
    """The tokenizer of a model that reads so many tokens."""
    files = replace(tokenizer.files, config={**tokenizer.files.config, "model_max_length": length})
    return type(tokenizer)(tokenizer.pieces, tokenizer.casing, files, tokenizer.added)


def _list(pairs: Sequence[Feature], labels: list[float]) -> Feature:
    """The pairs of a query as one feature, with its labels, 0 for documents that are missing."""
    return Feature(
        pairs[0].example,
        [*chain.from_iterable(feature.input_ids for feature in pairs)],
        [*chain.from_iterable(feature.token_type_ids for feature in pairs)],
        {"labels": labels},
        window_ends=tuple(np.cumsum([len(feature.input_ids) for feature in pairs]).tolist()),
        lengths=tuple(chain.from_iterable(feature.lengths for feature in pairs)),
        tokens=sum(feature.tokens for feature in pairs),
        left_out=sum(feature.left_out for feature in pairs),
    )


def _as_lists(
    lists: Sequence[Sequence[int]], labels: np.ndarray, logits: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The batch and the logits [queries, documents] of pairs, [pairs, 1]."""
    shape = len(lists), max(map(len, lists))
    mask, label_rows, logit_rows = (np.zeros(shape, np.float32) for _ in range(3))
    for row, numbers in enumerate(lists):
        mask[row, : len(numbers)] = 1
        label_rows[row, : len(numbers)] = labels[numbers, 0]
        logit_rows[row, : len(numbers)] = logits[numbers, 0]
    return {"labels": label_rows, "attention_mask": mask[..., None]}, logit_rows
