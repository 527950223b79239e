"""The models for fine-tuning (Devlin et al. 2019, section 4 and figure 4).

Names, labels and losses are Hugging Face's, so that model files mean the same in both.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.headed import HeadedModel
from bert_keras.modeling.heads import Classifier, DeepClassifier
from bert_keras.modeling.inputs import as_batch, merged_rows
from bert_keras.modeling.labeling import LabelingModel, label_names
from bert_keras.modeling.layout import Layout, first_tokens
from bert_keras.objectives import (
    IGNORED_LABEL,
    Batch,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SpanCrossEntropy,
    SquaredError,
    SupervisedObjective,
    sequence_length,
)

PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
FUNCTIONS = ("none", "sigmoid", "softmax")


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
        raise InputError("function_to_apply: a softmax of one label, or of numbers, has no meaning")
    if problem_type == "multi_label_classification":
        return problem_type, "sigmoid"
    # For a single label transformers' pipeline applies the sigmoid, but not for a regression.
    default = "sigmoid" if problem_type == "single_label_classification" else "none"
    return "regression", function or default


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForSequenceClassification(LabelingModel):
    """BERT with a label for the whole text, from the pooled output.

    Returns ``logits`` [B, labels]. The batch's ``labels`` are, by ``problem_type``:
    ``"single_label_classification"``: int32 [B], cross-entropy; -100 is ignored. Where the
    batch has ``example_weights``, float32 [B], the loss is their weighted mean.
    ``"multi_label_classification"``: 0 or 1 each, [B, labels], binary cross-entropy.
    ``"regression"``: float32 [B] or [B, labels], squared error.
    ``None`` is a regression when there is one label, else a single-label classification.

    ``function_to_apply`` is the function from logits to scores, by the name in transformers'
    pipeline: ``"none"``, ``"sigmoid"`` or ``"softmax"``. ``None`` is that of the problem type; a
    ``config.json`` without ``problem_type`` means the sigmoid where there is one label.

    Its ``decision`` (see ``Decision``) makes probabilities and labels of the logits.

    Where ``input_ids``, ``attention_mask`` and ``token_type_ids`` are [B, W, L], each long text has
    W windows; the logits are means over the windows that are not padding alone.

    Args:
        problem_type: The kind of labels, see above.
        function_to_apply: From logits to scores, see above.

    Example:
        >>> model = load("model", BertForSequenceClassification, labels=["bad", "good"])
        >>> model.labels, model(batch)["logits"].shape
        (('bad', 'good'), TensorShape([4, 2]))
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
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
        super().__init__(config, seed, packed, labels, **kwargs)

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the texts or pairs."""
        inputs = as_batch(inputs, self.config)
        has_windows = "input_ids" in inputs and inputs["input_ids"].shape.rank == 3
        if has_windows:
            inputs, shape = merged_rows(inputs)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        logits = self.classify(tokens, layout, seed)
        if has_windows:
            is_there = tf.reshape(tf.reduce_max(layout.attention_mask, axis=1), shape)
            logits = _mean_over_windows(logits, is_there)
        return {"logits": logits}

    def classify(self, tokens: tf.Tensor, layout: Layout, seed: tf.Tensor | None) -> tf.Tensor:
        """The logits [B, labels] of sequences, from the encoder's tokens [T, H]."""
        return self.classifier(self.encoder.pool(tokens, layout), seed)

    @property
    def score_function(self) -> str:
        """``function_to_apply``."""
        return self.function_to_apply

    def supervised_objective(self) -> SupervisedObjective:
        """The loss of the problem type."""
        if self.problem_type == "regression":
            return SquaredError("regression")
        if self.problem_type == "multi_label_classification":
            return SigmoidCrossEntropy("classification")
        return SoftmaxCrossEntropy("classification", arithmetic=self.arithmetic)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | self.as_given

    @property
    def as_given(self) -> dict[str, str | None]:
        """``problem_type`` and ``function_to_apply`` as they were given to the constructor."""
        return dict(zip(("problem_type", "function_to_apply"), self._given, strict=True))


