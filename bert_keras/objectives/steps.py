"""An objective, and the steps of training and evaluation that call it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.objectives.checks import check_head, check_may_split
from bert_keras.objectives.compilation import is_compiled, is_tpu
from bert_keras.objectives.means import (
    Means,
    WeightedMean,
    count_replicas,
    of_all_replicas,
    sum_over_replicas,
    total_loss,
)
from bert_keras.objectives.micro_batches import Batch, CachedGradients, Gradients, MicroBatches


class Model(Protocol):
    """The interface of a Keras model that is trained.

    Attributes:
        weights: All its variables.
        trainable_variables: Those that an optimizer updates.
        stop_training: Set by a callback to end the training.
    """

    weights: list[Any]
    trainable_variables: list[Any]
    stop_training: bool

    def __call__(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The outputs for a batch."""
        ...

    def dropout_counter(self) -> Any:
        """The counter of training calls: its ``step`` is an int64 variable."""
        ...


class Objective(Protocol):
    """A loss to minimize, and further measures; it is given the model and belongs to none.

    Attributes:
        is_additive: Whether the loss of a batch is the sum of the losses of its examples over the
            sum of their weights. Then a batch may be split over micro-batches and replicas.
    """

    is_additive: bool

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weight of each mean of ``__call__``, float32 scalars, from the labels alone."""
        ...

    def __call__(
        self, model: Model, batch: Batch, *, training: bool, dropout_seed: tf.Tensor | None = None
    ) -> Means:
        """The losses and measures of a batch.

        Args:
            model: What is trained.
            batch: Inputs and labels.
            training: Whether dropout is on.
            dropout_seed: int64 [2], (step, replica); ``None`` leaves it to the model's counter.

        Returns:
            Means by name. Those whose names end in ``_loss`` are summed and trained on.
        """
        ...


class SupervisedObjective(ABC):
    """An objective that compares a model's outputs with the labels in the batch.

    Attributes:
        names: What ``measure`` may return, in order.
        compares: Where it is not additive, the name of a model's output, float32 with a row for
            each example, if it reads no other. Then a batch may be split all the same: the model
            computes the parts, and the objective is given the rows of all of them.
        head: A layer that is trained with the model, and is no part of the model that is saved.
    """

    is_additive = True
    compares: str = ""
    head: keras.layers.Layer | None = None
    names: tuple[str, ...] = ()

    @abstractmethod
    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weight of each mean, float32 scalars, from the labels alone."""

    @abstractmethod
    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The losses and measures of a batch.

        Args:
            batch: Inputs and labels.
            outputs: The model's, for these inputs.
        """

    def check_labels(self, labels: np.ndarray | None) -> None:  # noqa: B027 - most take any
        """Check the batch's ``labels``, where they are known; called by ``fit`` on arrays.

        Raises:
            InputError: When the objective cannot be measured by them.
        """

    def __call__(
        self, model: Model, batch: Batch, *, training: bool, dropout_seed: tf.Tensor | None = None
    ) -> Means:
        """The losses and measures of a batch; see ``Objective``."""
        outputs = model(batch, training=training, dropout_seed=dropout_seed)
        return self.measure_together(batch, outputs)

    def measure_together(self, batch: Batch, outputs: Batch) -> Means:
        """This replica's part of the means over the examples of all replicas.

        Where examples are compared, each replica measures all of them, and its part is an equal
        share of that. The gradients by each replica's own outputs add up to that of the whole.
        Batch and outputs are this replica's own.
        """
        replicas = count_replicas()
        if self.is_additive or replicas == 1:
            return self.measure(batch, outputs)
        rows = {self.compares: outputs[self.compares]}
        means = self.measure(*of_all_replicas((dict(batch), rows)))
        return tf.nest.map_structure(lambda value: value / replicas, means)


class TrainStep:
    """The update of the weights from global batches; see ``ArithmeticConfig`` for how.

    Args:
        strategy: Which devices share a batch.
        model: Made in the strategy's scope, with the arithmetic that it shall train in; see
            ``bert_keras.arithmetic.for_training``.
        optimizer: Made in the strategy's scope.
        objective: What to minimize.
        settings: Compilation and micro-batches.

    Attributes:
        update: The update from a replica's share of a batch; a ``tf.function`` where XLA compiles
            all of it.

    Raises:
        InputError: When batches would be split and the objective does not allow it, or the
            objective has a layer of its own and is not the model's.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: Model,
        optimizer: keras.optimizers.Optimizer,
        objective: Objective,
        settings: ArithmeticConfig,
    ) -> None:
        self._strategy = strategy
        self._model, self._optimizer, self._objective = model, optimizer, objective
        check_may_split(objective, strategy, settings)
        check_head(model, objective)
        self._micro_batches = settings.accumulation_steps
        compiles = is_compiled(settings.jit_compile, strategy)
        compiles = compiles and not is_tpu(strategy)  # which compiles by itself
        # XLA cannot compile the reductions over replicas on every device, so with several it
        # compiles the passes between them. (TensorFlow would make one XLA program of all replicas,
        # and on logical CPUs not find the variables of any but the first.)
        self._meets_outside = compiles and strategy.num_replicas_in_sync > 1
        self._called: Any = model
        self.update: Any = self._update
        self._gradients: Any = self._gradients_of
        if self._micro_batches > 1 and objective.is_additive:
            self._gradients = self._accumulated
        elif self._micro_batches > 1:
            counts = self._micro_batches, self._meets_outside
            self._gradients = CachedGradients(model, optimizer, objective, *counts)
        if self._meets_outside and objective.is_additive:
            self._gradients = tf.function(self._gradients, jit_compile=True)
        elif self._meets_outside:  # where replicas compare examples, inside the passes
            self._called = tf.function(model.__call__, jit_compile=True)
        elif compiles:
            self.update = tf.function(self._update, jit_compile=True)
        self._one = tf.function(self._over_replicas, reduce_retracing=True)
        self._several = tf.function(self._loop)

    def expect(self, spec: Any) -> None:
        """Trace once, for all batches of this ``element_spec``.

        Else the first of several lengths would get a graph of its own, which rounds differently;
        and in a resumed run another batch is the first.
        """
        self._one = tf.function(self._over_replicas, input_signature=[spec])

    def __call__(self, batch: Any) -> Means:
        """One step on a global batch; returns its means."""
        means: Means = self._one(batch)
        return means

    def run(self, batches: Iterator[Any], count: int) -> Means:
        """``count`` steps on the next batches; returns the sums of their means."""
        if count == 1:
            return self(next(batches))
        means: Means = self._several(batches, tf.constant(count))
        return means

    def _loop(self, batches: Iterator[Any], count: tf.Tensor) -> Means:
        means = self._one(next(batches))
        for _ in tf.range(count - 1):
            means = tf.nest.map_structure(tf.add, means, self._one(next(batches)))
        return means

    def _over_replicas(self, batch: Any) -> Means:
        return _sum_over(self._strategy, self._strategy.run(self.update, args=(batch,)))

    def _update(self, batch: Batch) -> Means:
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        step = self._model.dropout_counter().step
        seed = tf.stack([tf.cast(step, tf.int64), replica])
        gradients, means = self._gradients(batch, seed, self._weights(batch))
        step.assign_add(self._micro_batches)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return means | {"tokens": _real_tokens(batch)}

    def _weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The means' weights over all replicas and micro-batches; empty where none is split."""
        if self._micro_batches == 1 and not self._meets_outside:
            return {}
        weights = self._objective.weights(batch)
        return {name: sum_over_replicas(weight) for name, weight in weights.items()}

    def _gradients_of(
        self, batch: Batch, seed: tf.Tensor, weights: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Means]:
        """This replica's part of the gradients, ``None`` for a head without labels; the means."""
        with tf.GradientTape() as tape:
            means = self._objective(self._called, batch, training=True, dropout_seed=seed)
            loss = self._optimizer.scale_loss(total_loss(means, weights))
        return tape.gradient(loss, self._model.trainable_variables), means

    def _accumulated(
        self, batch: Batch, seed: tf.Tensor, weights: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Means]:
        """The gradients and means of ``_gradients_of``, one micro-batch after another."""
        return MicroBatches(batch, self._micro_batches, seed).gradients(
            lambda part, own_seed: self._gradients_of(part, own_seed, weights),
            self._model.trainable_variables,
            weights,
        )


