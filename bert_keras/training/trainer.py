"""The training loop of pre-training and fine-tuning."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import FinetuneConfig, PretrainConfig
from bert_keras.errors import Diverged, Interrupted
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import Means, Objective, TrainStep, make_eval_step
from bert_keras.saving.mark import read_mark
from bert_keras.saving.run_state import CHECKPOINTS_FOLDER
from bert_keras.signals import Stopped, give_way, listening
from bert_keras.training.checkpoint import Checkpoints, check_finite
from bert_keras.training.metrics import InputWatch, LossWatch, MetricsLog, Window, set_log_aside
from bert_keras.training.phases import Phase
from bert_keras.training.state import RunState
from bert_keras.training.strategy import distribute, is_chief
from bert_keras.training.workers import check_same_step

_logger = logging.getLogger("bert_keras")

_START_ANEW = "start again in another --workdir, with a lower optimizer.learning_rate"
_ADVICE = (
    "the same command with --set watch.on_divergence=roll_back goes back to before it and skips "
    f"its data; or {_START_ANEW}"
)


class Trainer:
    """The training of a model in a work directory, which resumes from its newest checkpoint.

    Args:
        model: Made in the strategy's scope; see ``TrainStep``.
        optimizer: Made in the strategy's scope.
        objective: What to minimize, and to measure on held-out batches.
        config: The recipe, of which ``train``, ``checkpoint`` and ``watch`` are read.
        strategy: Which devices share a step.
        workdir: The directory of ``checkpoints/``, ``metrics.jsonl`` and ``logs/``.
        callbacks: Keras callbacks, called at batches (with logs when a line is logged),
            evaluations, and the beginning and end of the run. One that sets
            ``model.stop_training`` at an evaluation ends the run there.
    """

    def __init__(
        self,
        model: BertModel,
        optimizer: keras.optimizers.Optimizer,
        objective: Objective,
        config: PretrainConfig | FinetuneConfig,
        strategy: tf.distribute.Strategy,
        workdir: Path,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.model, self.optimizer, self.strategy = model, optimizer, strategy
        self.train, self.watch = config.train, config.watch
        self.checkpoint_settings = config.checkpoint
        self.checkpoints = Checkpoints(
            workdir / CHECKPOINTS_FOLDER, config.checkpoint.keep, is_writer=is_chief(strategy)
        )
        self.workdir = workdir
        self.train_step = TrainStep(strategy, model, optimizer, objective, config.train)
        self.eval_step = make_eval_step(strategy, model, objective, config.train.jit_compile)
        self.callbacks = keras.callbacks.CallbackList(list(callbacks))

    def fit(self, phases: Sequence[Phase]) -> None:
        """Train through the phases, from the newest checkpoint if there is one.

        Raises:
            Interrupted: After Ctrl-C or SIGTERM, once the state is saved.
            Diverged: When the loss is not finite or has blown up, and ``watch`` says to stop.
            OSError: When checkpoints cannot be written.
        """
        self.phases = phases
        total = phases[-1].last_step
        self._restore()
        step = self.state.step
        self.callbacks.set_model(self.model)
        evaluates = any(phase.evaluation for phase in phases)
        self.callbacks.set_params({"steps": total, "initial_step": step, "evaluates": evaluates})
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        self._saved_at = time.monotonic()
        self._inputs = InputWatch(self.watch.input_share)
        with listening() as self.stop_request, self.checkpoints.writing():
            try:
                self._fit_phases(total)
            except Stopped as stopped:  # raised only where everything is saved
                raise Interrupted(self.state.step, stopped.signal_number) from None
        self.callbacks.on_train_end()

    def _fit_phases(self, total: int) -> None:
        if not self.state.step and self.watch.on_divergence == "roll_back":
            self.checkpoints.save(self.state, self.model, self.optimizer)
        if self.state.evaluation_is_due:
            self._evaluate(self.phases[self.state.phase], self.state.step)
        while self.state.step < total and not self.model.stop_training:
            try:
                self._fit_phase(self._phase_after(self.state.step), total)
            except Diverged as error:
                self._roll_back(error)

    def _restore(self, until: int | None = None) -> bool:
        """Load the newest checkpoint, of step ``until`` at the latest; False if there is none."""
        with self.strategy.scope():
            if not self.optimizer.built:
                self.optimizer.build(self.model.trainable_variables)
            mark = read_mark(self.workdir)
            beginning = RunState(self.train.seed, mark.run_id if mark else "")
            state = self.checkpoints.restore_latest(self.model, self.optimizer, beginning, until)
        self.state = state or beginning
        check_same_step(self.strategy, self.state.step, self.checkpoints.restored_sha256)
        self.phases[self.state.phase].resume(self.state.epoch_offsets)
        self._losses = LossWatch(self.watch, self.state.losses)
        first_due = self.checkpoint_settings.every_steps
        if state is None and until is None and first_due and self.checkpoints.is_writer:
            set_log_aside(self.workdir, first_due)
        # After a roll-back the step was evaluated before.
        is_evaluated = until is not None or not self.state.evaluation_is_due
        self.log = MetricsLog(self.workdir, self.state.step, is_evaluated)
        return state is not None

    def _phase_after(self, step: int) -> int:
        return next(n for n, phase in enumerate(self.phases) if step < phase.last_step)

    def _fit_phase(self, number: int, total: int) -> None:
        """Train to the end of a phase, or until a callback stops the run."""
        phase, step = self.phases[number], self.state.step
        window = Window(self.state.window)
        dataset = self.state.batches(number, phase.batches_from, step)
        distributed = distribute(self.strategy, dataset)
        self.train_step.expect(distributed.element_spec)
        batches = iter(distributed)
        run_steps = self._run_first_steps
        while step < phase.last_step:
            self.callbacks.on_train_batch_begin(step)
            before = step
            step += self._steps_of_call(before, phase.last_step)
            with window.timed():
                means = run_steps(batches, step - before, window)
            run_steps = self._run_steps
            window.add(step, means)
            logs = {}
            if _has_passed(before, step, self.train.log_every_steps) or step == phase.last_step:
                logs = self._log(window, phase, step)
            self.callbacks.on_train_batch_end(step - 1, logs)
            is_due = _has_passed(before, step, self.train.eval_every_steps) or step == total
            self.state.step = step
            self.state.evaluation_is_due = is_due and phase.evaluation is not None
            if self.state.evaluation_is_due:
                window.settle(self._losses.check)
                check_finite(step, self.model, self.optimizer)
            if is_saved := self._is_time_to_save(before, step) or step == phase.last_step:
                self._save(number, step, window)
            if self.state.evaluation_is_due:
                with suppress(Stopped):  # the state is saved first
                    self._evaluate(phase, step)
            stopping = self.stop_request.signal_number
            is_last = step == total or self.model.stop_training
            if (is_last or stopping) and not is_saved:
                self._save(number, step, window)
            if is_last or stopping:
                self.checkpoints.wait()
            if stopping:
                raise Interrupted(step, stopping)
            if is_last:
                return
        self.state.window = {}

    def _steps_of_call(self, step: int, last_step: int) -> int:
        """The number of steps until a line of the log, an evaluation or a checkpoint is due."""
        intervals = (
            self.train.log_every_steps,
            self.train.eval_every_steps,
            self.checkpoint_settings.every_steps,
        )
        ends = [last_step, *(step + every - step % every for every in intervals if every)]
        return min(self.train.steps_per_call, min(ends) - step)

    def _run_first_steps(self, batches: Iterator[Any], count: int, window: Window) -> Means:
        """The first steps, which trace and compile; a signal ends them, as nothing is lost."""
        with self.stop_request.raised():
            means = give_way(self._run_steps, batches, count, window)
        self.stop_request.is_noted = True
        return means

    def _run_steps(self, batches: Iterator[Any], count: int, window: Window) -> Means:
        """Steps; with one a call, the wait for its batch is timed."""
        if count > 1:
            return self.train_step.run(batches, count)
        with window.waiting():
            batch = next(batches)
        return self.train_step(batch)

    def _log(self, window: Window, phase: Phase, step: int) -> dict[str, float]:
        """Write the window's line."""
        window.settle(self._losses.check)
        calls = window.timed_calls
        logs = window.close() | phase.constants
        logs["learning_rate"] = float(self.optimizer.learning_rate)  # the next step's
        self.log.write(step, "train", logs)
        self._inputs.check(step, logs.get("input_share", 0.0), calls)
        return logs

    def _is_time_to_save(self, before: int, step: int) -> bool:
        minutes = self.checkpoint_settings.every_minutes
        is_late = bool(minutes) and time.monotonic() - self._saved_at >= 60 * minutes
        return is_late or _has_passed(before, step, self.checkpoint_settings.every_steps)

    def _save(self, number: int, step: int, window: Window) -> None:
        """Check the losses and begin to write a checkpoint."""
        window.settle(self._losses.check)
        position = self.state.position(number, step)
        self.state = replace(
            self.state,
            phase=number,
            epoch_offsets=self.phases[number].epoch_offsets(position),
            losses=self._losses.losses,
            window=window.sums,
        )
        self.checkpoints.save(self.state, self.model, self.optimizer)
        self._saved_at = time.monotonic()

    def _roll_back(self, error: Diverged) -> None:
        """Load a checkpoint from before the bad step, and skip that step's data from now on.

        Raises:
            Diverged: When the recipe does not ask for it, or it is not possible.
        """
        number = self._phase_after(error.step - 1)
        phase_start = self.phases[number - 1].last_step if number else 0
        # Of a call of several steps, the error names the last.
        skipped_steps = max(self.watch.skip_steps, self.train.steps_per_call)
        first = max(phase_start + 1, error.step - skipped_steps + 1)
        skipped, roll_backs = self.state.skipped, self.state.roll_backs + 1
        if self.watch.on_divergence == "stop":
            raise Diverged(error.step, f"{error}; {_ADVICE}") from None
        if roll_backs > self.watch.max_roll_backs:
            message = f"{error}, after {self.watch.max_roll_backs} roll-backs; {_START_ANEW}"
            raise Diverged(error.step, message) from None
        self.checkpoints.wait_and_warn()
        check_same_step(self.strategy, error.step)  # waits for the newest checkpoint on all workers
        if not self._restore(until=first - 1):
            raise Diverged(
                error.step,
                f"{error}; no checkpoint is left from before step {first:,} to go back to: set "
                "checkpoint.keep higher or watch.skip_steps lower",
            ) from None
        self.checkpoints.delete_after(self.state.step)
        # The checkpoint may be older than an earlier roll-back, which stays in force.
        self.state.skipped, self.state.roll_backs = skipped, roll_backs
        self.state.skip(number, first, error.step)
        _logger.warning(
            "%s; back to step %s, the data of steps %s to %s are skipped",
            error,
            *(f"{step:,}" for step in (self.state.step, first, error.step)),
        )

    def _evaluate(self, phase: Phase, step: int) -> None:
        """Log the phase's evaluation.

        Raises:
            Stopped: When a signal comes before its end; nothing is logged.
        """
        assert phase.evaluation is not None
        with self.stop_request.raised():
            self.callbacks.on_test_begin()
            values = phase.evaluation(self) | phase.constants
        self.log.write(step, "eval", values)
        self.callbacks.on_test_end(values | {"step": step})


def _has_passed(before: int, step: int, every: int) -> bool:
    """Tell whether a multiple of ``every`` was reached after ``before``; never for 0."""
    return bool(every) and step // every > before // every
