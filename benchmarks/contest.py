"""Contestants of a measurement: each a process of its own, working in turns.

In one process they would share thread pools, memory and the peak that the system reports. A machine
that others use too is never as fast twice; so every round gives each contestant a turn, and what
counts is the ratio within the run.
"""

import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

Work = Callable[[int], float]
"""Does so many units and returns the seconds they took."""


class Timed:
    """The seconds that ``take`` needs; it runs once before, so that tracing does not count.

    Args:
        take: Does so many units.
        memory: The bytes that count as the process's peak.
    """

    def __init__(
        self, take: Callable[[int], object], memory: Callable[[], int] | None = None
    ) -> None:
        self.memory = memory or peak_memory
        self.memory_before = self.memory()
        take(1)
        self._take = take

    def __call__(self, units: int) -> float:
        """The seconds that ``units`` took."""
        start = time.perf_counter()
        self._take(units)
        return time.perf_counter() - start


class ProcessEnded(SystemExit):
    """The end of a killed contestant, mostly for want of memory; it ends the measurement."""


class Contestant:
    """A process that makes its work once and then waits for its turns.

    Args:
        name: As in the table.
        make: A function at the top of a module; called in the process, it gives what answers
            orders there, such as a ``Work``.
        arguments: Of ``make``.
        environment: Environment variables of the process.

    Attributes:
        failure: Why it cannot take part; ``None`` where it can.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., Callable[[Any], Any]],
        arguments: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        given = {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict(environment or {})
        self._process = context.Process(
            target=_serve, args=(theirs, make, dict(arguments), given), daemon=True
        )
        self._process.start()
        self.failure: str | None = self._pipe.recv()

    def ask(self, order: Any) -> Any:
        """The answer to an order.

        Raises:
            ProcessEnded: When it is there no more.
        """
        try:
            self._pipe.send(order)
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise ProcessEnded(f"{self.name}: its process ended (memory?)") from error

    def work(self, units: int) -> float:
        """The seconds that ``units`` took."""
        return float(self.ask(units))

    def peak_memory(self) -> tuple[int, int]:
        """The most memory that the process has held so far, and before its work began, in bytes."""
        return self.ask(None)

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def contest(
    makers: Mapping[str, tuple[Callable[..., Work], Mapping[str, Any]]], units: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Units a second (median, least, most) and the peak memory of all that can be made here.

    Args:
        makers: By name, the arguments of ``Contestant``.
        units: What each does in a turn.
        rounds: Turns of each; one more before them is not counted.
    """
    contestants = []
    for name, (make, arguments) in makers.items():
        contestant = Contestant(name, make, arguments)
        if contestant.failure:
            print(f"{name}: left out, {contestant.failure}", flush=True)
            contestant.end()
        else:
            contestants.append(contestant)
    rates: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant in list(contestants):
            try:
                rate = units / contestant.work(units)
            except ProcessEnded as error:
                print(f"{error}; left out", flush=True)
                contestants.remove(contestant)
                continue
            if number:
                rates[contestant.name].append(rate)
        print(f"round {number} of {rounds}", {n: v[-1:] for n, v in rates.items()}, flush=True)
    results = {}
    for contestant in contestants:
        values = rates[contestant.name]
        peak, before = (round(size / 1e6) for size in contestant.peak_memory())
        results[contestant.name] = {
            "per_second": round(median(values), 3),
            "least": round(min(values), 3),
            "most": round(max(values), 3),
            "peak_mb": peak,
            "peak_before_mb": before,
        }
        contestant.end()
    return results


def _serve(
    pipe: Any,
    make: Callable[..., Callable[[Any], Any]],
    arguments: dict[str, Any],
    environment: dict[str, str],
) -> None:
    """Make, in the contestant's process, what answers; then do what it is asked for."""
    os.environ.update(environment)
    try:
        answer = make(**arguments)
    except ImportError as error:
        pipe.send(f"not installed: {error}")
        return
    except Exception as error:
        traceback.print_exc()
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send(None)
    while True:
        order = pipe.recv()
        if order is None:
            pipe.send((answer.memory(), answer.memory_before))
        else:
            pipe.send(answer(order))


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
