"""The best model of a run: chosen on the dev examples, kept on the disk, waited for no longer."""

import math
import shutil
from pathlib import Path
from typing import Any

import keras

from bert_keras.files import check_replaceable, write_text_atomic
from bert_keras.saving import save
from bert_keras.saving.run_state import BEST_FOLDER, BEST_STEP_FILE, read_best_step
from bert_keras.training import read_metrics


class KeepBest(keras.callbacks.Callback):
    """Saves the model after each evaluation that is better than the kept one, and stops early.

    It judges from ``metrics.jsonl`` and the step of the kept model alone, so a run that was killed
    goes on as if it had not been. A model whose evaluation is in the log no more, as a run went
    back to before it, gives way to the next.

    Args:
        workdir: The run's work directory; the model goes to ``best/`` in it, its step to
            ``best_step``.
        metric: What is compared; higher is better.
        patience: The run stops after this many evaluations without a better one; 0 never.
    """

    def __init__(self, workdir: Path, metric: str, patience: int = 0) -> None:
        super().__init__()
        self.workdir, self.metric, self.patience = workdir, metric, patience

    def on_train_begin(self, logs: Any = None) -> None:
        """Stops at once where the run had stopped already, or ``best_step`` is damaged."""
        self._kept_step()
        self._stop_if_waiting(list(self._scores().values()))

    def on_test_end(self, logs: Any = None) -> None:
        """Keeps the model if the evaluation that was just logged is the best."""
        scores = self._scores()
        values = list(scores.values())
        step, score = scores.popitem()
        kept = self._kept_step()
        if kept not in scores:
            self._remove(self.workdir / BEST_FOLDER)
        if score > scores.get(kept, -math.inf):
            # First its step: a kill in between leaves one that the log does not have yet.
            write_text_atomic(self.workdir / BEST_STEP_FILE, f"{step}\n", replace=True)
            save(self.model, self.workdir / BEST_FOLDER)
        self._stop_if_waiting(values)

    def move_to(self, path: Path) -> int | None:
        """Moves the best model to ``path``, the run's ``model/``.

        Returns:
            The step of the best model where that was removed, which another may have done alone;
            None where it is in its place, or none was kept, as no score was a number.
        """
        best, kept = self.workdir / BEST_FOLDER, self._kept_step()
        if best.exists():
            check_replaceable(best, whole=True)
            self._remove(path)  # of an end that was killed
            best.rename(path)
        return kept if not path.exists() and kept in self._scores() else None

    def _remove(self, folder: Path) -> None:
        """Removes a model that was saved there, but no file that somebody put beside it."""
        check_replaceable(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def _stop_if_waiting(self, values: list[float]) -> None:
        since_best = len(values) - 1 - values.index(max(values)) if values else 0
        if self.patience and since_best >= self.patience:
            self.model.stop_training = True

    def _kept_step(self) -> int:
        """The step of the model in ``best/``; -1 where there has been none."""
        step = read_best_step(self.workdir)
        return -1 if step is None else step

    def _scores(self) -> dict[int, float]:
        """The metric at the step of each evaluation so far; what was no number is worst."""
        lines = [line for line in read_metrics(self.workdir) if line["split"] == "eval"]
        values = {line["step"]: line.get(self.metric) for line in lines}
        return {step: -math.inf if value is None else value for step, value in values.items()}
