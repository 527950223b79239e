"""Sentence encoders: vectors that are close where texts mean the same.

Reimers and Gurevych 2019, "Sentence-BERT", section 3.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any, Self

import numpy as np

from bert_keras.config.checks import one_of, require
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.embedding import POOLINGS
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import (
    CoSENT,
    CosineSquaredError,
    Matryoshka,
    SupervisedObjective,
)
from bert_keras.tasks.answering import run_model
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import pearson, spearman
from bert_keras.tasks.reading import LabelRules, TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.regression import number_of
from bert_keras.tasks.task import Prediction, Task
from bert_keras.tasks.texts import TextReader
from bert_keras.tokenization import Tokenizer

LOSSES = ("cosent", "cosine")


@dataclass(frozen=True, kw_only=True)
class SentenceTask(Task):
    """A task that trains a sentence encoder on several texts for each example.

    Attributes:
        pooling: ``"mean"``, ``"cls"`` or ``"max"``; left out, what the model has already, and the
            mean where it has none.
        temperature: What cosines are divided by in the loss; the lower, the more the loss is about
            the hardest texts. sentence-transformers' ``scale`` is its inverse.
        matryoshka: Numbers of dimensions: the loss is also that of vectors cut to each of them, so
            that a user may cut them (Kusupati et al. 2022).
    """

    pooling: str = ""
    temperature: float = 0.05
    matryoshka: tuple[int, ...] = ()

    model_class = BertForSentenceEmbedding
    reads_choices = True
    has_head = False

    def __post_init__(self) -> None:
        one_of("data.pooling", self.pooling or POOLINGS[0], POOLINGS)
        require("data.temperature must be positive", self.temperature > 0, self.temperature)

    @abstractmethod
    def texts_of(self, example: Any) -> tuple[str, ...]:
        """The texts of an example, in the order in which the model is given them."""

    @abstractmethod
    def loss_of(self) -> SupervisedObjective:
        """The loss of the vectors at their full width."""

    def labels_of(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """None: the texts themselves say what is close."""
        return ()

    def model_arguments(self) -> dict[str, Any]:
        """The length that it reads, and its pooling where the task says it."""
        return {"max_length": self.max_seq_length} | (
            {"pooling": self.pooling} if self.pooling else {}
        )

    def open_model(self, path: Any, **arguments: Any) -> BertModel:
        """The sentence encoder of a directory, or one that pools the encoder that is there.

        ``fit`` trains it on the task's loss.

        Raises:
            InputError: When it cannot be opened, puts a prompt before every text, or is too narrow
                for ``matryoshka``.
        """
        model = super().open_model(path, **arguments)
        assert isinstance(model, BertForSentenceEmbedding)
        model.objective = self.training_objective(model)
        if model.prompt():
            raise InputError(
                f"{path} puts the prompt {model.prompt()!r} before every text, which training does "
                "not: give it texts that begin with it, and a model without default_prompt_name"
            )
        return model

    def training_objective(self, model: BertModel) -> SupervisedObjective:
        """The task's loss; with those of its shorter vectors where it has some.

        Raises:
            InputError: When the vectors are too short for ``matryoshka``.
        """
        width = model.config.hidden_size
        loss = self.loss_of()
        if not self.matryoshka:
            return loss
        if max(self.matryoshka) > width:
            raise InputError(
                f"data.matryoshka must be numbers from 1 to {width}, the width of the model. "
                f"Received: {list(self.matryoshka)}"
            )
        return Matryoshka(loss, tuple(dict.fromkeys((width, *self.matryoshka))))

    def features(self, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Feature]:
        """One feature each, with a sequence for every text."""
        texts = [self.texts_of(example) for example in examples]
        encodings = iter(
            tokenizer.encode_batch([*chain.from_iterable(texts)], None, self.max_seq_length)
        )
        features = []
        for number, (example, group) in enumerate(zip(examples, texts, strict=True)):
            found = [next(encodings) for _ in group]
            features.append(
                Feature(
                    number,
                    [*chain.from_iterable(each.input_ids for each in found)],
                    [*chain.from_iterable(each.token_type_ids for each in found)],
                    targets=self.targets(example),
                    window_ends=tuple(accumulate(len(each.input_ids) for each in found)),
                    lengths=tuple(each.lengths[0] for each in found),
                    tokens=sum(sum(each.lengths) + each.left_out for each in found),
                    left_out=sum(each.left_out for each in found),
                )
            )
        return features

    def targets(self, example: Any) -> dict[str, Any]:
        """The values that the vectors are compared with; none where texts are with each other."""
        return {}

    def measure(
        self,
        model: BertModel,
        examples: Sequence[Any],
        features: Sequence[Feature],
        batch_size: int = 32,
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The measures of the examples' vectors; no loss, which depends on what shares a batch."""
        texts = [replace(each, targets={}) for feature in features for each in feature.windows()]
        outputs, _ = run_model(model, texts, batch_size)
        vectors = np.array([output["sentence_embedding"] for output in outputs], np.float32)
        ends = np.cumsum([len(feature.window_ends) for feature in features])
        return self.score_vectors(examples, np.split(vectors, ends[:-1])), []

    @abstractmethod
    def score_vectors(
        self, examples: Sequence[Any], vectors: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The measures.

        Args:
            examples: The examples.
            vectors: The vectors of the texts of each, [T, H].
        """

    def no_answers(self) -> InputError:
        """The error that names the commands for vectors."""
        return InputError(
            "a sentence encoder gives vectors, no labels: use bert-keras embed or bert-keras search"
        )


@register
@dataclass(frozen=True, kw_only=True)
class Similarity(SentenceTask, TextReader):
    """Pairs of texts with a score of how near they are, as in STS-B.

    The data are those of ``Regression`` on pairs. The measure is the correlation of the cosines
    with the scores.

    Attributes:
        loss: ``"cosent"``: a pair with a higher score has a higher cosine than one with a lower,
            whatever the scores' range. ``"cosine"``: the cosine is the score, which is scaled to
            0 to 1 from ``lowest`` to ``highest`` (Reimers and Gurevych 2019, section 3).
        lowest: The lowest possible score; left out with ``highest``, the lowest in the data.
        highest: The highest.

    Example:
        >>> task = Similarity(text_pair_column="text")
        >>> task.name, task.best_metric
        ('similarity', 'spearman')
    """

    loss: str = "cosent"
    lowest: float = 0.0
    highest: float = 0.0

    name = "similarity"
    title = "Similarity"
    objective = "similarity"
    unit = "nats, or squared error"
    curves = ("spearman", "pearson")
    best_metric = "spearman"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.loss", self.loss, LOSSES)
        low, high = self.lowest, self.highest
        is_range = low < high or low == high == 0
        require("data.lowest must be below data.highest", is_range, (low, high))

    def metrics(self) -> list[str]:
        """Both correlations."""
        return list(self.curves)

    def read(self, source: str) -> list[TextExample]:
        """The pairs of a table or data set, with their scores; see ``read_text_examples``."""
        return self._read(source, LabelRules(kind="number"), labeled=True)

    def adapted_to(self, examples: Sequence[TextExample]) -> Self:
        """The task with the range of the scores."""
        if self.loss != "cosine" or self.lowest < self.highest:
            return self
        scores = [number_of(example) for example in examples]
        if len(set(scores)) < 2:
            raise InputError(
                f"all {len(scores)} scores are the same: data.lowest and data.highest must "
                "say what range they are from"
            )
        return replace(self, lowest=min(scores), highest=max(scores))

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """None; an example that is no pair, or has no score, is refused."""
        for example in examples:
            self.texts_of(example)
            self._score(example)
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
        """The score; from 0 to 1 where the cosine is to be it."""
        score = self._score(example)
        if self.loss == "cosine":
            score = (score - self.lowest) / (self.highest - self.lowest)
        return {"labels": score}

    def _score(self, example: TextExample) -> float:
        """The score of an example.

        Raises:
            InputError: When there is none, or it is out of the range.
        """
        score = number_of(example)
        if self.lowest < self.highest and not self.lowest <= score <= self.highest:
            raise InputError(
                f"{example.where}: the score {score:g} is not from {self.lowest:g} to "
                f"{self.highest:g}; data.lowest and data.highest say the range"
            )
        return score

    def loss_of(self) -> SupervisedObjective:
        """CoSENT, or the squared error of the cosine."""
        return CosineSquaredError() if self.loss == "cosine" else CoSENT(self.temperature)

    def score_vectors(
        self, examples: Sequence[TextExample], vectors: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The correlations of the cosines with the scores."""
        scores = [number_of(example) for example in examples]
        pairs = np.array(vectors, np.float64)
        lengths = np.maximum(np.linalg.norm(pairs, axis=-1), 1e-12)
        cosines = np.einsum("nh,nh->n", pairs[:, 0], pairs[:, 1]) / lengths.prod(axis=1)
        return {"spearman": spearman(scores, cosines), "pearson": pearson(scores, cosines)}
