"""Work shared among processes, its results in the order of the work."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import wait
from typing import Any, TypeVar

from bert_keras.errors import WorkerLost
from bert_keras.signals import held

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    make: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    workers: int,
) -> Generator[Result]:
    """A function's result for each item, in the order of the items.

    The processes end with the iterator, which is to be closed, and with this process, however
    that ends. Few more items are read than results were given, so that memory stays bounded.

    Args:
        make: A module-level function, called once in each process; returns what items are given to.
        arguments: What it is called with.
        items: Read one by one.
        workers: The number of processes; 1 is this one.

    Raises:
        WorkerLost: When one of the processes was killed.
    """
    if workers == 1:
        yield from map(make(*arguments), items)
        return
    # Spawned: a fork of a process that has TensorFlow's threads can hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (make, arguments))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            with _starting():
                waiting.append(pool.submit(_call, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise WorkerLost(
            f"one of the {workers} processes that --workers asked for was killed, as the system "
            "does when memory runs out; run the same command again, with fewer --workers if so"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _starting() -> Iterator[None]:
    """Start processes undisturbed by signals, and such that they ignore Ctrl-C.

    A terminal sends Ctrl-C to them too, but this process is the one that ends them. They do heed
    SIGTERM: the pool ends them by it when one is lost.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    with held():
        resource_tracker.ensure_running()  # now, as it would remove the mask later
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_function: Callable[[Any], Any] | None = None  # of a process of the pool


def _start(make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    global _function
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _function = make(*arguments)


def _call(item: Any) -> Any:
    assert _function is not None  # the pool's initializer has run
    return _function(item)


def _end_with_parent() -> None:
    """End this process with the one that started it, whose end the pool's queue does not show."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
