"""One step of training and one of evaluation, over all replicas."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.modeling.fusion import fusing
from bert_keras.modeling.random import dropout_drawn_from
from bert_keras.modeling.ratio import Ratio, sum_over_replicas, total_loss

Batch = dict[str, tf.Tensor]
Ratios = dict[str, Ratio]
Gradients = list[tf.Tensor | None]


class TrainStep:
    """Updates the weights from global batches; see ``ArithmeticConfig`` for how.

    Args:
        strategy: Which devices share a batch.
        model: A ``ScoredModel`` made in the strategy's scope.
        optimizer: A Keras optimizer, likewise.
        settings: Compilation and micro-batches.

    Attributes:
        update: What a replica does with its share of a batch; where XLA compiles all of it, the
            ``tf.function`` that does.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: Any,
        optimizer: Any,
        settings: ArithmeticConfig,
    ) -> None:
        self._strategy = strategy
        self._model, self._optimizer = model, optimizer
        self._micro_batches = settings.accumulation_steps
        self._dropout_steps = [v for v in model.variables if v.path.endswith("dropout_seeds/step")]
        self._gradients = self._accumulated if self._micro_batches > 1 else self._gradients_of
        self.update: Any = self._update
        compiles = settings.jit_compile and not is_tpu(strategy)  # which compiles by itself
        self._fuses = not compiles and not any(map(tf.config.list_logical_devices, ("GPU", "TPU")))
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

    def __call__(self, batch: Any) -> Ratios:
        """Takes one step on a global batch; returns its ratios."""
        ratios: Ratios = self._one(batch)
        return ratios

    def take(self, batches: Iterator[Any], count: int) -> Ratios:
        """Takes ``count`` steps on the next batches; returns the sums of their ratios."""
        if count == 1:
            return self(next(batches))
        ratios: Ratios = self._several(batches, tf.constant(count))
        return ratios

    def _loop(self, batches: Iterator[Any], count: tf.Tensor) -> Ratios:
        ratios = self._one(next(batches))
        for _ in tf.range(count - 1):
            ratios = tf.nest.map_structure(tf.add, ratios, self._one(next(batches)))
        return ratios

    def _over_replicas(self, batch: Any) -> Ratios:
        return _sum_over(self._strategy, self._strategy.run(self.update, args=(batch,)))

    def _update(self, batch: Batch) -> Ratios:
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        # A model without dropout counts no steps.
        steps = [tf.cast(step, tf.int64) for step in self._dropout_steps]
        seed = tf.stack([steps[0] if steps else tf.zeros((), tf.int64), replica])
        gradients, ratios = self._gradients(batch, seed, self._denominators(batch))
        for step in self._dropout_steps:
            step.assign_add(self._micro_batches)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return ratios | {"tokens": _real_tokens(batch)}

    def _denominators(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The ratios' denominators over all replicas and micro-batches; none if not needed yet.

        They follow from the labels alone. The forward pass that they are asked of is therefore
        no part of the graph that runs: nothing depends on what it computes.
        """
        if self._micro_batches == 1 and not self._meets_outside:
            return {}
        ratios = self._model.ratios(batch, self._model(batch, training=False))
        return {name: sum_over_replicas(ratio.denominator) for name, ratio in ratios.items()}

    def _gradients_of(
        self, batch: Batch, seed: tf.Tensor, denominators: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Ratios]:
        """This replica's share of the gradients; ``None`` for a head without labels."""
        # The gradients within too: layers that are computed once more must not round otherwise.
        with dropout_drawn_from(seed), fusing(self._fuses):
            with tf.GradientTape() as tape:
                ratios = self._model.ratios(batch, self._model(batch, training=True))
                loss = self._optimizer.scale_loss(total_loss(ratios, denominators))
            return tape.gradient(loss, self._model.trainable_variables), ratios

    def _accumulated(
        self, batch: Batch, seed: tf.Tensor, denominators: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Ratios]:
        """The same, one micro-batch after another."""
        parts = {name: _split(rows, self._micro_batches) for name, rows in batch.items()}
        without_gradient: set[int] = set()

        def add(number: tf.Tensor, sums: Gradients, ratios: Ratios) -> tuple:
            part = {name: rows[number] for name, rows in parts.items()}
            own_seed = seed + tf.stack([tf.cast(number, tf.int64), 0])
            gradients, found = self._gradients_of(part, own_seed, denominators)
            without_gradient.update(i for i, g in enumerate(gradients) if g is None)
            sums = [
                total if gradient is None else total + gradient
                for total, gradient in zip(sums, gradients, strict=True)
            ]
            return number + 1, sums, tf.nest.map_structure(tf.add, ratios, found)

        start = (
            tf.constant(0),
            [tf.zeros(v.shape, v.dtype) for v in self._model.trainable_variables],
            {name: Ratio(tf.zeros(()), tf.zeros(())) for name in denominators},
        )
        _, sums, ratios = tf.while_loop(
            lambda number, *_: number < self._micro_batches,
            add,
            start,
            parallel_iterations=1,
            maximum_iterations=self._micro_batches,
        )
        return [None if i in without_gradient else g for i, g in enumerate(sums)], ratios


def make_eval_step(
    strategy: tf.distribute.Strategy, model: Any, jit_compile: bool
) -> Callable[[Any], Ratios]:
    """A function from a global batch to its ratios; changes nothing."""

    def replica_step(batch: Batch) -> Ratios:
        return model.ratios(batch, model(batch, training=False))

    compiles = jit_compile and not is_tpu(strategy)
    compiled = tf.function(replica_step, jit_compile=True) if compiles else replica_step

    @tf.function  # a graph for each shape: one for all would round otherwise
    def step(batch: Any) -> Ratios:
        # Each replica calls its own program: handed over bare, it would be one of all replicas.
        return _sum_over(strategy, strategy.run(lambda rows: compiled(rows), args=(batch,)))

    return step


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether the strategy's devices are those of a TPU."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def _sum_over(strategy: tf.distribute.Strategy, ratios: Ratios) -> Ratios:
    """The ratios of all replicas together."""
    return tf.nest.map_structure(
        lambda part: strategy.reduce(tf.distribute.ReduceOp.SUM, part, axis=None), ratios
    )


def _split(rows: tf.Tensor, parts: int) -> tf.Tensor:
    """[B, ...] to [parts, B / parts, ...]."""
    dynamic = tf.shape(rows)
    rest = [size or dynamic[axis] for axis, size in enumerate(rows.shape) if axis]
    size = rows.shape[0] // parts if rows.shape[0] else dynamic[0] // parts
    return tf.reshape(rows, [parts, size, *rest])


def _real_tokens(batch: Batch) -> Ratio:
    """The tokens of a batch without its padding, per step."""
    count = tf.reduce_sum(tf.cast(batch["attention_mask"], tf.float32))
    return Ratio(count, tf.ones(()))
