"""Training as it is watched: a bar, and a line for every evaluation."""

from typing import Any, Self

import keras

from bert_keras.cli.console import errors, progress_bar


class TrainingProgress(keras.callbacks.Callback):
    """Shows steps, tokens per second and time left, and what each evaluation found.

    A context manager: at its end the bar goes, whatever happened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bar = progress_bar("steps")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the bar at the step the run goes on from."""
        done, total = self.params["initial_step"], self.params["steps"]
        if done:
            errors.print(f"going on from step {done:,} of {total:,}")
        self.task = self.bar.add_task("training", total=total, completed=done, rate="")
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar; shows the newest logged loss and rate."""
        self.bar.update(self.task, completed=batch + 1)
        if logs:
            self.bar.update(
                self.task,
                description=f"training, mlm loss {logs['mlm_loss']:.2f}",
                rate=f"{logs.get('tokens_per_second', 0):,.0f} tokens/s",
            )

    def on_test_end(self, logs: Any = None) -> None:
        """Prints the held-out results beside what guessing would reach."""
        self.bar.console.print(
            f"step {int(logs['step']):>7,}, length {int(logs['max_seq_length'])}, held out:  "
            f"masked words {logs['mlm_accuracy']:.3f} right "
            f"(most frequent word: {logs['mlm_baseline_accuracy']:.3f}), "
            f"loss {logs['mlm_loss']:.2f};  "
            f"next sentence {logs['nsp_accuracy']:.3f} "
            f"(larger class: {logs['nsp_baseline_accuracy']:.3f})",
            soft_wrap=True,
        )
