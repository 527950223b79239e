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
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
) -> Generator[Result]:
    """The function's result for each item, in their order.

    The processes end with the iterator, which is to be closed, and with this process, however
    that ends. Of the items few more are taken than results, so reading does not run ahead of
    memory.

    Args:
        function: Of a module; it is called in the processes.
        items: Taken one by one.
        workers: The number of processes.
        start: Called first in each process.
        arguments: What it is called with.

    Raises:
        WorkerLost: When one of the processes was killed.
    """
    # Spawned: a fork of a process that has TensorFlow's threads can hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (start, arguments))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            with _starting():
                waiting.append(pool.submit(function, item))
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
    """Lets processes start whole, and deaf to Ctrl-C, which a terminal tells them as well.

    This process ends them. SIGTERM they hear: the pool itself ends them so when one is lost.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    with held():
        resource_tracker.ensure_running()  # now, as it would take the mask away
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*arguments)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone; the pool's queue would not tell."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
