"""What training makes small: a loss, and what is measured beside it."""

from typing import Any, Protocol

import tensorflow as tf

from bert_keras.objectives.means import Means

Batch = dict[str, tf.Tensor]


class Objective(Protocol):
    """A loss that a trainer makes small; a model is handed to it, it belongs to none.

    Attributes:
        is_additive: Whether the loss of a batch is the sum of the losses of its examples over the
            sum of their weights. Then a batch may be split over micro-batches and replicas.
    """

    is_additive: bool

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weight of each mean of ``__call__``, float32 scalars, from the labels alone."""
        ...

    def __call__(
        self, model: Any, batch: Batch, *, training: bool, dropout_seed: tf.Tensor | None = None
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


class SupervisedObjective:
    """An objective that compares a model's outputs with the labels in the batch.

    A subclass says what it measures, and what each mean is over.

    Attributes:
        names: What ``measure`` may return, in order.
    """

    is_additive = True
    names: tuple[str, ...] = ()

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weight of each mean, float32 scalars, from the labels alone."""
        raise NotImplementedError

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """Losses and accuracies of a batch.

        Args:
            batch: Inputs and labels.
            outputs: What the model made of the inputs.
        """
        raise NotImplementedError

    def __call__(
        self, model: Any, batch: Batch, *, training: bool, dropout_seed: tf.Tensor | None = None
    ) -> Means:
        """The losses and measures of a batch; see ``Objective``."""
        return self.measure(batch, model(batch, training=training, dropout_seed=dropout_seed))


class SumOf(SupervisedObjective):
    """Several objectives of one model, added up.

    Args:
        required: Every batch has its labels.
        optional: Further ones by the key of their labels; left out where a batch lacks it.
    """

    def __init__(
        self, required: SupervisedObjective, optional: dict[str, SupervisedObjective]
    ) -> None:
        self.required, self.optional = required, optional
        self.names = (*required.names, *(n for each in optional.values() for n in each.names))

    def weights(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The weights of all objectives that the batch has labels for."""
        found: dict[str, tf.Tensor] = {}
        for each in self._of(batch):
            found |= each.weights(batch)
        return found

    def measure(self, batch: Batch, outputs: Batch) -> Means:
        """The means of all objectives that the batch has labels for."""
        means: Means = {}
        for each in self._of(batch):
            means |= each.measure(batch, outputs)
        return means

    def _of(self, batch: Batch) -> list[SupervisedObjective]:
        return [self.required, *(each for key, each in self.optional.items() if key in batch)]
