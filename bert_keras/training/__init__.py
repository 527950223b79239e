"""Training: the loop, its checkpoints and logs, and pre-training on top of them."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.training.curves import plot_curves
from bert_keras.training.ending import finish
from bert_keras.training.metrics import read_metrics
from bert_keras.training.phases import HeldOutMeans, Phase
from bert_keras.training.pretrain import measure_seconds_per_step, pretrain
from bert_keras.training.run import Run, make_optimizer
from bert_keras.training.strategy import check_batches, host_of, rows_of_host
from bert_keras.training.trainer import Trainer

__all__ = [
    "HeldOutMeans",
    "Phase",
    "Run",
    "Trainer",
    "check_batches",
    "finish",
    "host_of",
    "make_optimizer",
    "measure_seconds_per_step",
    "plot_curves",
    "pretrain",
    "read_metrics",
    "rows_of_host",
]
