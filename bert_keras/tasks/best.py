"""The best model of a run: chosen on the dev examples, kept on the disk, waited for no longer."""

import math
import shutil
from pathlib import Path
from typing import Any

import keras

from bert_keras.checkpoints import save
from bert_keras.training import read_metrics

BEST_FOLDER = "best"


class KeepBest(keras.callbacks.Callback):
    """Saves the model after each evaluation that is better than all before, and stops early.

    It judges from ``metrics.jsonl`` alone, so a run that was killed goes on as if it had not been.

    Args:
        workdir: The run's work directory; the model goes to ``best/`` in it.
        metric: What is compared; higher is better.
        patience: The run stops after this many evaluations without a better one; 0 never.
    """

    def __init__(self, workdir: Path, metric: str, patience: int = 0) -> None:
        super().__init__()
        self.workdir, self.metric, self.patience = workdir, metric, patience

    def on_train_begin(self, logs: Any = None) -> None:
        """Stops at once where the run had stopped already."""
        values = self._values()
        if not values:  # what is there is of a run that was given up before its first checkpoint
            shutil.rmtree(self.workdir / BEST_FOLDER, ignore_errors=True)
        self._stop_if_waiting(values)

    def on_test_end(self, logs: Any = None) -> None:
        """Keeps the model if the evaluation that was just logged is the best."""
        values = self._values()
        if values and values[-1] > max(values[:-1], default=-math.inf):
            save(self.model, self.workdir / BEST_FOLDER)
        self._stop_if_waiting(values)

    def _stop_if_waiting(self, values: list[float]) -> None:
        since_best = len(values) - 1 - values.index(max(values)) if values else 0
        if self.patience and since_best >= self.patience:
            self.model.stop_training = True

    def _values(self) -> list[float]:
        """The metric at each evaluation so far; what was no number is worst."""
        lines = [line for line in read_metrics(self.workdir) if line["split"] == "eval"]
        values = [line.get(self.metric) for line in lines]
        return [-math.inf if value is None else value for value in values]
