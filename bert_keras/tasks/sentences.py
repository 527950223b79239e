"""Sentence encoders: vectors that are close where texts mean the same.

Reimers and Gurevych 2019, "Sentence-BERT", section 3.
"""

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from bert_keras.config.checks import one_of, require
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.embedding import POOLINGS
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import Matryoshka, SupervisedObjective
from bert_keras.retrieval.search import measure_of
from bert_keras.saving.run_state import MODEL_FOLDER
from bert_keras.tasks.answering import run_model
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.task import Prediction, Task
from bert_keras.tokenization import Tokenizer

TEMPERATURE = 0.05
_logger = logging.getLogger("bert_keras")


@dataclass(frozen=True, kw_only=True)
class SentenceTask(Task):
    """A task that trains a sentence encoder on several texts for each example.

    Attributes:
        pooling: ``"mean"``, ``"cls"`` or ``"max"``; left out, what the model has already, and the
            mean where it has none.
        normalize: Whether vectors are scaled to length 1; left out, what the model has already, and
            true where it has none.
        temperature: What cosines are divided by in the loss; the lower, the more the loss is about
            the hardest texts. sentence-transformers' ``scale`` is its inverse. Left out, 0.05 for
            the losses that have one.
        matryoshka: Numbers of dimensions: the loss is also that of vectors cut to each of them, so
            that a user may cut them (Kusupati et al. 2022).
    """

    pooling: str = ""
    normalize: bool | None = None
    temperature: float | None = None
    matryoshka: tuple[int, ...] = ()

    model_class = BertForSentenceEmbedding
    reads_choices = True
    has_head = False
    pipeline_tag = "sentence-similarity"

    def __post_init__(self) -> None:
        one_of("data.pooling", self.pooling or POOLINGS[0], POOLINGS)
        given = TEMPERATURE if self.temperature is None else self.temperature
        require("data.temperature must be a number above 0", 0 < given < math.inf, given)
        sizes = self.matryoshka
        require(
            "data.matryoshka must be different numbers from 1 on",
            len(set(sizes)) == len(sizes) and all(size >= 1 for size in sizes),
            list(sizes),
        )

    @abstractmethod
    def texts_of(self, example: Any) -> tuple[str, ...]:
        """The texts of an example, in the order in which the model is given them."""

    @abstractmethod
    def loss_of(self, model: BertModel) -> SupervisedObjective:
        """The loss of the model's vectors at their full width."""

    def labels_of(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """None: the texts themselves say what is close."""
        return ()

    def model_arguments(self) -> dict[str, Any]:
        """Its pooling and scaling, where the task says them."""
        given = {"pooling": self.pooling or None, "normalize": self.normalize}
        return {name: value for name, value in given.items() if value is not None}

    def open_model(self, path: Any, **arguments: Any) -> BertModel:
        """The sentence encoder of a directory, or one that pools the encoder that is there.

        ``fit`` trains it on the task's loss; it reads texts up to ``max_seq_length``.

        Raises:
            InputError: When it cannot be opened, puts a prompt before every text, compares vectors
                otherwise than by cosine or product, or is too narrow for ``matryoshka``.
        """
        model = super().open_model(path, **arguments)
        assert isinstance(model, BertForSentenceEmbedding)
        model.objective = self.objective_of(model)
        measure_of(model)
        if model.prompt():
            raise InputError(
                f"{path} puts the prompt {model.prompt()!r} before every text, which training does "
                "not: give it texts that begin with it, and a model without default_prompt_name"
            )
        is_of_sentences = bool(model.max_length or model.other_files)
        if is_of_sentences and model.default_length != self.max_seq_length:
            _logger.info(
                "%s cuts texts at %d tokens; it is trained, and from then on cuts, at "
                "data.max_seq_length = %d", path, model.default_length, self.max_seq_length,
            )  # fmt: skip
        model.max_length = self.max_seq_length
        if prompts := [name for name, text in model.prompts.items() if text]:
            _logger.info(
                "%s has the prompts %s, which are kept; training puts none before a text",
                path, ", ".join(prompts),
            )  # fmt: skip
        return model

    def objective_of(self, model: BertForSentenceEmbedding) -> SupervisedObjective:
        """The task's loss; with those of shorter vectors, if any.

        Raises:
            InputError: When the vectors are too short for ``matryoshka``.
        """
        width = model.width
        if self.matryoshka and max(self.matryoshka) > width:
            raise InputError(
                f"data.matryoshka must be numbers from 1 to {width}, the width of the model. "
                f"Received: {list(self.matryoshka)}"
            )
        loss = self.loss_of(model)
        if not self.matryoshka:
            return loss
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
            lengths = tuple(each.lengths[0] for each in found)
            features.append(Feature.of_several(number, found, lengths, self.targets(example)))
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
        assert isinstance(model, BertForSentenceEmbedding)
        vectors = np.array([output["sentence_embedding"] for output in outputs], np.float32)
        vectors = model.truncated(vectors)
        ends = np.cumsum([len(feature.window_ends) for feature in features])
        return self.score_vectors(examples, np.split(vectors, ends[:-1]), features), []

    @abstractmethod
    def score_vectors(
        self,
        examples: Sequence[Any],
        vectors: Sequence[np.ndarray],
        features: Sequence[Feature] = (),
    ) -> dict[str, float]:
        """The measures.

        Args:
            examples: The examples.
            vectors: The vectors of the texts of each, [T, H].
            features: Their features, whose targets may be what the vectors are compared with.
        """

    def usage(self, is_pair: bool) -> str:
        """The vectors of texts, and how alike they are."""
        return (
            'vectors = model.embed(["A text.", "Another text."])\n'
            'print(bert_keras.similarity(model, "A text.", "Another text."))'
        )

    def usage_in_sentence_transformers(self) -> str:
        """The vectors of texts."""
        return (
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("{MODEL_FOLDER}")\n'
            'vectors = model.encode(["A text.", "Another text."])'
        )

    def no_answers(self) -> InputError:
        """The error that names the commands for vectors."""
        return InputError(
            "a sentence encoder gives vectors, no labels: use bert-keras embed or bert-keras search"
        )


def cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The cosines of vectors [..., H] with others, float64; 0 with one of zeros."""
    vectors, others = (np.asarray(each, np.float64) for each in (vectors, others))
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(others, axis=-1)
    return np.sum(vectors * others, axis=-1) / np.maximum(lengths, 1e-12)
