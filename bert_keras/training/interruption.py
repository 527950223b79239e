"""Stopping between two steps when asked to, so that nothing done is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EvaluationStopped(Exception):  # noqa: N818 - as Interrupted
    """An evaluation gave way to a stop; it can be made up for when the run goes on."""


class StopRequest:
    """Whether Ctrl-C or SIGTERM (a preemption) has come.

    Attributes:
        signal_number: The signal, or 0.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Notes the signal; a second one acts at once, as it would have without us."""
        self.signal_number = signal_number
        signal.signal(signal_number, signal.default_int_handler)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Notes signals instead of obeying them until the block ends.

    Outside the main thread Python cannot listen, and signals act as ever.
    """
    request = StopRequest()
    try:
        before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    except ValueError:
        before = {}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
