"""The equal parts of a batch that are computed one after another, to save memory."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_keras.objectives.means import Means, WeightedMean, total_loss

Batch = dict[str, tf.Tensor]
Gradients = list[tf.Tensor | None]
_UPSTREAM = "gradient_of_outputs"  # beside the rows of a micro-batch


class MicroBatches:
    """A batch in equal parts, each with a dropout seed of its own.

    Args:
        batch: Rows of B examples by name.
        count: The number of parts, by which B can be divided.
        seed: int64 [2], (step, replica), the dropout seed of the first part; every further part
            is a step later.
    """

    def __init__(self, batch: Batch, count: int, seed: tf.Tensor) -> None:
        self._rows = {name: _split(rows, count) for name, rows in batch.items()}
        self._count, self._seed = count, seed

    def outputs(self, compute: Callable[[Batch, tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """The outputs of all parts, one after another; nothing of a part is kept but its output.

        Args:
            compute: From a part and its seed to its output, [B / count, ...].

        Returns:
            [B, ...], of the dtype float32.
        """
        shapes: list[tf.TensorShape] = []  # the array forgets them

        def add(number: tf.Tensor, found: tf.TensorArray) -> tuple:
            output = compute(*self._part(number))
            shapes.append(output.shape)
            return number + 1, found.write(number, output)

        _, found = self._loop(add, tf.TensorArray(tf.float32, self._count))
        rows = found.concat()
        size, *rest = shapes[0]
        rows.set_shape([size and size * self._count, *rest])
        return rows

    def gradients(
        self,
        compute: Callable[[Batch, tf.Tensor], tuple[Gradients, Means]],
        variables: Sequence[Any],
        names: Iterable[str],
    ) -> tuple[Gradients, Means]:
        """The sums of gradients and means over all parts.

        Args:
            compute: From a part and its seed to its gradients and means.
            variables: The variables that the gradients are by; ``None`` is the gradient of one
                that has none in any part.
            names: The names of the means.
        """
        without_gradient: set[int] = set()

        def add(number: tf.Tensor, sums: Gradients, means: Means) -> tuple:
            gradients, found = compute(*self._part(number))
            without_gradient.update(i for i, g in enumerate(gradients) if g is None)
            sums = [
                total if gradient is None else total + gradient
                for total, gradient in zip(sums, gradients, strict=True)
            ]
            return number + 1, sums, tf.nest.map_structure(tf.add, means, found)

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
        nothing = {name: WeightedMean(tf.zeros(()), tf.zeros(())) for name in names}
        _, sums, means = self._loop(add, zeros, nothing)
        return [None if i in without_gradient else g for i, g in enumerate(sums)], means

    def _part(self, number: tf.Tensor) -> tuple[Batch, tf.Tensor]:
        """A part and its dropout seed."""
        seed = self._seed + tf.stack([tf.cast(number, tf.int64), 0])
        return {name: rows[number] for name, rows in self._rows.items()}, seed

    def _loop(self, body: Callable, *start: Any) -> Any:
        """The state after all parts, of which one is computed at a time."""
        return tf.while_loop(
            lambda number, *_: number < self._count,
            body,
            (tf.constant(0), *start),
            parallel_iterations=1,
            maximum_iterations=self._count,
        )


class CachedGradients:
    """The gradients of an objective that compares examples, in the memory of a micro-batch.

    The outputs of all micro-batches are computed first, then the gradient of the loss by these
    outputs. Then each micro-batch is computed once more, with the same dropout, to propagate its
    rows of that gradient back to the weights. So a step has a forward pass more. See Gao et al.
    2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.2.

    Args:
        model: As ``TrainStep`` is given it.
        optimizer: Scales the loss.
        objective: A ``SupervisedObjective`` that ``compares`` an output of the model.
        micro_batches: Their number.
        compiles_passes: Whether XLA compiles the passes of the model, each by itself.
    """

    def __init__(
        self,
        model: Any,
        optimizer: keras.optimizers.Optimizer,
        objective: Any,
        micro_batches: int,
        compiles_passes: bool,
    ) -> None:
        self._model, self._optimizer, self._objective = model, optimizer, objective
        self._count = micro_batches
        self._outputs: Any = self._forward
        self._gradients: Any = self._backward
        if compiles_passes:
            self._outputs = tf.function(self._forward, jit_compile=True)
            self._gradients = tf.function(self._backward, jit_compile=True)

    def __call__(
        self, batch: Batch, seed: tf.Tensor, weights: dict[str, tf.Tensor]
    ) -> tuple[Gradients, Means]:
        """This replica's part of the gradients, and the means.

        Args:
            batch: This replica's rows.
            seed: The dropout seed of the first micro-batch.
            weights: The means' weights over all replicas.
        """
        outputs = self._outputs(batch, seed)
        head = self._objective.head.trainable_variables if self._objective.head else []
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            means = self._objective.measure_together(batch, {self._objective.compares: outputs})
            loss = self._optimizer.scale_loss(total_loss(means, weights))
        upstream, *of_head = tape.gradient(loss, [outputs, *head])
        gradients = self._gradients(batch | {_UPSTREAM: upstream}, seed)
        # The second pass does not reach the head, which reads the outputs.
        known = {id(variable): found for variable, found in zip(head, of_head, strict=True)}
        variables = zip(self._model.trainable_variables, gradients, strict=True)
        return [known.get(id(variable), found) for variable, found in variables], means

    def _forward(self, batch: Batch, seed: tf.Tensor) -> tf.Tensor:
        """The outputs that the objective compares."""
        return MicroBatches(batch, self._count, seed).outputs(self._compared)

    def _backward(self, batch: Batch, seed: tf.Tensor) -> Gradients:
        """The gradients by the weights, from those by the outputs of ``_forward``."""
        variables = self._model.trainable_variables

        def pull_back(part: Batch, own_seed: tf.Tensor) -> tuple[Gradients, Means]:
            upstream = part.pop(_UPSTREAM)
            with tf.GradientTape() as tape:
                outputs = self._compared(part, own_seed)
            return tape.gradient(outputs, variables, upstream), {}

        return MicroBatches(batch, self._count, seed).gradients(pull_back, variables, ())[0]

    def _compared(self, batch: Batch, seed: tf.Tensor) -> tf.Tensor:
        """The model's output that the objective compares, in training."""
        outputs = self._model(batch, training=True, dropout_seed=seed)
        return outputs[self._objective.compares]


def _split(rows: tf.Tensor, parts: int) -> tf.Tensor:
    """[B, ...] to [parts, B / parts, ...]."""
    dynamic = tf.shape(rows)
    rest = [size or dynamic[axis] for axis, size in enumerate(rows.shape) if axis]
    size = rows.shape[0] // parts if rows.shape[0] else dynamic[0] // parts
    return tf.reshape(rows, [parts, size, *rest])
