"""The best model of a run: ``SaveBest`` by the dev examples, which resumes and stops early."""

import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.files import check_replaceable, write_text_atomic
from bert_keras.saving import SaveBest
from bert_keras.saving.run_state import BEST_FOLDER, BEST_STEP_FILE, read_best_step
from bert_keras.training import read_metrics
from bert_keras.training.metrics import METRICS_FILE


class KeepBest(SaveBest):
    """The best model of a run, in ``best/`` of its work directory and its step in ``best_step``.

    It judges by ``metrics.jsonl`` and ``best_step`` alone, so a run that was killed resumes as if
    it had not been. A kept model whose evaluation is no longer in the log, because the run went
    back to before it, gives way to the next.

    Args:
        workdir: The run's work directory.
        metric: The metric that is compared; higher is better.
        patience: The run stops after this many evaluations without a better one; 0 never stops it.
        card: Gives the card of the model of a step with these scores.
    """

    def __init__(
        self,
        workdir: Path,
        metric: str,
        patience: int = 0,
        card: Callable[[int, Mapping[str, float]], str] | None = None,
    ) -> None:
        super().__init__(workdir / BEST_FOLDER, metric, mode="max")
        self.workdir, self.patience, self.card = workdir, patience, card

    def on_train_begin(self, logs: Any = None) -> None:
        """Stop at once where the run had stopped already.

        Raises:
            InputError: When ``best_step`` is damaged, or the log lacks the evaluation of that step,
                though the run is past it: the next model would replace a better one.
        """
        scores, kept = self._scores(), self._kept_step()
        if 0 <= kept < self.params["initial_step"] and kept not in scores and self.path.exists():
            raise InputError(
                f"{self.path} is the model of step {kept:,}, whose evaluation is missing in "
                f"{self.workdir / METRICS_FILE}; put the line back, or remove {self.path} and "
                f"{self.workdir / BEST_STEP_FILE}, and the next evaluated model is kept"
            )
        self._stop_if_waiting(scores)

    def on_test_end(self, logs: Any = None) -> None:
        """Keep the model if the evaluation that was just logged is the best."""
        scores, kept = self._scores(), self._kept_step()
        *earlier, step = scores
        if kept not in earlier:
            self._remove(self.path)
        self.best = scores[kept] if kept in earlier else -math.inf
        if self.is_better(scores[step]):
            # Before the model: after a kill in between, the log lacks this step, and the model is
            # replaced.
            write_text_atomic(self.workdir / BEST_STEP_FILE, f"{step}\n", replace=True)
            if self.card:
                self.model.card = self.card(step, eval_scores(self.workdir, step))
        self.save_if_better(scores[step])
        self._stop_if_waiting(scores)

    def move_to(self, path: Path) -> int | None:
        """Move the best model to ``path``, the run's ``model/``.

        Returns:
            The step of the best model where its folder is gone, which only another program
            removes; None where the model is in its place, or none was kept, as no score was a
            number.
        """
        kept = self._kept_step()
        if self.path.exists():
            check_replaceable(self.path, whole=True)
            self._remove(path)  # of an end that was killed
            self.path.rename(path)
        return kept if not path.exists() and kept in self._scores() else None

    def _remove(self, folder: Path) -> None:
        """Remove a model that was saved there, but no file that somebody added."""
        check_replaceable(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def _stop_if_waiting(self, scores: dict[int, float]) -> None:
        values = list(scores.values())
        since_best = len(values) - 1 - values.index(max(values)) if values else 0
        if self.patience and since_best >= self.patience:
            self.model.stop_training = True

    def _kept_step(self) -> int:
        """The step of the model in ``best/``; -1 where there has been none."""
        step = read_best_step(self.workdir)
        return -1 if step is None else step

    def _scores(self) -> dict[int, float]:
        """The metric at the step of each evaluation so far; what was not a number is worst."""
        lines = [line for line in read_metrics(self.workdir) if line["split"] == "eval"]
        values = {line["step"]: line.get(self.monitor) for line in lines}
        return {step: -math.inf if value is None else value for step, value in values.items()}


def eval_scores(workdir: Path, step: int) -> dict[str, float]:
    """The scores of a run's evaluation at a step; empty without one."""
    for line in reversed(read_metrics(workdir)):
        if line["split"] == "eval" and line["step"] == step:
            scores = {name: v for name, v in line.items() if name not in ("step", "split")}
            return {name: value for name, value in scores.items() if isinstance(value, float)}
    return {}
