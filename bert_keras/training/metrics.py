"""The log of a run: its lines, the means between two of them, and warnings about both.

``metrics.jsonl`` is for programs, TensorBoard for people.
"""

import json
import logging
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras.config import WatchConfig
from bert_keras.errors import Diverged, InputError
from bert_keras.files import write_text_atomic
from bert_keras.objectives import Means, divided
from bert_keras.objectives.means import LOSS
from bert_keras.saving.mark import read_mark

METRICS_FILE = "metrics.jsonl"
LOGS_FOLDER = "logs"  # TensorBoard's
_MEDIAN_LOSSES = 100  # steps whose losses the median is of
_FEWEST_LOSSES = 20  # with fewer, the loss is not compared with the median
_FEWEST_CALLS = 10  # with fewer, the times of a window are too noisy

Sums = dict[str, list[float]]
_logger = logging.getLogger("bert_keras")


class MetricsLog:
    """The file ``metrics.jsonl``, a JSON object a line, and the same numbers in TensorBoard.

    Args:
        workdir: The run's work directory.
        step: The step that the run resumes from; later lines, of a killed run, are dropped.
        is_evaluated: Whether that step's evaluation is done.
    """

    def __init__(self, workdir: Path, step: int = 0, is_evaluated: bool = True) -> None:
        self.path = workdir / METRICS_FILE
        last = {"train": step, "eval": step if is_evaluated else step - 1}
        kept = [
            line for line in read_metrics(workdir) if line["step"] <= last.get(line["split"], step)
        ]
        write_text_atomic(self.path, "".join(_dump(line) for line in kept), replace=True)
        self._writers = {}
        for split in ("train", "eval"):
            folder = workdir / LOGS_FOLDER / split
            folder.mkdir(parents=True, exist_ok=True)  # TensorFlow would ignore the umask
            self._writers[split] = tf.summary.create_file_writer(os.fsencode(folder))

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """Append the values of ``split`` (``"train"`` or ``"eval"``) after ``step`` updates."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_dump({"step": step, "split": split} | values))
        with self._writers[split].as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[split].flush()


def set_log_aside(workdir: Path, step: int) -> None:
    """Rename the log of a run without a checkpoint, and warn, so that nothing of it is lost.

    None could be written, as on a full disk, or they are gone.

    Args:
        workdir: The run's work directory.
        step: The step at which the first checkpoint was due; a log that ends there or before is
            that of a run that was killed before it, which logs the same lines again, unless the run
            has had a model.
    """
    path, mark = workdir / METRICS_FILE, read_mark(workdir)
    least = step if mark is None or mark.model_files is None else 0
    if not any(line["step"] > least for line in read_metrics(workdir)):
        return
    others = (path.with_name(f"{METRICS_FILE}.{number}") for number in count(1))
    kept = next(other for other in others if not os.path.lexists(other))
    path.rename(kept)
    _logger.warning(
        "%s: the run's checkpoints are gone, or none could be written, so it begins anew; its "
        "earlier log is now %s",
        workdir, kept.name,
    )  # fmt: skip


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``; none where there is no such file.

    A last line that a kill cut short is left out.

    Raises:
        InputError: When another line is not a JSON object with ``step`` and ``split``.
    """
    path = workdir / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    values = []
    for number, line in enumerate(
        lines[:-1], start=1
    ):  # after the last newline there is nothing or half a line
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            value = None
        if not (
            isinstance(value, dict) and isinstance(value.get("step"), int) and "split" in value
        ):
            raise InputError(
                f"{path}, line {number} is not a line of a log; delete it. Received: {line[:60]!r}"
            )
        values.append(value)
    return values


