"""A model's own objective, and the metrics that report it."""

import logging
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError
from bert_keras.modeling.measures import is_given
from bert_keras.objectives import SupervisedObjective, check_may_split

_logger = logging.getLogger("bert_keras")
_OTHER = "other_objective"  # in the config of ``compile``


class ObjectiveMean(keras.metrics.Mean):
    """A mean that ``compute_loss`` measures; NaN where it has measured none."""

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the mean of a batch.

        Raises:
            InputError: When it is given labels and predictions, as the metrics of ``compile`` are.
        """
        if isinstance(sample_weight, Mapping):
            raise InputError(
                f"{self.name} is updated by compute_loss, not from labels and predictions; let "
                "train_step return self.compute_metrics(x, y, y_pred, sample_weight)"
            )
        super().update_state(values, sample_weight)

    def result(self) -> Any:
        """The mean so far."""
        return tf.where(tf.cast(self.count, tf.bool), super().result(), float("nan"))


class Measured:
    """A model's objective, and the metrics that report it, ``means``."""

    means: dict[str, ObjectiveMean]
    _objective: SupervisedObjective
    compile: Any  # Keras's, and the rest
    optimizer: Any
    trainable_variables: list[Any]
    loss: Any
    compiled: bool
    _own_objective: SupervisedObjective
    distribute_strategy: tf.distribute.Strategy
    _tracker: Any

    @property
    def objective(self) -> SupervisedObjective:
        """The objective that ``fit`` minimizes where ``compile`` is given no ``loss``."""
        return self._objective

    @objective.setter
    def objective(self, objective: SupervisedObjective) -> None:
        """Set it, and the metrics that report it; ``compile`` must follow, which traces anew."""
        self._objective = objective
        self.compiled = False
        tracker = self._tracker  # a built layer locks it, and Keras's own layers unlock it so
        is_locked = tracker.locked
        tracker.unlock()
        self.means.clear()
        self.means.update({name: ObjectiveMean(name) for name in objective.names})
        if is_locked:
            tracker.lock()

    @property
    def variables(self) -> list[Any]:
        """All variables; with those of the objective's layer, which Keras does not know of.

        So an optimizer updates them and a checkpoint has them, but no file of the model.
        """
        return [*super().variables, *self.head_weights]  # type: ignore[misc]

    @property
    def weights(self) -> list[Any]:
        """The variables that are no state of metrics or random draws; see ``variables``."""
        return [*super().weights, *self.head_weights]  # type: ignore[misc]

    def weight_values(self) -> dict[str, tf.Tensor]:
        """The values of the weights by path, without those of the objective's layer."""
        values: dict[str, tf.Tensor] = super().weight_values()  # type: ignore[misc]
        for weight in self.head_weights:
            del values[weight.path]
        return values

    @property
    def head_weights(self) -> list[Any]:
        """The weights of the objective's layer; none before there is an objective."""
        head = getattr(self.__dict__.get("_objective"), "head", None)
        return head.weights if head else []

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of ``compile``, and the name of an objective other than the model's own."""
        config: dict[str, Any] | None = super().get_compile_config()  # type: ignore[misc]
        if config is None or self.loss is not None or self.objective is self._own_objective:
            return config
        return config | {_OTHER: type(self.objective).__name__}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was compiled when it was saved.

        Warn where it had another objective than its own, which no file keeps.
        """
        arguments = keras.saving.deserialize_keras_object(config)
        name = arguments.pop(_OTHER, None)
        if name:
            _logger.warning(
                "the model was trained on %s, which its file does not keep, and is compiled on %s; "
                "to go on with it: model.objective = bert_keras.objectives.%s(...), then "
                "model.compile(...)",
                name,
                type(self.objective).__name__,
                name,
            )
        self.compile(**arguments)
        self.optimizer.build(self.trainable_variables)

    def check_splits(self, loss: Any) -> None:
        """Refuse several devices where the objective, in place of ``loss``, needs whole batches.

        Raises:
            InputError: See ``check_may_split``.
        """
        if not is_given(loss):
            check_may_split(self.objective, self.distribute_strategy, ArithmeticConfig())
