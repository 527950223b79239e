"""The models of the tasks that follow pre-training (Devlin et al. 2018, section 4 and figure 4).

Names, labels and losses are Hugging Face's, so that checkpoints mean the same on both sides.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.headed import HeadedModel
from bert_keras.modeling.heads import Classifier
from bert_keras.modeling.model import Batch
from bert_keras.modeling.ratio import (
    Ratio,
    binary_cross_entropy_ratios,
    cross_entropy_ratios,
    squared_error_ratios,
)
from bert_keras.modeling.transformer import masked_score

IGNORED_LABEL = -100  # what torch's losses pass over, and with them every published data set
_SEQUENCES = ("input_ids", "attention_mask", "token_type_ids")
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
FUNCTIONS = ("none", "sigmoid", "softmax")


def label_names(labels: int | Sequence[str]) -> tuple[str, ...]:
    """The labels by name; a number gives that many, called ``LABEL_0`` and so on.

    Raises:
        InputError: When there are none or a name is repeated.
    """
    names = tuple(f"LABEL_{i}" for i in range(labels)) if isinstance(labels, int) else tuple(labels)
    if not names or len(set(names)) < len(names):
        raise InputError(f"labels must be one or more different names. Received: {labels!r}")
    return names


def resolve_problem(problem_type: str | None, function: str | None, count: int) -> tuple[str, str]:
    """The problem type of a head of ``count`` labels, and the function from logits to scores.

    Raises:
        InputError: When the names are unknown or do not go together.
    """
    for key, name, known in (
        ("problem_type", problem_type, PROBLEM_TYPES),
        ("function_to_apply", function, FUNCTIONS),
    ):
        if name is not None and name not in known:
            raise InputError(f"{key} must be one of {', '.join(known)}. Received: {name!r}")
    is_regression = problem_type == "regression"
    if count > 1 and not is_regression:
        several = problem_type == "multi_label_classification"
        several |= problem_type is None and function == "sigmoid"
        return PROBLEM_TYPES[1 + several], "sigmoid" if several else "softmax"
    if function == "softmax":
        raise InputError("function_to_apply: the softmax of one label, or of numbers, says nothing")
    if problem_type == "multi_label_classification":
        return problem_type, "sigmoid"
    # Of one label alone transformers' pipeline takes the sigmoid, unless it is a regression's.
    default = "sigmoid" if problem_type == "single_label_classification" else "none"
    return "regression", function or default


class _LabellingModel(HeadedModel):
    """A model whose head gives every label a score.

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only.
        labels: The labels' names in the order of their numbers, or how many there are.
        classifier_dropout: The share of the head's input that is dropped in training; ``None``
            takes ``hidden_dropout_prob``.
        **kwargs: Arguments of ``keras.Model``.
    """

    heads: ClassVar[dict[str, type]] = {"classifier": Classifier}

    def __init__(
        self,
        config: BertConfig,
        seed: int = 0,
        packed: bool = False,
        labels: int | Sequence[str] = 2,
        classifier_dropout: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.labels = label_names(labels)
        self.classifier_dropout = classifier_dropout
        super().__init__(config, seed, packed, **kwargs)

    def head_arguments(self) -> dict[str, Any]:
        """The classifier's size and dropout."""
        rate = self.classifier_dropout
        rate = self.config.hidden_dropout_prob if rate is None else rate
        return {"units": len(self.labels), "dropout_rate": rate}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        mine = {"labels": list(self.labels), "classifier_dropout": self.classifier_dropout}
        return super().get_config() | mine


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForSequenceClassification(_LabellingModel):
    """BERT with a label for the whole text, read from the pooled output.

    Returns ``logits`` [B, labels]. The batch's ``labels`` are, by ``problem_type``:
    ``"single_label_classification"``: int32 [B], cross-entropy; -100 is passed over. Where the
    batch has ``example_weights``, float32 [B], the loss is their weighted mean.
    ``"multi_label_classification"``: 0 or 1 each, [B, labels], binary cross-entropy.
    ``"regression"``: float32 [B] or [B, labels], squared error.
    ``None`` is a regression when there is one label, else a single-label classification.

    ``function_to_apply`` is what makes a score of a logit, as transformers' pipeline calls it:
    ``"none"``, ``"sigmoid"`` or ``"softmax"``. ``None`` is what the problem type asks for. A
    ``config.json`` without ``problem_type`` asks for the sigmoid where there is one label.

    A batch whose ``input_ids``, ``attention_mask`` and ``token_type_ids`` are [B, W, L] holds W
    windows of each long text. The logits are then the means over the windows that have a token.
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int = 0,
        packed: bool = False,
        labels: int | Sequence[str] = 2,
        problem_type: str | None = None,
        function_to_apply: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._given = (problem_type, function_to_apply)
        self.problem_type, self.function_to_apply = resolve_problem(
            problem_type, function_to_apply, len(label_names(labels))
        )
        self.measures = (
            ("regression_loss",)
            if self.problem_type == "regression"
            else ("classification_loss", "classification_accuracy")
        )
        super().__init__(config, seed, packed, labels, **kwargs)

    def call(self, inputs: Batch, training: bool = False) -> Batch:
        """Scores the text or pair."""
        shape = tf.shape(inputs["input_ids"])
        has_windows = inputs["input_ids"].shape.rank == 3
        if has_windows:
            inputs = {name: _merge_windows(inputs[name]) for name in _SEQUENCES if name in inputs}
        tokens, layout = self.encoder.encode(inputs, training)
        logits = self.classifier(self.encoder.pool(tokens, layout), training=training)
        if has_windows:
            is_there = tf.reshape(tf.reduce_max(layout.attention_mask, axis=1), shape[:2])
            logits = _mean_over_windows(logits, is_there)
        return {"logits": logits}

    def ratios(self, batch: Batch, outputs: Batch) -> dict[str, Ratio]:
        """The loss; for a classification in nats and with the share of right labels."""
        logits, labels = outputs["logits"], batch["labels"]
        if self.problem_type == "regression":
            return squared_error_ratios("regression", logits, labels)
        if self.problem_type == "multi_label_classification":
            return binary_cross_entropy_ratios("classification", logits, labels)
        return _unless_ignored("classification", logits, labels, batch.get("example_weights"))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | self.as_given

    @property
    def as_given(self) -> dict[str, str | None]:
        """``problem_type`` and ``function_to_apply`` as they were given, ``None`` where not."""
        return dict(zip(("problem_type", "function_to_apply"), self._given, strict=True))


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForTokenClassification(_LabellingModel):
    """BERT with a label for every token; returns ``logits`` [B, L, labels].

    The batch's ``labels`` are int32 [B, L]; -100 is passed over. The logits at padding mean
    nothing.
    """

    with_pooler = False
    measures = ("tagging_loss", "tagging_accuracy")
    token_outputs = ("logits",)

    def call(self, inputs: Batch, training: bool = False) -> Batch:
        """Scores the tokens."""
        tokens, layout = self.encoder.encode(inputs, training)
        return {"logits": layout.to_sequences(self.classifier(tokens, training=training))}

    def ratios(self, batch: Batch, outputs: Batch) -> dict[str, Ratio]:
        """Loss in nats and accuracy over the labelled tokens."""
        return _unless_ignored("tagging", outputs["logits"], batch["labels"])


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForQuestionAnswering(HeadedModel):
    """BERT that scores where an answer starts and where it ends (section 4.2).

    Returns ``start_logits`` and ``end_logits`` [B, L]; those at padding are pushed down to where
    the softmax gives 0. The batch's ``start_positions`` and ``end_positions`` are int32 [B]; an
    answer outside the sequence is passed over.
    """

    heads: ClassVar[dict[str, type]] = {"span_head": Classifier}
    with_pooler = False
    measures = ("span_loss", "span_accuracy")
    token_outputs = ("start_logits", "end_logits")

    def call(self, inputs: Batch, training: bool = False) -> Batch:
        """Scores every token as start and as end."""
        tokens, layout = self.encoder.encode(inputs, training)
        logits = layout.to_sequences(self.span_head(tokens, training=training))
        padding = tf.cast(1 - layout.attention_mask, logits.dtype) * masked_score()
        return {
            "start_logits": logits[:, :, 0] + padding,
            "end_logits": logits[:, :, 1] + padding,
        }

    def ratios(self, batch: Batch, outputs: Batch) -> dict[str, Ratio]:
        """The mean loss of start and end in nats, and how often both are right."""
        length = tf.shape(batch.get("input_ids", outputs["start_logits"]))[1]
        starts, ends = (tf.cast(batch[f"{edge}_positions"], tf.int32) for edge in ("start", "end"))
        inside = (starts >= 0) & (starts < length) & (ends >= 0) & (ends < length)
        sides, are_right = [], inside
        for logits, positions in ((outputs["start_logits"], starts), (outputs["end_logits"], ends)):
            positions = tf.where(inside, positions, 0)
            sides.append(cross_entropy_ratios("span", logits, positions, inside)["span_loss"])
            are_right &= tf.argmax(logits, axis=-1, output_type=tf.int32) == positions
        count = sides[0].denominator
        return {
            "span_loss": Ratio(sum(side.numerator for side in sides) / 2.0, count),
            "span_accuracy": Ratio(tf.reduce_sum(tf.cast(are_right, tf.float32)), count),
        }


def _unless_ignored(
    name: str, logits: tf.Tensor, labels: tf.Tensor, loss_weights: tf.Tensor | None = None
) -> dict[str, Ratio]:
    labels = tf.cast(labels, tf.int32)
    kept = labels != IGNORED_LABEL
    return cross_entropy_ratios(name, logits, tf.where(kept, labels, 0), kept, loss_weights)


def _merge_windows(sequences: tf.Tensor) -> tf.Tensor:
    """[B, W, L] to [B * W, L]."""
    return tf.reshape(sequences, [-1, sequences.shape[2] or tf.shape(sequences)[2]])


def _mean_over_windows(logits: tf.Tensor, is_there: tf.Tensor) -> tf.Tensor:
    """The mean logits of each text.

    Args:
        logits: [B * W, labels].
        is_there: int32 [B, W], 1 for windows that the text has.

    Returns:
        [B, labels].
    """
    windows = tf.reshape(logits, [*tf.unstack(tf.shape(is_there)), logits.shape[-1]])
    weights = tf.cast(is_there, logits.dtype)[:, :, None]
    count = tf.maximum(tf.reduce_sum(weights, axis=1), 1)  # a row of padding alone has none
    return tf.reduce_sum(windows * weights, axis=1) / count
