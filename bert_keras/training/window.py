"""Means and time since the last line of the log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bert_keras.objectives import Means, divided

Sums = dict[str, list[float]]


class Window:
    """Adds up steps between two lines of the log.

    The means of a step stay on the device until ``settle``, so that the host can run ahead of
    it.

    Args:
        sums: What was added up before the run was interrupted.

    Attributes:
        sums: Total and weight by name, of the settled steps.
    """

    def __init__(self, sums: Sums | None = None) -> None:
        self.sums: Sums = {name: list(pair) for name, pair in (sums or {}).items()}
        self._pending: list[tuple[int, Means, bool]] = []
        self._is_warm = False
        self._clear_times()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Times a call within, the wait for its batch included."""
        start = time.monotonic()
        yield
        # The very first call traces and compiles, and the pipeline has yet to fill.
        if self._is_warm:
            self._seconds += time.monotonic() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Times the wait for a batch."""
        start = time.monotonic()
        yield
        if self._is_warm:
            self._waited.append(time.monotonic() - start)

    def add(self, step: int, means: Means) -> None:
        """Adds a call that ended with ``step`` updates done."""
        self._pending.append((step, means, self._is_warm))
        self._is_warm = True

    def settle(self, check: Callable[[int, Sums], None] | None = None) -> None:
        """Waits for the device and adds up what it has computed.

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
                # Not by sum(), which from Python 3.12 on rounds otherwise than piece by piece.
                total[0] += pair[0]
                total[1] += pair[1]
            if is_timed:
                self.timed_calls += 1
                self._tokens += values.get("tokens", [0.0])[0]
        self._pending = []
        self._behind += time.monotonic() - start

    def means(self) -> dict[str, float]:
        """The means over the settled steps that are over something, the count of tokens apart."""
        return divided({name: pair for name, pair in self.sums.items() if name != "tokens"})

    def close(self) -> dict[str, float]:
        """The means and what they took, of the settled steps; begins anew.

        ``tokens_per_second`` does not count padding. ``input_share`` is the share of the time that
        went by waiting for batches while the device had nothing to do; only where single steps
        were waited for.
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
        self.timed_calls = 0  # calls the times are of
        self._tokens = 0.0
        self._seconds = 0.0
        self._waited: list[float] = []
        self._behind = 0.0  # how long the device went on after the host was done
