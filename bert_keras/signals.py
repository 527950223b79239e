"""Ctrl-C and SIGTERM: a command saves its state and ends within a batch."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LOOK_EVERY = 0.2  # seconds
# A terminal signals all of its processes, and a program such as timeout forwards what it gets: a
# second signal so soon is the same request.
_REPEATS_WITHIN = 1.0  # seconds
_AGAIN_AFTER = 0.01  # seconds


class Stopped(KeyboardInterrupt):
    """The arrival of Ctrl-C or SIGTERM. As a ``KeyboardInterrupt`` it is not an ``Exception``.

    Attributes:
        signal_number: The signal.
        exit_code: That of a program ended by the signal: 128 + its number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class StopRequest:
    """The signal that has come, Ctrl-C or SIGTERM (a preemption), and its effect.

    Attributes:
        signal_number: The signal, or 0.
        is_noted: Whether a signal is only noted, because the state must be saved first; the code
            that sets this checks ``signal_number``. Else a signal raises ``Stopped``.
        is_raised: Whether a signal has raised and the exception is not handled yet.
        leave: What ends the process at once, called with the signal's number instead of raising
            while a module is imported: an exception in the midst of a library's C++ that is being
            set up aborts the process. ``None`` raises there too, and so does ``staying``.
        blocks_that_stay: How many blocks of ``staying`` are under way.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self.is_noted = False
        self.is_raised = False
        self.leave: Callable[[int], NoReturn] | None = None
        self.blocks_that_stay = 0
        self._came_at = 0.0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Note the signal, raise, or leave; a second signal ends the process at once."""
        if self.signal_number:
            if time.monotonic() - self._came_at > _REPEATS_WITHIN:
                signal.signal(signal_number, signal.SIG_DFL)
                signal.raise_signal(signal_number)
            return
        self.signal_number, self._came_at = signal_number, time.monotonic()
        if not self.is_noted:
            if self.leave and not self.blocks_that_stay and _is_importing(frame):
                self.leave(signal_number)
            self.is_raised = True
            raise Stopped(signal_number)

    def come_again(self, otherwise: Callable[[Any], Any], ignored: Any) -> None:
        """Let the signal come a second time if it raised where Python ignores exceptions.

        Destructors and callbacks of weak references are such places.

        Args:
            otherwise: What is called with any other exception that was ignored.
            ignored: As ``sys.unraisablehook`` gets it.
        """
        if not isinstance(ignored.exc_value, Stopped):
            otherwise(ignored)
            return
        number, self.signal_number, self.is_raised = self.signal_number, 0, False
        main = threading.main_thread().ident

        def send() -> None:
            if _listener() is self and main is not None:
                signal.pthread_kill(main, number)

        # Not here: the destructor would be interrupted again.
        timer = threading.Timer(_AGAIN_AFTER, send)
        timer.daemon = True
        timer.start()

    def print_error(
        self,
        otherwise: Callable[..., Any],
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        """Print an error that a library's C++ does not pass on, unless the signal has caused it.

        Args:
            otherwise: What prints any other.
            kind: As ``sys.excepthook`` gets it, and so the rest.
            error: Likewise.
            trace: Likewise.
        """
        if not self.is_raised:
            otherwise(kind, error, trace)

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """A block in which ``Stopped`` is raised again if a library turned it into another error.

        Raises:
            Stopped: Instead of any error in the block after a signal that raised.
        """
        try:
            yield
        except Exception:
            if self.is_raised:
                raise Stopped(self.signal_number) from None
            raise

    @contextmanager
    def raised(self) -> Iterator[None]:
        """A block that a signal may interrupt anywhere, where around it signals are only noted.

        Raises:
            Stopped: When a signal comes, or has come before.
        """
        before, self.is_noted = self.is_noted, False
        try:
            if self.signal_number:
                raise Stopped(self.signal_number)
            with self.heeded(), staying():
                yield
        finally:
            self.is_noted, self.is_raised = before, False  # a later error is not the signal's


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether a frame, or one that has called it, belongs to the import of a module."""
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _listener() -> StopRequest | None:
    """The request of the ``listening`` block that is under way; None outside."""
    listener = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return listener if isinstance(listener, StopRequest) else None


@contextmanager
def listening() -> Iterator[StopRequest]:
    """A block in which signals go to a ``StopRequest``.

    In a nested block it is the same request. Outside the main thread Python cannot set handlers,
    and signals keep their effect.
    """
    listener = _listener()
    if listener:
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
    hooks = sys.unraisablehook, sys.excepthook
    if before:
        sys.unraisablehook = partial(request.come_again, hooks[0])
        sys.excepthook = partial(request.print_error, hooks[1])
    try:
        yield request
    finally:
        if before:  # another thread must not take them from the one that listens
            sys.unraisablehook, sys.excepthook = hooks
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def staying() -> Iterator[None]:
    """A block that has something to save or to clear away: a signal raises, it never leaves."""
    request = _listener()
    if not request:
        yield
        return
    request.blocks_that_stay += 1
    try:
        yield
    finally:
        request.blocks_that_stay -= 1


@contextmanager
def held() -> Iterator[None]:
    """A block that no signal interrupts; one that comes meanwhile raises at its end.

    Signals raise in the main thread alone, so in another this does nothing.

    Raises:
        Stopped: When a signal has come that would have raised.
    """
    request = _listener()
    is_main = threading.current_thread() is threading.main_thread()
    if not request or request.is_noted or not is_main:
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
    """A block in which a signal ends the process at once; afterwards the handlers are set again.

    It is for a library that lets no Python run meanwhile, so that ``give_way`` cannot help, or that
    may set handlers of its own. Nothing may be half written then.
    """
    if not _listener():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def give_way(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a library's long function, in whose code Python handles no signal, in a thread.

    This thread waits and handles signals. After a signal that raises, the call continues, but its
    result is lost: it must not be one that has to be kept.
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
    # A signal that the system hands to another thread does not wake this one: it looks by itself.
    # Interrupted in join(), Python 3.11 would count the thread as ended.
    while not is_done.wait(_LOOK_EVERY):
        pass
    if errors:
        raise errors[0]
    return results[0]
