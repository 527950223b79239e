"""A model that ``fit`` trains: Keras's own arguments, honored as Keras honors them."""

import inspect
from collections.abc import Mapping
from math import floor
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.labels import Labeled
from bert_keras.modeling.measured import Measured
from bert_keras.modeling.measures import is_given
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.outputs import Outputs
from bert_keras.objectives import (
    EXAMPLE_WEIGHTS,
    Batch,
    Means,
    SupervisedObjective,
    WeightedMean,
    spread_weights,
    total_loss,
    with_whole_value,
)

_FIT = inspect.signature(keras.Model.fit)
_EVALUATE = inspect.signature(keras.Model.evaluate)


class SupervisedModel(Measured, Labeled, BertModel):
    """A model with an objective of its own, by which ``fit`` trains.

    Labels come in the batch, under the keys that the model's class names, or as Keras hands them
    over, as ``y``: ``fit(x, y)``, a data set of ``(x, y)`` or ``(x, y, sample_weight)``. Keras's
    arguments mean what they mean to Keras. ``sample_weight`` and ``class_weight`` weigh the loss,
    which is divided by the count of labels, not by the sum of the weights; metrics of
    ``compile(metrics=...)`` are not weighted, those of ``weighted_metrics`` are. A loss or metric
    of Keras's is fed with probabilities, or with logits where it was made with
    ``from_logits=True``; one of your own is fed with logits. Labels of -100 count nowhere. A model
    of pre-training draws its labels itself; there all of these are refused.

    Attributes:
        objective: Its losses and measures; another may be set before ``compile``, and a trainer
            may be given another.
        means: Keras's metrics, by the names of the objective.

    Example:
        >>> model = BertForSequenceClassification(config, labels=["bad", "good"])
        >>> model.compile(metrics=["accuracy"])
        >>> history = model.fit(batch, labels, class_weight={"bad": 3.0})
    """

    def __init__(
        self, config: BertConfig, seed: int | None = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        self.means = {}
        self.objective = self._own_objective = self.supervised_objective()

    def supervised_objective(self) -> SupervisedObjective:
        """The objective that the model is trained on unless another is given."""
        raise NotImplementedError(f"{type(self).__name__} has no objective of its own")

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *,
        jit_compile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Compile as ``keras.Model.compile`` does, with defaults that suit BERT.

        Args:
            optimizer: ``None`` takes BERT's AdamW at a constant 1e-4.
            loss: In place of the model's own objective, whose measures are then not reported; of
                several outputs one for all, or by output.
            loss_weights: Of the losses of ``loss``, as Keras's.
            metrics: Reported beside the objective's measures.
            weighted_metrics: As ``metrics``, weighted as the loss is.
            jit_compile: ``None`` is Keras's ``"auto"``: XLA on a GPU, but not for a packed model,
                whose shapes go by the batch, and not under a distribution strategy; none on a CPU.
            **kwargs: Passed on to ``keras.Model.compile``.

        Raises:
            InputError: When a loss or metric is given and the model draws its labels itself, Keras
                does not know it, or its name is taken; when the model has no output of a name; when
                ``loss_weights`` come without ``loss``; where ``check_splits`` raises; for XLA of a
                packed model, or on several devices; in the scope of another strategy.
        """
        given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in given.items():
            if is_given(value):
                self.refuse_without_labels(name)
        self.check_strategy("compile")
        self.check_splits(loss)
        self.check_compiled(jit_compile, kwargs.get("steps_per_execution", 1))
        with self.distribute_strategy.scope():  # metrics and the optimizer belong to it
            outputs = Outputs(type(self).__name__, tuple(self.label_keys), self.score_function)
            losses = outputs.losses(loss)
            taken = {"loss", *(self.means if losses is None else ())}
            measures: dict[str, Any] = {
                "loss": losses,
                "loss_weights": outputs.loss_weights(loss_weights, losses),
                "metrics": outputs.metrics(metrics, "metrics", taken),
                "weighted_metrics": outputs.metrics(weighted_metrics, "weighted_metrics", taken),
            }
            optimizer = _default_optimizer() if optimizer is None else optimizer
            if getattr(optimizer, "loss_scaling", False):
                # Wrapped by Keras too, gradients would be unscaled twice.
                kwargs.setdefault("auto_scale_loss", False)
        # Keras leaves those of a former call where none are given.
        self.loss = self._compile_loss = self._compile_metrics = None
        jit_compile = "auto" if jit_compile is None else jit_compile
        super().compile(optimizer, jit_compile=jit_compile, **measures, **kwargs)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train as ``keras.Model.fit`` does; see the class for what its arguments mean here.

        ``shuffle=None`` leaves a data set in its order, unwarned. The keys of ``class_weight``
        are numbers or names of labels; a label that it lacks weighs 1.

        Raises:
            InputError: When the labels are missing, given twice or of another kind, or an
                argument cannot be honored.
        """
        self.check_strategy("fit")
        given = _FIT.bind(self, x, y, *args, **kwargs).arguments
        given.pop("self")
        class_weight = given.pop("class_weight", None)
        weights = given.pop("sample_weight", None), class_weight
        x, y, sample_weight = self.labeled(given.pop("x"), given.pop("y"), *weights)
        share = given.get("validation_split") or 0.0
        splits = share > 0 and given.get("validation_data") is None
        if splits and class_weight is not None and sample_weight is not None:
            # Keras weighs the classes of training alone, and validates on the last rows.
            sample_weight[floor(len(sample_weight) * (1.0 - share)) :] = 1.0
        if given.get("shuffle") is None:
            given["shuffle"] = not isinstance(x, tf.data.Dataset)
        if isinstance(given.get("validation_data"), tuple | list | Mapping):
            given["validation_data"] = self.labeled(
                *keras.utils.unpack_x_y_sample_weight(given["validation_data"])
            )
        self.drop_decision()
        return super().fit(x, y, sample_weight=sample_weight, **given)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as ``keras.Model.evaluate`` does; raises as ``fit`` does."""
        given = _EVALUATE.bind(self, x, y, *args, **kwargs).arguments
        given.pop("self")
        further = given.pop("kwargs", {})
        if not further.get("_use_cached_eval_dataset"):  # Keras's, within ``fit``
            x, y, sample_weight = self.labeled(x, y, given.get("sample_weight"))
            given |= {"x": x, "y": y, "sample_weight": sample_weight}
        return super().evaluate(**given, **further)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Train as ``keras.Model.train_on_batch`` does; raises as ``fit`` does."""
        x, y, sample_weight = self.labeled(x, y, sample_weight, class_weight)
        self.drop_decision()
        return super().train_on_batch(x, y, sample_weight, return_dict=return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Evaluate as ``keras.Model.test_on_batch`` does; raises as ``fit`` does."""
        x, y, sample_weight = self.labeled(x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, return_dict=return_dict)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The loss of a batch, this replica's share; updates the objective's means."""
        batch = self.labeled_batch(x, y)
        if self.loss is not None:
            if EXAMPLE_WEIGHTS in batch:
                raise InputError(
                    f"{EXAMPLE_WEIGHTS} of a batch are for the model's own objective; "
                    "compile(loss=...) takes sample_weight"
                )
            targets, logits = self.targets(batch), self.labeled_outputs(y_pred)
            weights = self.weights_by_output(sample_weight)
            return super().compute_loss(x, targets, logits, weights, training)
        means = self._means(batch, y_pred, sample_weight)
        for name, mean in means.items():
            self.means[name].update_state(mean.value(), sample_weight=mean.weight)
        loss = total_loss(means)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for further in self.losses:  # of ``add_loss`` and of regularizers
            loss += tf.reduce_sum(tf.cast(further, loss.dtype)) / replicas
        return with_whole_value(loss)

    def compute_metrics(
        self, x: Any, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The values so far: the objective's means where it is trained on, and Keras's metrics.

        ``compute_loss`` has updated the means; one of labels that the batch lacks is left out.
        """
        batch = self.labeled_batch(x, y)
        missing: set[str] = set()
        if self.loss is None:
            missing = set(self.means) - self.objective.weights(batch).keys()
        if self.label_keys:
            results = super().compute_metrics(
                x,
                self.targets(batch),
                self.labeled_outputs(y_pred),
                self.weights_by_output(sample_weight),
            )
        else:
            results = self.get_metrics_result()
        return {name: value for name, value in results.items() if name not in missing}

    def get_metrics_result(self) -> dict[str, Any]:
        """The values so far, without the means that ``compute_loss`` had no labels for.

        Where these names are not those of the last step, Keras reports what that step returned:
        the mean over the replicas of what each of them knows.
        """
        results = super().get_metrics_result()
        measured: set[str] = set()
        if self.loss is None:
            is_in_replica = tf.distribute.has_strategy() and tf.distribute.get_replica_context()
            if tf.inside_function() or is_in_replica:
                return results  # ``compute_metrics`` leaves them out
            means = self.means.items()
            measured = {name for name, mean in means if tf.convert_to_tensor(mean.count) > 0}
            if not measured:  # it was not called: a step of the user's own
                return results
        unmeasured = self.means.keys() - measured
        return {name: value for name, value in results.items() if name not in unmeasured}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Build what a step needs from one replica's part of the first batch.

        Keras takes the mean of all parts, for which they must be of one size.
        """
        if iterator is not None and self._distribute_strategy is not None:
            _, _, batches = next(iter(iterator))
            parts = self.distribute_strategy.experimental_local_results
            data_batch = keras.tree.map_structure(lambda each: parts(each)[0], next(batches))
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _means(self, batch: Batch, outputs: Any, sample_weight: Any) -> Means:
        """The objective's means; the loss weighted, but divided by the labels alone, as Keras's."""
        if sample_weight is None:
            return self.objective.measure_together(batch, outputs)
        self.refuse_without_labels("sample_weight")
        # Keras repeats the weights for each output.
        sample_weight, *others = keras.tree.flatten(sample_weight)
        for other in others:
            tf.debugging.assert_equal(
                sample_weight, other, "sample_weight: one for each example, not for each output"
            )
        weights = tf.cast(sample_weight, tf.float32)
        if EXAMPLE_WEIGHTS in batch:
            own = tf.cast(batch[EXAMPLE_WEIGHTS], tf.float32)
            weights = spread_weights(weights, own) * own
        means = self.objective.measure_together(batch | {EXAMPLE_WEIGHTS: weights}, outputs)
        counts = self.objective.weights(batch)
        return {name: WeightedMean(mean.total, counts[name]) for name, mean in means.items()}


def _default_optimizer() -> keras.Optimizer:
    from bert_keras.optimizers import AdamW  # here alone

    return AdamW(1e-4)
