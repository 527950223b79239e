"""The orders that serving.py gives each contestant, in the contestant's process."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from serving_answers import OPENERS, Answer, Answering
from serving_first import first_requests, tokens_per_second


def answerer(way: Answering, texts: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """Open the model; the function then answers orders about the texts."""
    answer = OPENERS[way.kind](way)

    def obey(order: dict[str, Any]) -> Any:
        if order["do"] == "first":
            return first_requests(answer, texts)
        if order["do"] == "tokenize":
            return tokens_per_second(answer, texts)
        if order["do"] == "probabilities":
            return np.asarray(answer(texts[:32]), np.float64)
        groups = batches(texts, order["size"], order["batches"])
        return (at_once if order["do"] == "at once" else timed)(answer, groups)

    return obey


def batches(texts: Sequence[str], size: int, count: int) -> list[list[str]]:
    """The texts in their order, again from the first where they end."""
    starts = range(0, count * size, size)
    return [[texts[(start + row) % len(texts)] for row in range(size)] for start in starts]


def timed(answer: Answer, groups: list[list[str]]) -> dict[str, Any]:
    """Milliseconds of each batch by the clock, and of the processor in the mean."""
    by_clock, processor = [], time.process_time()
    for group in groups:
        begin = time.perf_counter()
        answer(group)
        by_clock.append(1e3 * (time.perf_counter() - begin))
    return {"clock": by_clock, "processor": 1e3 * (time.process_time() - processor) / len(groups)}


def at_once(answer: Answer, groups: list[list[str]]) -> float:
    """Texts a second where as many batches as there are cores are under way, as in a server."""
    with ThreadPoolExecutor(os.cpu_count()) as clients:
        begin = time.perf_counter()
        list(clients.map(answer, groups))
        return sum(map(len, groups)) / (time.perf_counter() - begin)