class Window:
    """The sums of the steps between two lines of the log.

    A step's means stay on the device until ``settle``, so that the host can run ahead of it.

    Args:
        sums: Those from before the run was interrupted.

    Attributes:
        sums: Total and weight by name, of the settled steps.
        timed_calls: How many calls the times are of.
    """

    def __init__(self, sums: Sums | None = None) -> None:
        self.sums: Sums = {name: list(pair) for name, pair in (sums or {}).items()}
        self._pending: list[tuple[int, Means, bool]] = []
        self._is_warm = False
        self._clear_times()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time a call, the wait for its batch included."""
        start = time.monotonic()
        yield
        # The first call traces and compiles, and the pipeline is still empty.
        if self._is_warm:
            self._seconds += time.monotonic() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for a batch."""
        start = time.monotonic()
        yield
        if self._is_warm:
            self._waited.append(time.monotonic() - start)

    def add(self, step: int, means: Means) -> None:
        """Add a call that ended with ``step`` updates done."""
        self._pending.append((step, means, self._is_warm))
        self._is_warm = True

    def settle(self, check: Callable[[int, Sums], None] | None = None) -> None:
        """Wait for the device and add the means of all calls to the sums.

        Args:
            check: Called with the step and the sums of each call before they are added.
        """
        start = time.monotonic()
        for step, means, is_timed in self._pending:
            values = {name: [float(p.numpy()) for p in mean] for name, mean in means.items()}
            if check:
                check(step, values)
            for name, pair in values.items():
                total = self.sums.setdefault(name, [0.0, 0.0])
                # Not by sum(), which rounds differently from Python 3.12 on.
                total[0] += pair[0]
                total[1] += pair[1]
            if is_timed:
                self.timed_calls += 1
                self._tokens += values.get("tokens", [0.0])[0]
        self._pending = []
        self._behind += time.monotonic() - start

    def means(self) -> dict[str, float]:
        """The means over the settled steps but for the tokens; one over nothing is left out."""
        return divided({name: pair for name, pair in self.sums.items() if name != "tokens"})

    def close(self) -> dict[str, float]:
        """The means and the speed of the settled steps; empties the window.

        ``tokens_per_second`` does not count padding. ``input_share`` is the share of the time in
        which the device was idle and the host waited for a batch; it is measured with one step a
        call only.
        """
        values = self.means()
        seconds = self._seconds + self._behind
        if self.timed_calls and seconds > 0:
            values["tokens_per_second"] = self._tokens / seconds
            if self._waited:
                values["input_share"] = max(0.0, sum(self._waited) - self._behind) / seconds
        self.sums = {}
        self._clear_times()
        return values

    def _clear_times(self) -> None:
        self.timed_calls = 0
        self._tokens = 0.0
        self._seconds = 0.0
        self._waited: list[float] = []
        self._behind = 0.0  # seconds that the host waited for the device


class LossWatch:
    """A check for the first step whose loss is not finite or has blown up.

    The result depends on the losses alone, not on when they are checked.

    Args:
        config: The table ``[watch]``.
        losses: Those of the steps before, oldest first.
    """

    def __init__(self, config: WatchConfig, losses: list[float]) -> None:
        self.config = config
        self._losses = deque(losses, maxlen=_MEDIAN_LOSSES)

    @property
    def losses(self) -> list[float]:
        """The last losses, oldest first."""
        return list(self._losses)

    def check(self, step: int, sums: dict[str, list[float]]) -> None:
        """Check the next step's sums, total and weight by name.

        Raises:
            Diverged: When its loss, the sum of all losses, is not finite or too high.
        """
        losses = (pair for name, pair in sums.items() if name.endswith(LOSS))
        loss = sum(top / bottom for top, bottom in losses if bottom != 0)
        if not math.isfinite(loss):
            raise Diverged(step, f"the loss of step {step:,} is {loss}")
        if self.config.loss_factor and len(self._losses) >= _FEWEST_LOSSES:
            median = statistics.median(self._losses)
            if median > 0 and loss > self.config.loss_factor * median:
                raise Diverged(
                    step,
                    f"the loss of step {step:,} is {loss:.4g}, more than watch.loss_factor = "
                    f"{self.config.loss_factor:g} times the median of the steps before, "
                    f"{median:.4g}",
                )
        self._losses.append(loss)


class InputWatch:
    """A warning, once, that a run waits for its data.

    Args:
        threshold: The share of a window's time above which to warn.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._has_warned = False

    def check(self, step: int, input_share: float, calls: int) -> None:
        """Warn if a window of enough calls has waited too long."""
        if self._has_warned or calls < _FEWEST_CALLS or input_share <= self.threshold:
            return
        self._has_warned = True
        _logger.warning(
            "the run starves: up to step %s, %.0f %% of the time went by waiting for batches. Give "
            "it more CPU cores, keep the data on a local disk, or share the devices out over more "
            "hosts (this is said once, above watch.input_share = %g)",
            f"{step:,}",
            100 * input_share,
            self.threshold,
        )


def _dump(line: dict[str, Any]) -> str:
    """One line of JSON, which knows no NaN: what is not finite becomes null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in line.items()
    }
    return json.dumps(finite) + "\n"
