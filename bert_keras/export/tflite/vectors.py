"""The answers on a phone of models that give vectors."""

import logging
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from bert_keras.errors import InputError
from bert_keras.export.outputs import POOLED, SENTENCE, encoder_outputs
from bert_keras.export.tflite.answers import Arrays, IdAnswers, Tensors, on_phones
from bert_keras.modeling import BertEncoder, BertForSentenceEmbedding
from bert_keras.modeling.model import BertModel

_logger = logging.getLogger("bert_keras")


class VectorAnswers(IdAnswers):
    """Vectors, as the model gives them.

    Attributes:
        vector: The name of a text's.
    """

    vector: ClassVar[str]

    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray] | None:
        """The other text whose vector is nearest by the cosine."""
        if len(rows) < 3 or self.vector not in rows[0]:
            return None
        vectors = np.array([row[self.vector] for row in rows], np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -np.inf)
        return list(likeness.argmax(axis=1))


@on_phones.register(BertForSentenceEmbedding)
class SentenceAnswers(VectorAnswers):
    """A vector for each text; the app puts the default prompt before texts."""

    vector = SENTENCE.name

    outputs = (SENTENCE,)

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The vectors, cut to the model's ``dimensions``."""
        vectors = model(batch, training=False)[SENTENCE.name]
        return {SENTENCE.name: model.truncated(vectors)}

    def __init__(self, model: BertModel) -> None:
        super().__init__(model)
        prompt = model.prompt()
        if prompt and not model.include_prompt:
            raise InputError(
                f"the model pools without its default prompt {prompt!r}, which a file for phones "
                "cannot; export it as a SavedModel"
            )
        if prompt:
            _logger.warning(
                "the file does not put the model's default prompt before a text: give it %r + text",
                prompt,
            )


@on_phones.register(BertEncoder)
class EncoderAnswers(VectorAnswers):
    """Vectors of the tokens and, with a pooler, of the text."""

    vector = POOLED.name

    def __init__(self, model: BertModel) -> None:
        super().__init__(model)
        self.outputs = encoder_outputs(model)
