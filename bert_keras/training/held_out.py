"""The evaluation on batches that training never sees."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import tensorflow as tf

from bert_keras.objectives import perplexity
from bert_keras.training.strategy import distribute
from bert_keras.training.window import Window

if TYPE_CHECKING:
    from bert_keras.training.loop import TrainingRun


@dataclass
class HeldOutMeans:
    """The evaluation by the model's own losses and accuracies on held-out batches.

    Attributes:
        batches: A finite dataset of global batches, always the same ones.
        constants: Logged with every evaluation, such as what guessing would reach.
    """

    batches: tf.data.Dataset
    constants: dict[str, float] = field(default_factory=dict)

    def __call__(self, run: "TrainingRun") -> dict[str, float]:
        """The means over the batches."""
        window = Window()
        for batch in distribute(run.strategy, self.batches):
            window.add(0, run.eval_step(batch))
        window.settle()
        values = window.means()
        if "mlm_loss" in values:
            values["mlm_perplexity"] = perplexity(values["mlm_loss"])
        return values | self.constants
