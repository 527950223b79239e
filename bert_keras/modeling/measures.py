"""Keras's losses and metrics, each fed with logits or scores as it wants them."""

import inspect
from typing import Any

import keras
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.objectives import (
    IGNORED_LABEL,
    spread_weights,
    sum_over_replicas,
    with_whole_value,
)

_SCORES = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "none": tf.identity}


def is_given(value: Any) -> bool:
    """Tell whether an argument of ``compile`` is more than ``None`` or empty."""
    return value is not None and not (isinstance(value, list | tuple | dict) and not value)


class _Adapted:
    """The base of a loss and of a metric: the way they are fed.

    - What is Keras's own gets scores: the softmax or sigmoid of the logits. Made with
      ``from_logits=True`` it gets the logits.
    - A function, loss or metric of the user's own gets the logits, which are what a model returns.
    - Labels of -100 are ignored.
    """

    given: Any
    inner: Any
    function: str

    def feed(self, labels: Any, logits: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
        """Labels, predictions, weights (``None`` for none) and the count of the labels that count.

        Args:
            labels: [...], the numbers of the classes, or as ``logits``.
            logits: [..., classes].
            weights: One for each example or each label.
        """
        count = None
        labels, logits = tf.convert_to_tensor(labels), tf.cast(logits, tf.float32)
        if self.function == "softmax" and labels.shape.rank == logits.shape.rank - 1:
            is_kept = tf.cast(labels, tf.int32) != IGNORED_LABEL
            labels = tf.where(is_kept, labels, tf.zeros_like(labels))
            kept = tf.cast(is_kept, tf.float32)
            count = tf.reduce_sum(kept)
            weights = kept if weights is None else kept * spread_weights(weights, kept)
        predictions = _SCORES[self.function](logits) if _wants_scores(self.inner) else logits
        return labels, predictions, weights, count

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        inner = keras.saving.serialize_keras_object(self.given)
        return {"inner": inner, "function": self.function}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make it from what ``get_config`` gave."""
        inner = keras.saving.deserialize_keras_object(config["inner"])
        return cls(inner, config["function"])  # type: ignore[call-arg]


@keras.saving.register_keras_serializable(package="bert_keras")
class AdaptedMetric(_Adapted, keras.metrics.Metric):
    """A metric of ``compile(metrics=...)`` on logits.

    Args:
        inner: A name that Keras knows, a function or a metric.
        function: What makes a score of a logit: ``"softmax"``, ``"sigmoid"`` or ``"none"``.
    """

    def __init__(self, inner: Any, function: str) -> None:
        known = _known(inner, _METRICS, keras.metrics)
        is_metric = isinstance(known, keras.metrics.Metric)
        metric = known if is_metric else keras.metrics.MeanMetricWrapper(known, name=_name(known))
        super().__init__(name=inner if isinstance(inner, str) else metric.name)
        self.given, self.inner, self.function = inner, metric, function
        _labels, *others = inspect.signature(metric.update_state).parameters
        if others[:1] == ["sample_weight"]:
            raise InputError(
                f"compile: {metric.name} averages values; a metric compares labels and predictions"
            )
        self.takes_weights = "sample_weight" in others or "kwargs" in others
        # What a callback's mode="auto" goes by.
        if known is accuracy or known is crossentropy:
            self._direction = "up" if known is accuracy else "down"
        elif hasattr(metric, "_direction"):
            self._direction = metric._direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        labels, predictions, weights, _ = self.feed(y_true, y_pred, sample_weight)
        if not self.takes_weights:
            if sample_weight is not None:
                raise InputError(f"weighted_metrics: {self.name} takes no sample_weight")
            if weights is not None:
                is_kept = weights > 0
                labels = tf.boolean_mask(labels, is_kept)
                predictions = tf.boolean_mask(predictions, is_kept)
            self.inner.update_state(labels, predictions)
            return
        self.inner.update_state(labels, predictions, sample_weight=weights)

    def result(self) -> Any:
        """The value so far."""
        return self.inner.result()

    def reset_state(self) -> None:
        """Begin again."""
        self.inner.reset_state()


@keras.saving.register_keras_serializable(package="bert_keras")
class AdaptedLoss(_Adapted, keras.losses.Loss):
    """A loss of ``compile(loss=...)`` on logits.

    Args:
        inner: A name that Keras knows, a function or a loss.
        function: What makes a score of a logit: ``"softmax"``, ``"sigmoid"`` or ``"none"``.
    """

    def __init__(self, inner: Any, function: str) -> None:
        known = _known(inner, _LOSSES, keras.losses)
        loss = known if isinstance(known, keras.losses.Loss) else _FunctionLoss(known)
        super().__init__(name=inner if isinstance(inner, str) else loss.name)
        self.given, self.inner, self.function = inner, loss, function

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch, reduced as the loss says, over the labels that count.

        Of several replicas it is this one's part; the parts of all add up to the loss.
        """
        labels, predictions, weights, count = self.feed(y_true, y_pred, sample_weight)
        loss = self.inner(labels, predictions, sample_weight=weights)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        may_be_cut = replicas > 1 or count is not None
        if may_be_cut and not self.inner.call(labels, predictions).shape.rank:
            self._check_whole(replicas, tf.size(labels), count)
        is_mean = self.inner.reduction in ("sum_over_batch_size", "mean", "mean_with_sample_weight")
        if is_mean and may_be_cut:
            # Keras has divided by what this replica has, ignored labels too, and by the replicas.
            if self.inner.reduction == "mean_with_sample_weight" and weights is not None:
                own = counted = tf.reduce_sum(tf.cast(weights, tf.float32))
            else:
                own = tf.size(labels) if count is not None else tf.shape(labels)[0]
                own = tf.cast(own, tf.float32)
                counted = own if count is None else count
            factor = tf.math.divide_no_nan(own * replicas, sum_over_replicas(counted))
            loss *= tf.cast(factor, loss.dtype)
        return with_whole_value(loss)

    def _check_whole(self, replicas: int, size: Any, count: Any) -> None:
        """Refuse parts of a batch to a loss that gives one number for the whole."""
        says = f"compile: {self.name} gives one number for a whole batch, "
        if replicas > 1:
            raise InputError(f"{says}of which each device has a part; return one for each example")
        tf.debugging.assert_equal(
            count,
            tf.cast(size, count.dtype),
            f"{says}in which labels of {IGNORED_LABEL} would count; return one for each label",
        )


class _FunctionLoss(keras.losses.Loss):
    """A function of labels and predictions as a loss."""

    def __init__(self, function: Any) -> None:
        super().__init__(name=_name(function))
        self.fn = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred)


