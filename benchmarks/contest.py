"""Contestants of a measurement: each a process of its own, working in turns.

In one process they would share thread pools, memory and the peak that the system reports. A machine
that others use too is never as fast twice; so every round gives each contestant a turn, and what
counts is the ratio within the run.
"""

import multiprocessing
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

Work = Callable[[int], float]
"""Does so many units and returns the seconds they took."""


class Contestant:
    """A process that makes its work once and then waits for its turns.

    Args:
        name: As in the table.
        make: A function at the top of a module; called in the process, it gives the work.
        arguments: Of ``make``.
    """

    def __init__(self, name: str, make: Callable[..., Work], arguments: Mapping[str, Any]) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, make, dict(arguments)), daemon=True
        )
        self._process.start()
        self.failure: str | None = self._pipe.recv()

    def work(self, units: int) -> float:
        """The seconds that ``units`` took."""
        self._pipe.send(units)
        return float(self._pipe.recv())

    def peak_memory(self) -> int:
        """The most memory that the process has held so far, in bytes."""
        self._pipe.send(None)
        return int(self._pipe.recv())

    def end(self) -> None:
        """Ends the process."""
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
        for contestant in contestants:
            rate = units / contestant.work(units)
            if number:
                rates[contestant.name].append(rate)
        print(f"round {number} of {rounds}", {n: v[-1:] for n, v in rates.items()}, flush=True)
    results = {}
    for contestant in contestants:
        values = rates[contestant.name]
        results[contestant.name] = {
            "per_second": round(median(values), 3),
            "least": round(min(values), 3),
            "most": round(max(values), 3),
            "peak_mb": round(contestant.peak_memory() / 1e6),
        }
        contestant.end()
    return results


def _serve(pipe: Any, make: Callable[..., Work], arguments: dict[str, Any]) -> None:
    """The process: makes the work, then does what it is asked for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        work = make(**arguments)
    except ImportError as error:
        pipe.send(f"not installed: {error}")
        return
    except Exception as error:
        traceback.print_exc()
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send(None)
    while True:
        units = pipe.recv()
        pipe.send(_peak_memory() if units is None else work(units))


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
