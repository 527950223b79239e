"""Distillation of a sentence encoder: its vectors are to be those of a teacher.

Reimers and Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using Knowledge
Distillation", section 2.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from bert_keras.config.checks import one_of
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.heads import dimensions_of
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import SupervisedObjective, TeacherCosines, TeacherVectors
from bert_keras.objectives.distillation import TEACHER
from bert_keras.saving import load
from bert_keras.saving.files import read
from bert_keras.saving.fingerprint import fingerprint
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import spearman
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.sentences import SentenceTask, cosines
from bert_keras.tasks.texts import TextReader
from bert_keras.tokenization import Tokenizer

LOSSES = ("vectors", "cosines")
_logger = logging.getLogger("bert_keras")


@register
@dataclass(frozen=True, kw_only=True)
class Distillation(SentenceTask, TextReader):
    """Texts or pairs without labels, for which a teacher gives the vectors.

    The teacher's vectors are computed once, before training, as ``embed`` computes them.

    Attributes:
        teacher: A sentence encoder, as ``bert_keras.load`` takes it.
        loss: ``"vectors"``: the vectors are the teacher's, which have the same width. The measure
            is their mean cosine. ``"cosines"``: the cosines of pairs are those of the teacher's
            vectors, which may be of any width. The measure is the correlation of both.

    Example:
        >>> task = Distillation(teacher="teachers/all-mpnet-base-v2")
        >>> task.name, task.best_metric
        ('distillation', 'teacher_cosine')
    """

    teacher: str = ""
    loss: str = "vectors"

    name = "distillation"
    title = "Distillation"
    objective = "distillation"
    unit = "squared error"
    curves = ("teacher_cosine", "spearman")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.loss", self.loss, LOSSES)
        if self.temperature is not None:
            raise InputError(
                "data.temperature: no loss of distillation has one; leave it out. Received: "
                f"{self.temperature}"
            )
        if self.matryoshka and self.loss == "vectors":
            raise InputError(
                "data.matryoshka: the teacher has no shorter vectors; take data.loss = 'cosines'"
            )

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """No: a model that was trained so is for ``Similarity``, without its teacher."""
        return False

    @property
    def best_metric(self) -> str:
        """The metric that chooses the best model."""
        return "teacher_cosine" if self.loss == "vectors" else "spearman"

    def adapted_to(self, examples: Sequence[TextExample]) -> Self:
        """The task, if there is a teacher, and examples of one kind.

        Raises:
            InputError: When there is none, or single texts are among pairs.
        """
        if not self.teacher:
            raise InputError("no teacher: set data.teacher to a sentence encoder")
        kinds = {example.text_pair is None: example for example in reversed(examples)}
        if len(kinds) > 1:
            raise InputError(
                f"{kinds[True].where} is a single text and {kinds[False].where} a pair: give texts "
                "of one kind"
            )
        return self

    def sources(self) -> dict[str, Any]:
        """The hashes of the teacher's files."""
        return {"teacher": fingerprint(self.teacher)}

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """None; a single text has no cosine, and is refused where these are learned."""
        for example in examples:
            if self.loss == "cosines" and example.text_pair is None:
                raise InputError(
                    f"{example.where} is a single text, and data.loss = 'cosines' is of two: "
                    "data.text_pair_column (--text-pair-column) names the column of the second; "
                    "'vectors' takes single texts"
                )
        return ()

    def texts_of(self, example: TextExample) -> tuple[str, ...]:
        """The text, or both."""
        return (example.text,) if example.text_pair is None else (example.text, example.text_pair)

    def loss_of(self, model: BertModel) -> SupervisedObjective:
        """The squared error of the vectors, or of the cosines.

        Raises:
            InputError: When the teacher is no sentence encoder, or its vectors have another width
                than the model's, which are to be equal to them.
        """
        if self.loss == "cosines":
            return TeacherCosines()
        assert isinstance(model, BertForSentenceEmbedding)
        width = self._width_of_teacher if self.teacher else model.width
        if width != model.width:
            raise InputError(
                f"the vectors of the teacher {self.teacher} have {width} values, those of the "
                f"model {model.width}: take a teacher of the model's width, or "
                "data.loss = 'cosines', which takes pairs"
            )
        return TeacherVectors()

    def features(self, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Feature]:
        """One feature each, with a sequence and a vector of the teacher's for every text."""
        features = super().features(examples, tokenizer)
        if not examples:
            return features
        groups = [self.texts_of(example) for example in examples]
        texts = list(dict.fromkeys(text for group in groups for text in group))
        _logger.info(
            "computing the vectors of %s texts by %s, of %d values each",
            f"{len(texts):,}", self.teacher, self._width_of_teacher,
        )  # fmt: skip
        vectors = self._teacher.embed(texts)
        numbers = {text: number for number, text in enumerate(texts)}
        return [
            replace(feature, targets={TEACHER: vectors[[numbers[text] for text in group]]})
            for feature, group in zip(features, groups, strict=True)
        ]

    def training_features(
        self, examples: Sequence[Any], features: Sequence[Feature]
    ) -> list[Feature]:
        """The features; with those of the dev examples made too, the teacher may go."""
        self.__dict__.pop("_teacher", None)
        return super().training_features(examples, features)

    def score_vectors(
        self,
        examples: Sequence[TextExample],
        vectors: Sequence[np.ndarray],
        features: Sequence[Feature] = (),
    ) -> dict[str, float]:
        """The mean cosine with the teacher's vectors, or the correlation with its cosines.

        Vectors that the model cuts (``truncate_dim``) are compared with the teacher's first values.
        """
        wanted = [feature.targets[TEACHER] for feature in features]
        if self.loss == "vectors":
            pairs = zip(vectors, wanted, strict=True)
            found = np.concatenate(
                [cosines(ours, theirs[:, : ours.shape[1]]) for ours, theirs in pairs]
            )
            return {"teacher_cosine": float(found.mean())}
        ours, theirs = ([float(cosines(*pair)) for pair in side] for side in (vectors, wanted))
        return {"spearman": spearman(theirs, ours)}

    @cached_property
    def _teacher(self) -> BertForSentenceEmbedding:
        """The teacher, which is opened once for the training and the dev examples."""
        teacher = load(self.teacher)
        assert isinstance(teacher, BertForSentenceEmbedding)
        return teacher

    @cached_property
    def _width_of_teacher(self) -> int:
        """The size of the teacher's vectors, read from its files.

        Raises:
            InputError: When it is no sentence encoder.
        """
        with read(self.teacher) as stored:
            if stored.model_class is not BertForSentenceEmbedding:
                raise InputError(
                    f"data.teacher: {self.teacher} is no sentence encoder; give a directory of "
                    "sentence-transformers, or a run of similarity or contrastive"
                )
            given = stored.arguments
            cut = given.get("dense_units"), given.get("truncate_dim")
            return dimensions_of(stored.config.hidden_size, *cut)
