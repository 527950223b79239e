"""What a run trains on for how long, and how it is evaluated."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import tensorflow as tf

from bert_keras.training.state import EpochOffsets

if TYPE_CHECKING:
    from bert_keras.training.loop import TrainingRun


@dataclass
class Stage:
    """A stretch of the run on batches of one shape.

    Attributes:
        last_step: The number of updates at its end.
        batches_from: From the number of updates done to the endless batches from there on.
        evaluation: Gives what is logged of the model as it is now, such as ``HeldOutMeans``;
            ``None`` evaluates nothing.
        constants: Logged with every line, such as the sequence length.
        epochs: What the batches remember of their epochs' plans, kept in checkpoints.
    """

    last_step: int
    batches_from: Callable[[int], tf.data.Dataset]
    evaluation: Callable[["TrainingRun"], dict[str, float]] | None = None
    constants: dict[str, float] = field(default_factory=dict)
    epochs: EpochOffsets | None = None