def make_eval_step(
    strategy: tf.distribute.Strategy, model: Model, objective: Objective, jit_compile: bool | str
) -> Callable[[Any], Means]:
    """A function from a global batch to its means, dropout off."""

    def replica_step(batch: Batch) -> Means:
        return objective(model, batch, training=False)

    compiles = is_compiled(jit_compile, strategy) and not is_tpu(strategy)
    # XLA cannot compile it where replicas compare their examples; see ``TrainStep``.
    compiles &= objective.is_additive or strategy.num_replicas_in_sync == 1
    compiled = tf.function(replica_step, jit_compile=True) if compiles else replica_step

    @tf.function  # a graph for each shape: one for all would round differently
    def step(batch: Any) -> Means:
        # By the lambda each replica calls a program of its own, not one program of all replicas.
        return _sum_over(strategy, strategy.run(lambda rows: compiled(rows), args=(batch,)))

    return step


def _sum_over(strategy: tf.distribute.Strategy, means: Means) -> Means:
    """The means of all replicas together."""
    return tf.nest.map_structure(
        lambda value: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None), means
    )


def _real_tokens(batch: Batch) -> WeightedMean:
    """The tokens of a batch without its padding, per step."""
    count = tf.reduce_sum(tf.cast(batch["attention_mask"], tf.float32))
    return WeightedMean(count, tf.ones(()))
