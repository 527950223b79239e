"""The one loop that every command trains through."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import CheckpointConfig, FinetuneTrainConfig, TrainConfig
from bert_keras.errors import Interrupted
from bert_keras.modeling.ratio import perplexity, sum_ratios
from bert_keras.training.interruption import listening
from bert_keras.training.metrics import MetricsLog
from bert_keras.training.steps import Ratios, TrainStep, make_eval_step
from bert_keras.training.strategy import distribute
from bert_keras.training.workdir import CHECKPOINTS_FOLDER
from bert_keras.training.workers import agree_on, open_checkpoints


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
        window = _Window()
        for batch in distribute(run.strategy, self.batches):
            window.add(run.eval_step(batch))
        values = window.means()
        if "mlm_loss" in values:
            values["mlm_perplexity"] = perplexity(values["mlm_loss"])
        return values | self.constants


@dataclass
class Stage:
    """A stretch of the run on batches of one shape.

    Attributes:
        last_step: The number of updates at its end.
        batches_from: From the number of updates done to the endless batches from there on.
        evaluation: Gives what is logged of the model as it is now, such as ``HeldOutMeans``;
            ``None`` evaluates nothing.
        constants: Logged with every line, such as the sequence length.
    """

    last_step: int
    batches_from: Callable[[int], tf.data.Dataset]
    evaluation: Callable[["TrainingRun"], dict[str, float]] | None = None
    constants: dict[str, float] = field(default_factory=dict)


class TrainingRun:
    """A model's training in a work directory; the same run again goes on where it was killed.

    Args:
        model: A ``ScoredModel`` that was made in the strategy's scope.
        optimizer: A Keras optimizer, likewise.
        strategy: Which devices share a step.
        train: Length, precision and logging.
        checkpoint: How often the state is written.
        workdir: Where ``checkpoints/``, ``metrics.jsonl`` and ``logs/`` go.
        callbacks: Keras callbacks; they are told of batches (with logs when a line is logged),
            evaluations, and the run's begin and end. One that sets ``model.stop_training``
            ends the run at the evaluation it was told of.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        strategy: tf.distribute.Strategy,
        train: TrainConfig | FinetuneTrainConfig,
        checkpoint: CheckpointConfig,
        workdir: Path,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.train = train
        self.every_steps = checkpoint.every_steps
        self.checkpoints = open_checkpoints(strategy, workdir / CHECKPOINTS_FOLDER, checkpoint.keep)
        self.workdir = workdir
        self.train_step = TrainStep(strategy, model, optimizer, train)
        self.eval_step = make_eval_step(strategy, model, train.jit_compile)
        self.callbacks = keras.callbacks.CallbackList(list(callbacks))

    def restore(self) -> int:
        """Takes up the newest checkpoint; returns the number of updates done."""
        with self.strategy.scope():
            if not self.optimizer.built:
                self.optimizer.build(self.model.trainable_variables)
            return self.checkpoints.restore_latest(self.model, self.optimizer)

    def run(self, stages: Sequence[Stage]) -> None:
        """Trains through the stages, from the newest checkpoint on if there is one.

        Raises:
            Interrupted: After Ctrl-C or SIGTERM, once the state is saved.
        """
        step = self.restore()
        agree_on(self.strategy, step)
        self.log = MetricsLog(self.workdir, step)
        total = stages[-1].last_step
        self.callbacks.set_model(self.model)
        evaluates = any(stage.evaluation for stage in stages)
        self.callbacks.set_params({"steps": total, "initial_step": step, "evaluates": evaluates})
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        with listening() as self.stop_request:
            for stage in stages:
                if step < stage.last_step and not self.model.stop_training:
                    self._run_stage(stage, step, total)
                    step = stage.last_step
        self.callbacks.on_train_end()

    def _run_stage(self, stage: Stage, first_step: int, total: int) -> None:
        window, step = _Window(), first_step
        batches = iter(distribute(self.strategy, stage.batches_from(first_step)))
        while step < stage.last_step:
            self.callbacks.on_train_batch_begin(step)
            count = self._steps_of_call(step, stage.last_step)
            with window.timed():
                window.add(self.train_step.take(batches, count))
            step += count
            logs = {}
            if step % self.train.log_every_steps == 0 or step == stage.last_step:
                logs = window.close() | stage.constants
                logs["learning_rate"] = float(self.optimizer.learning_rate)  # the next step's
                self.log.write(step, "train", logs)
            self.callbacks.on_train_batch_end(step - 1, logs)
            if step % self.train.eval_every_steps == 0 or step == total:
                self.evaluate(stage, step)
            stopping = self.stop_request.signal_number
            is_last = step == total or self.model.stop_training
            if step % self.every_steps == 0 or is_last or stopping:
                self.checkpoints.save(step, self.model, self.optimizer)
            if is_last:
                return
            if stopping:
                raise Interrupted(step, stopping)

    def _steps_of_call(self, step: int, last_step: int) -> int:
        """How many steps to take before Python has something to do again."""
        intervals = (self.train.log_every_steps, self.train.eval_every_steps, self.every_steps)
        ends = [last_step, *(step + every - step % every for every in intervals)]
        return min(self.train.steps_per_call, min(ends) - step)

    def evaluate(self, stage: Stage, step: int) -> dict[str, float]:
        """What the stage's evaluation finds, logged; empty where it has none."""
        if stage.evaluation is None:
            return {}
        self.callbacks.on_test_begin()
        values = stage.evaluation(self) | stage.constants
        self.log.write(step, "eval", values)
        self.callbacks.on_test_end(values | {"step": step})
        return values


class _Window:
    """Ratios and time since the last line of the log."""

    def __init__(self) -> None:
        self._ratios: list[Ratios] = []
        self._seconds: list[float] = []
        self._is_warm = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Times the step within, the wait for its batch included."""
        start = time.monotonic()
        yield
        self._seconds.append(time.monotonic() - start)

    def add(self, ratios: Ratios) -> None:
        """Adds a step."""
        self._ratios.append(ratios)

    def means(self) -> dict[str, float]:
        """The mean of each ratio over all steps, the count of tokens apart."""
        return {
            name: numerator / denominator if denominator else math.nan
            for name, (numerator, denominator) in sum_ratios(self._ratios).items()
            if name != "tokens"
        }

    def close(self) -> dict[str, float]:
        """The means and ``tokens_per_second``, padding not counted; begins anew.

        The very first step traces and compiles, and is left out of the rate.
        """
        start = time.monotonic()
        means = self.means()  # waits for a device that runs behind
        seconds = sum(self._seconds[not self._is_warm :]) + time.monotonic() - start
        timed = sum_ratios(self._ratios[not self._is_warm :])
        if timed:
            means["tokens_per_second"] = timed["tokens"][0] / seconds
        self._ratios, self._seconds, self._is_warm = [], [], True
        return means
