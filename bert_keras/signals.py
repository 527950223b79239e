"""Ctrl-C and SIGTERM: what must be saved is saved, and the command ends within a batch."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# A terminal tells all of its processes, and a program such as timeout hands on what it was told:
# what comes so soon after the first is the same request.
_REPEATS_WITHIN = 1.0  # seconds


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM has come. As ``KeyboardInterrupt`` it passes by ``except Exception``.

    Attributes:
        signal_number: Which.
        exit_code: What a shell expects of a program that the signal ended: 128 + its number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class StopRequest:
    """Whether Ctrl-C or SIGTERM (a preemption) has come, and what it does.

    Attributes:
        signal_number: The signal, or 0.
        is_noted: Whether a signal is only noted, as what is done must be saved first; whoever sets
            this looks at ``signal_number``. Else it raises ``Stopped`` wherever the program is.
        is_raised: Whether it has raised, and whoever broke off for it has not dealt with it.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self.is_noted = False
        self.is_raised = False
        self._came_at = 0.0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Notes the signal or raises; a second one ends the process as if nobody listened."""
        if self.signal_number:
            if time.monotonic() - self._came_at > _REPEATS_WITHIN:
                signal.signal(signal_number, signal.SIG_DFL)
                signal.raise_signal(signal_number)
            return
        self.signal_number, self._came_at = signal_number, time.monotonic()
        if not self.is_noted:
            self.is_raised = True
            raise Stopped(signal_number)

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Raises ``Stopped`` again where a library's C code has made an error of its own of it.

        Raises:
            Stopped: In the place of any error in the block after a signal that raised.
        """
        try:
            yield
        except Exception:
            if self.is_raised:
                raise Stopped(self.signal_number) from None
            raise

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raises within the block, which may be broken off anywhere, what is noted around it.

        Raises:
            Stopped: When a signal comes, or has come before.
        """
        before, self.is_noted = self.is_noted, False
        try:
            if self.signal_number:
                raise Stopped(self.signal_number)
            with self.heeded():
                yield
        finally:
            self.is_noted, self.is_raised = before, False  # an error from now on is another's


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Receives signals until the block ends, in the place of whatever they do else.

    Within another such block it is the same request. Outside the main thread Python cannot
    listen, and signals act as ever.
    """
    listener = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(listener, StopRequest):
        try:
            yield listener
        finally:
            listener.is_noted = False
        return
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


@contextmanager
def held() -> Iterator[None]:
    """Lets no signal break off the block; one that comes meanwhile raises at its end.

    Raises:
        Stopped: When one has come that would have raised.
    """
    request = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(request, StopRequest) or request.is_noted:
        yield
        return
    request.is_noted = True
    try:
        yield
    finally:
        request.is_noted = False
    if request.signal_number:
        request.is_raised = True
        raise Stopped(request.signal_number)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Lets a signal end the process in the block, as if nobody listened; then listens again.

    It is for a library that lets no Python run beside it, where ``give_way`` hears nothing either,
    or that may set handlers of its own. Nothing may be half written there.
    """
    if not isinstance(getattr(signal.getsignal(signal.SIGTERM), "__self__", None), StopRequest):
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def give_way(function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls what is long in a library's own code, where Python hears no signal.

    A thread calls it while this one waits and hears. A signal that raises leaves the call to
    itself: its result is nobody's, so it must be nothing that is kept.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    is_done = threading.Event()

    def call() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as error:
            errors.append(error)
        finally:
            is_done.set()

    threading.Thread(target=call, daemon=True).start()
    is_done.wait()  # broken off in join(), Python 3.11 would take the thread for ended
    if errors:
        raise errors[0]
    return results[0]
