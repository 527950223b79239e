"""One step of training and one of evaluation, over all replicas."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError
from bert_keras.objectives import Batch, Means, Objective, WeightedMean, total_loss
from bert_keras.objectives.means import sum_over_replicas

Gradients = list[tf.Tensor | None]


class TrainStep:
    """Updates the weights from global batches; see ``ArithmeticConfig`` for how.

    Args:
        strategy: Which devices share a batch.
        model: A Keras model made in the strategy's scope, whose ``call`` takes ``training`` and
            ``dropout_seed``, and whose ``dropout_counter()`` counts its training calls. It computes
            in the arithmetic that it was made with; see ``bert_keras.arithmetic.for_training``.
        optimizer: A Keras optimizer, likewise.
        objective: What is made small.
        settings: Compilation and micro-batches.

    Attributes:
        update: What a replica does with its share of a batch; where XLA compiles all of it, the
            ``tf.function`` that does.

    Raises:
        InputError: When batches would be split whose loss is not the sum of its parts.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: Any,
        optimizer: Any,
        objective: Objective,
        settings: ArithmeticConfig,
    ) -> None:
        self._strategy = strategy
        self._model, self._optimizer, self._objective = model, optimizer, objective
        self._micro_batches = settings.accumulation_steps
        _check_may_split(objective, strategy.num_replicas_in_sync, self._micro_batches)
        self._gradients = self._accumulated if self._micro_batches > 1 else self._gradients_of
        self.update: Any = self._update
        compiles = settings.jit_compile and not is_tpu(strategy)  # which compiles by itself
        # Replicas meet in the reductions, which XLA cannot compile on every device: between them
        # it compiles the passes alone. (TensorFlow would make one XLA program of all replicas,
        # and on logical CPUs then not find the variables of any but the first.)
        self._meets_outside = compiles and strategy.num_replicas_in_sync > 1
        if self._meets_outside:
            self._gradients = tf.function(self._gradients, jit_compile=True)
        elif compiles:
            self.update = tf.function(self._update, jit_compile=True)
        self._one = tf.function(self._over_replicas, reduce_retracing=True)
        self._several = tf.function(self._loop)

    def expect(self, spec: Any) -> None:
        """Traces for batches of this ``element_spec`` alone, and for all of them alike.

        Traced by the batches as they come, the first of several lengths would run in a graph of
        its own, which rounds otherwise: and a resumed run has another first one.
        """
        self._one = tf.function(self._over_replicas, input_signature=[spec])

    def __call__(self, batch: Any) -> Means:
        """Takes one step on a global batch; returns its means."""
        means: Means = self._one(batch)
        return means

    def take(self, batches: Iterator[Any], count: int) -> Means:
        """Takes ``count`` steps on the next batches; returns the sums of their means."""
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
        """The means' weights over all replicas and micro-batches; none if not needed yet."""
        if self._micro_batches == 1 and not self._meets_outside:
            return {}
        weights = self._objective.weights(batch)
        return {name: sum_over_replicas(weight) for name, weight in weights.items()}

    def _gradients_of(
        self, batch: Batch, seed: tf.Tensor, weights: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Means]:
        """This replica's share of the gradients; ``None`` for a head without labels."""
        with tf.GradientTape() as tape:
            means = self._objective(self._model, batch, training=True, dropout_seed=seed)
            loss = self._optimizer.scale_loss(total_loss(means, weights))
        return tape.gradient(loss, self._model.trainable_variables), means

    def _accumulated(
        self, batch: Batch, seed: tf.Tensor, weights: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Means]:
        """The same, one micro-batch after another."""
        parts = {name: _split(rows, self._micro_batches) for name, rows in batch.items()}
        without_gradient: set[int] = set()

        def add(number: tf.Tensor, sums: Gradients, means: Means) -> tuple:
            part = {name: rows[number] for name, rows in parts.items()}
            own_seed = seed + tf.stack([tf.cast(number, tf.int64), 0])
            gradients, found = self._gradients_of(part, own_seed, weights)
            without_gradient.update(i for i, g in enumerate(gradients) if g is None)
            sums = [
                total if gradient is None else total + gradient
                for total, gradient in zip(sums, gradients, strict=True)
            ]
            return number + 1, sums, tf.nest.map_structure(tf.add, means, found)

        start = (
            tf.constant(0),
            [tf.zeros(v.shape, v.dtype) for v in self._model.trainable_variables],
            {name: WeightedMean(tf.zeros(()), tf.zeros(())) for name in weights},
        )
        _, sums, means = tf.while_loop(
            lambda number, *_: number < self._micro_batches,
            add,
            start,
            parallel_iterations=1,
            maximum_iterations=self._micro_batches,
        )
        return [None if i in without_gradient else g for i, g in enumerate(sums)], means


def make_eval_step(
    strategy: tf.distribute.Strategy, model: Any, objective: Objective, jit_compile: bool
) -> Callable[[Any], Means]:
    """A function from a global batch to its means; changes nothing."""

    def replica_step(batch: Batch) -> Means:
        return objective(model, batch, training=False)

    compiles = jit_compile and not is_tpu(strategy)
    compiled = tf.function(replica_step, jit_compile=True) if compiles else replica_step

    @tf.function  # a graph for each shape: one for all would round otherwise
    def step(batch: Any) -> Means:
        # Each replica calls its own program: handed over bare, it would be one of all replicas.
        return _sum_over(strategy, strategy.run(lambda rows: compiled(rows), args=(batch,)))

    return step


def _check_may_split(objective: Objective, replicas: int, micro_batches: int) -> None:
    if not objective.is_additive and (replicas > 1 or micro_batches > 1):
        raise InputError(
            f"{type(objective).__name__} compares the examples of a batch with each other, which "
            "must not be split: train it on one device, with train.accumulation_steps = 1. "
            f"Received: {replicas} devices, accumulation_steps = {micro_batches}"
        )


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether the strategy's devices are those of a TPU."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def _sum_over(strategy: tf.distribute.Strategy, means: Means) -> Means:
    """The means of all replicas together."""
    return tf.nest.map_structure(
        lambda part: strategy.reduce(tf.distribute.ReduceOp.SUM, part, axis=None), means
    )


def _split(rows: tf.Tensor, parts: int) -> tf.Tensor:
    """[B, ...] to [parts, B / parts, ...]."""
    dynamic = tf.shape(rows)
    rest = [size or dynamic[axis] for axis, size in enumerate(rows.shape) if axis]
    size = rows.shape[0] // parts if rows.shape[0] else dynamic[0] // parts
    return tf.reshape(rows, [parts, size, *rest])


def _real_tokens(batch: Batch) -> WeightedMean:
    """The tokens of a batch without its padding, per step."""
    count = tf.reduce_sum(tf.cast(batch["attention_mask"], tf.float32))
    return WeightedMean(count, tf.ones(()))
