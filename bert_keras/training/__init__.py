"""Training: the loop, its checkpoints and logs, and pre-training on top of them."""

from bert_keras.training.curves import plot_curves
from bert_keras.training.loop import Evaluation, TrainingRun
from bert_keras.training.pretrain import measure_seconds_per_step, pretrain

__all__ = [
    "Evaluation",
    "TrainingRun",
    "measure_seconds_per_step",
    "plot_curves",
    "pretrain",
]