class DeepSequenceClassification(BertForSequenceClassification):
    """The base of sequence classifiers that have no pooler: a ``DeepClassifier`` does its work.

    Attributes:
        head_activation: The function after the head's dense layer.
    """

    heads: ClassVar[dict[str, type]] = {"deep_classifier": DeepClassifier}
    with_pooler = False
    head_activation: ClassVar[str] = "tanh"

    def head_layers(self) -> list[Any]:
        """The head's dense layers."""
        return [self.deep_classifier.transform, self.deep_classifier.output_dense]

    def head_arguments(self) -> dict[str, Any]:
        """The head's size, dropout and activation."""
        return super().head_arguments() | {"activation_name": self.head_activation}

    def classify(self, tokens: tf.Tensor, layout: Layout, seed: tf.Tensor | None) -> tf.Tensor:
        """The logits [B, labels] of sequences, from the encoder's tokens [T, H]."""
        return self.deep_classifier(first_tokens(tokens, layout), seed)


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForTokenClassification(LabelingModel):
    """BERT with a label for every token; returns ``logits`` [B, L, labels].

    The batch's ``labels`` are int32 [B, L]; -100 is ignored. The logits at padding are
    meaningless.

    Example:
        >>> model = BertForTokenClassification(config, labels=["O", "B-PER", "I-PER"])
        >>> model(batch)["logits"].shape
        TensorShape([4, 32, 3])
    """

    with_pooler = False
    takes_pairs = False
    token_outputs = ("logits",)

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the tokens."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        return {"logits": layout.to_sequences(self.classifier(tokens, seed))}

    def supervised_objective(self) -> SupervisedObjective:
        """Loss in nats and accuracy over the labeled tokens."""
        return SoftmaxCrossEntropy("tagging", arithmetic=self.arithmetic)


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForQuestionAnswering(HeadedModel):
    """BERT that scores every token as the start and as the end of an answer (section 4.2).

    Returns ``start_logits`` and ``end_logits`` [B, L]; those at padding are so low that their
    softmax is 0. The batch's ``start_positions`` and ``end_positions`` are int32 [B]; an answer
    outside the sequence is ignored.

    Example:
        >>> model = BertForQuestionAnswering(config)
        >>> model(batch)["start_logits"].shape
        TensorShape([4, 32])
    """

    heads: ClassVar[dict[str, type]] = {"span_head": Classifier}
    label_keys: ClassVar[dict[str, str]] = {
        "start_logits": "start_positions",
        "end_logits": "end_positions",
    }
    with_pooler = False
    token_outputs = ("start_logits", "end_logits")

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of every token as start and as end."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        logits = layout.to_sequences(self.span_head(tokens, seed))
        is_padding = tf.cast(1 - layout.attention_mask, logits.dtype)
        padding = is_padding * self.arithmetic.masked_score
        return {
            "start_logits": logits[:, :, 0] + padding,
            "end_logits": logits[:, :, 1] + padding,
        }

    def targets(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The positions by output; -100 where either lies outside the sequence."""
        targets = super().targets(batch)
        positions = {name: tf.cast(each, tf.int32) for name, each in targets.items()}
        length = sequence_length(batch)
        is_inside = [(each >= 0) & (each < length) for each in positions.values()]
        is_inside = is_inside[0] & is_inside[1]
        return {name: tf.where(is_inside, each, IGNORED_LABEL) for name, each in positions.items()}

    def supervised_objective(self) -> SupervisedObjective:
        """The mean loss of start and end, and how often both are right."""
        return SpanCrossEntropy(self.arithmetic)


def _mean_over_windows(logits: tf.Tensor, is_there: tf.Tensor) -> tf.Tensor:
    """The mean logits of each text.

    Args:
        logits: [B * W, labels].
        is_there: int32 [B, W], 1 for windows with a token.

    Returns:
        [B, labels].
    """
    windows = tf.reshape(logits, [*tf.unstack(tf.shape(is_there)), logits.shape[-1]])
    weights = tf.cast(is_there, logits.dtype)[:, :, None]
    count = tf.maximum(tf.reduce_sum(weights, axis=1), 1)  # a row of padding alone has none
    return tf.reduce_sum(windows * weights, axis=1) / count
