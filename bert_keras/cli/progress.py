"""The progress of training: a bar, and a line for every evaluation."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import keras

from bert_keras.cli.console import errors, progress_bar
from bert_keras.objectives.means import LOSS

# Above the rows of pre-training, in their columns.
HEADER = (
    "held out          masked words:                next sentence:\n"
    "     step  length    loss    right  guessing      right  guessing"
)

_COLUMNS = (
    ("mlm_loss", 8, 2),
    ("mlm_accuracy", 9, 3),
    ("mlm_baseline_accuracy", 10, 3),
    ("nsp_accuracy", 11, 3),
    ("nsp_baseline_accuracy", 10, 3),
)


class TrainingProgress(keras.callbacks.Callback, ABC):
    """Steps, tokens per second and time left, and the results of each evaluation.

    A context manager: at its end the bar goes, whatever happened.
    """

    no_evaluation: ClassVar[str]  # the note where nothing is held out

    def __init__(self) -> None:
        super().__init__()
        self.has_header = False
        self.bar = progress_bar("steps")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the bar at the step from which the run resumes."""
        done, total = self.params["initial_step"], self.params["steps"]
        if done:
            errors.print(f"resuming from step {done:,} of {total:,}")
        if not self.params["evaluates"]:
            errors.print(self.no_evaluation)
        self.task = self.bar.add_task("training", total=total, completed=done, rate="")
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar; show the newest logged loss, rate, and share of waiting for batches."""
        self.bar.update(self.task, completed=batch + 1)
        if logs:
            losses = (name for name in logs if name.endswith(LOSS))
            shown = (f"{name.replace('_', ' ')} {logs[name]:.2f}" for name in losses)
            self.bar.update(
                self.task,
                description=next(shown, "training"),
                rate=f"{logs.get('tokens_per_second', 0):,.0f} tokens/s, "
                f"{logs.get('input_share', 0):.0%} waiting",
            )

    def on_test_end(self, logs: Any = None) -> None:
        """Print a row for the evaluation."""
        if not self.has_header:
            self.has_header = True
            self.bar.console.print(self.header(logs), soft_wrap=True)
        self.bar.console.print(self.row(logs), soft_wrap=True)

    @abstractmethod
    def header(self, logs: dict[str, float]) -> str:
        """The line above the rows."""

    @abstractmethod
    def row(self, logs: dict[str, float]) -> str:
        """The results of an evaluation."""


class PretrainingProgress(TrainingProgress):
    """The held-out results, and what guessing would reach."""

    no_evaluation = (
        "note: no text is held out to evaluate on: the corpus has a single document (prepare "
        "--split blank-line may find more), or data.eval_fraction is 0"
    )

    def header(self, logs: dict[str, float]) -> str:
        """The two tasks."""
        return HEADER

    def row(self, logs: dict[str, float]) -> str:
        """Step, length, and both tasks."""
        row = f"{int(logs['step']):>9,} {int(logs['max_seq_length']):>7}"
        for name, width, digits in _COLUMNS:
            row += f"{logs[name]:>{width}.{digits}f}" if name in logs else " " * width
        return row.rstrip()


class FinetuningProgress(TrainingProgress):
    """The task's metrics on the dev examples."""

    no_evaluation = (
        "note: no dev examples to choose the best model by, so the last one is kept: pass --dev "
        "FILE or --set data.dev_fraction=0.1"
    )

    def header(self, logs: dict[str, float]) -> str:
        """The metrics' names."""
        self.names = [name for name in logs if name != "step"]
        names = "".join(f"{name:>{_width(name)}}" for name in self.names)
        return f"dev examples\n     step{names}"

    def row(self, logs: dict[str, float]) -> str:
        """Step and metrics, each under its name."""
        cells = (
            f"{logs[name]:>{_width(name)}.4f}" if name in logs else " " * _width(name)
            for name in self.names
        )
        return f"{int(logs['step']):>9,}" + "".join(cells)


def _width(name: str) -> int:
    """The width of a metric's column."""
    return max(len(name), len("0.0000")) + 2
