"""The answers of each kind of model on a phone: from ids to numbers, in builtin operations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from bert_keras.export.answers.choices import logits_of_pairs
from bert_keras.export.outputs import (
    CHOICE_LOGITS,
    NEXT_SENTENCE,
    NUMBERS,
    PIECE_LOGITS,
    PROBABILITIES,
    SPAN_LOGITS,
    TOKEN_PROBABILITIES,
    Output,
)
from bert_keras.export.registry import Registry
from bert_keras.modeling import (
    BARE,
    BertForNextSentencePrediction,
    Decision,
)
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import (
    Classification,
    MaskedLM,
    MultiLabel,
    MultipleChoice,
    Regression,
    Span,
    Tagging,
)

Tensors = dict[str, tf.Tensor]
Arrays = dict[str, np.ndarray]
on_phones: Registry[type["IdAnswers"]] = Registry("to TFLite")
_TINY = 1e-30  # keeps the logarithm of a probability of 0 finite


class IdAnswers(ABC):
    """The answers of one kind of model to ids.

    Args:
        model: The model; ``from_ids`` is given it or a copy.

    Attributes:
        outputs: The answers.
        labels: The names along the output's last axis, where it has names.
        decision: What probabilities and labels are made by.
    """

    outputs: tuple[Output, ...]

    def __init__(self, model: BertModel) -> None:
        self.labels: tuple[str, ...] = tuple(getattr(model, "labels", ()))
        self.decision: Decision = getattr(model, "decision", BARE)

    @property
    def token_outputs(self) -> tuple[str, ...]:
        """The names of the outputs with a value for each token."""
        return tuple(output.name for output in self.outputs if output.is_by_token)

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The answers of a model; here its own outputs.

        Args:
            model: The model or a copy of it.
            batch: ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [B, L].
        """
        outputs: Tensors = model(batch, training=False)
        return outputs

    def logits(self, row: Arrays) -> Arrays:
        """A row of the answers as the logits that the model's task decodes."""
        return row

    @abstractmethod
    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray] | None:
        """The decision in each row, in whole numbers; None where the answer is a number."""


@on_phones.register(Classification)
class ProbabilityAnswers(IdAnswers):
    """The probability of each label, or of "next" and "random"."""

    output: ClassVar[str] = "logits"

    outputs = (PROBABILITIES,)

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The softmax of the model's logits, at its temperature."""
        logits = model(batch, training=False)[self.output]
        return {"probabilities": tf.nn.softmax(self.decision.scaled(logits))}

    def logits(self, row: Arrays) -> Arrays:
        """The logarithm: logits up to a constant."""
        logits = np.log(np.maximum(row["probabilities"], _TINY))
        return {"logits": self.decision.unscaled(logits)}

    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray]:
        """The likeliest label."""
        return [row["probabilities"].argmax(axis=-1) for row in rows]


@on_phones.register(BertForNextSentencePrediction)
class NextSentenceAnswers(ProbabilityAnswers):
    """The probability that B follows A, and that B is random."""

    output = "next_sentence_logits"

    def __init__(self, model: BertModel) -> None:
        super().__init__(model)
        self.labels = NEXT_SENTENCE


@on_phones.register(Tagging)
class TokenAnswers(ProbabilityAnswers):
    """The probabilities of the labels of each token."""

    outputs = (TOKEN_PROBABILITIES,)


@on_phones.register(MultiLabel)
class MultiLabelAnswers(IdAnswers):
    """The probability of each label by itself."""

    outputs = (PROBABILITIES,)

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The sigmoid of the model's logits, at its temperature."""
        logits = model(batch, training=False)["logits"]
        return {"probabilities": tf.sigmoid(self.decision.scaled(logits))}

    def logits(self, row: Arrays) -> Arrays:
        """The inverse of the sigmoid."""
        return {"logits": self.decision.unscaled(_logits_of(row["probabilities"]))}

    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray]:
        """The given labels, as 0 or 1 for each."""
        return [self.decision.is_given(row["probabilities"]).astype(int) for row in rows]


@on_phones.register(Regression)
class RegressionAnswers(IdAnswers):
    """Numbers; several are named, one is not."""

    outputs = (NUMBERS,)

    def __init__(self, model: BertModel) -> None:
        super().__init__(model)
        if len(self.labels) == 1:
            self.labels = ()
        self.is_sigmoid = model.function_to_apply == "sigmoid"

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The model's numbers."""
        logits = model(batch, training=False)["logits"]
        return {"scores": tf.sigmoid(logits) if self.is_sigmoid else logits}

    def logits(self, row: Arrays) -> Arrays:
        """The numbers before the sigmoid, where the scores are one."""
        return {"logits": _logits_of(row["scores"]) if self.is_sigmoid else row["scores"]}

    def decisions(self, rows: Sequence[Arrays]) -> None:
        """None: a number is not a decision."""
        return


@on_phones.register(MultipleChoice)
class ChoiceAnswers(IdAnswers):
    """The logit of a choice; the app takes the softmax over those of one context."""

    outputs = (CHOICE_LOGITS,)

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The logits, [B]."""
        return {"logits": logits_of_pairs(model, batch)}

    def decisions(self, rows: Sequence[Arrays]) -> None:
        """None: one choice by itself is not a decision."""
        return


@on_phones.register(Span)
class SpanAnswers(IdAnswers):
    """The logits of an answer's start and end."""

    outputs = SPAN_LOGITS

    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray]:
        """The likeliest start and the likeliest end."""
        return [np.array([row[each.name].argmax() for each in SPAN_LOGITS]) for row in rows]


@on_phones.register(MaskedLM)
class MaskedLMAnswers(IdAnswers):
    """The scores of every word piece at the first [MASK] of each row.

    Only there, since scores for every token would be most of the work and of the memory. Several
    [MASK]s are filled one after another. Without one, [CLS] is scored.
    """

    outputs = (PIECE_LOGITS,)

    def __init__(self, model: BertModel) -> None:
        super().__init__(model)
        tokenizer = model.tokenizer_or()
        self.mask_id, self.vocab_size = tokenizer.mask_id, tokenizer.vocab_size

    def from_ids(self, model: BertModel, batch: Tensors) -> Tensors:
        """The head at one token of each row."""
        tokens, layout, _ = model.encoder.encode(batch)
        is_mask = tf.cast(tf.equal(batch["input_ids"], self.mask_id), tf.int32)
        first = tf.argmax(is_mask, axis=1, output_type=tf.int32)
        masked = tf.gather(tokens, layout.rows(first[:, None])[:, 0])
        table = model.encoder.embeddings.word_embeddings
        logits = model.masked_lm_head(masked, table)
        # A row behind the vocabulary's last names no token.
        is_spare = model.config.vocab_size > self.vocab_size
        return {"logits": logits[:, : self.vocab_size] if is_spare else logits}

    def decisions(self, rows: Sequence[Arrays]) -> list[np.ndarray]:
        """The likeliest word piece."""
        return [row["logits"].argmax(axis=-1) for row in rows]


def _logits_of(probabilities: np.ndarray) -> np.ndarray:
    """The inverse of the sigmoid."""
    share = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(share) - np.log1p(-share))


def id_answers_of(model: BertModel) -> IdAnswers:
    """The answers of a model to ids.

    Raises:
        InputError: When its kind is not exported.
    """
    return on_phones.of(model)(model)