def accuracy(labels: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The accuracy that Keras picks by the shapes, [...]."""
    return getattr(keras.metrics, f"{_kind(labels, scores)}_accuracy")(labels, scores)


def crossentropy(labels: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The cross-entropy that Keras picks by the shapes, [...]."""
    return getattr(keras.losses, f"{_kind(labels, scores)}_crossentropy")(labels, scores)


_LOSSES = {"crossentropy": crossentropy, "ce": crossentropy}
_METRICS = _LOSSES | {"accuracy": accuracy, "acc": accuracy}


def _known(given: Any, by_shapes: dict[str, Any], keras_names: Any) -> Any:
    """The loss or metric of a name: by the shapes, or one of Keras's, by its rules.

    Raises:
        InputError: When Keras does not know it.
    """
    if isinstance(given, str) and given.lower() in by_shapes:
        return by_shapes[given.lower()]
    try:
        known = keras_names.get(given)
    except (ValueError, TypeError):
        known = None
    if known is None:
        kind = keras_names.__name__.rpartition(".")[2]
        raise InputError(
            f"compile: {given!r:.60} is none of keras.{kind}; give a name of one, an object or a "
            "function of labels and predictions"
        )
    return known


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _kind(labels: tf.Tensor, scores: tf.Tensor) -> str:
    if scores.shape[-1] == 1:
        return "binary"
    is_sparse = labels.shape.rank < scores.shape.rank or labels.shape[-1] == 1
    return "sparse_categorical" if is_sparse else "categorical"


def _wants_scores(inner: Any) -> bool:
    """Tell whether it is one of Keras's that was not told of logits."""
    function = getattr(inner, "fn", None) or getattr(inner, "_fn", None)
    if function is None:
        is_loss = isinstance(inner, keras.losses.Loss)
        function = type(inner).call if is_loss else type(inner).update_state
    package = getattr(function, "__module__", "").partition(".")[0]
    settings = getattr(inner, "_fn_kwargs", {})
    of_logits = [getattr(inner, name, False) for name in ("from_logits", "_from_logits")]
    return package in ("keras", __name__.partition(".")[0]) and not (
        any(of_logits) or settings.get("from_logits", False)
    )
