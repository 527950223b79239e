"""Training: the loop, its checkpoints and logs, and pre-training on top of them."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.training.base import base_of_start, source_of_start, start_of_run
from bert_keras.training.circumstances import circumstances
from bert_keras.training.curves import plot_curves
from bert_keras.training.held_out import HeldOutMeans
from bert_keras.training.loop import TrainingRun
from bert_keras.training.metrics import read_metrics
from bert_keras.training.optimizer import make_optimizer
from bert_keras.training.pretrain import measure_seconds_per_step, pretrain
from bert_keras.training.stage import Stage
from bert_keras.training.strategy import (
    check_batches,
    host_of,
    is_chief,
    make_strategy,
    rows_of_host,
)
from bert_keras.training.workdir import (
    check_folder,
    check_owner,
    claim,
    finish,
    is_finished,
    model_written,
)
from bert_keras.training.workers import (
    in_agreement,
    made_from,
    own_workdir,
    telling_of_lost_workers,
)

__all__ = [
    "HeldOutMeans",
    "Stage",
    "TrainingRun",
    "base_of_start",
    "check_batches",
    "check_folder",
    "check_owner",
    "circumstances",
    "claim",
    "finish",
    "host_of",
    "in_agreement",
    "is_chief",
    "is_finished",
    "made_from",
    "make_optimizer",
    "make_strategy",
    "measure_seconds_per_step",
    "model_written",
    "own_workdir",
    "plot_curves",
    "pretrain",
    "read_metrics",
    "rows_of_host",
    "source_of_start",
    "start_of_run",
    "telling_of_lost_workers",
]
