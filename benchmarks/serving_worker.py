"""One contestant of serving.py in a process of its own, so that none has another's threads.

It reads orders from its standard input, a JSON object a line, and answers each with one.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from serving_answers import OPENERS, Answer, Contestant
from serving_first import first_requests, tokens_per_second


def timed(answer: Answer, texts: list[str], size: int, batches: int) -> dict[str, Any]:
    """Milliseconds of batches of the texts in their order."""
    by_clock, processor = [], time.process_time()
    for start in range(0, batches * size, size):
        batch = [texts[(start + row) % len(texts)] for row in range(size)]
        begin = time.perf_counter()
        answer(batch)
        by_clock.append(1e3 * (time.perf_counter() - begin))
    return {"clock": by_clock, "processor": 1e3 * (time.process_time() - processor) / batches}


def obey(answer: Answer, texts: list[str], order: dict[str, Any]) -> Any:
    """What an order asks for."""
    if order["do"] == "first":
        return first_requests(answer, texts)
    if order["do"] == "tokenize":
        return tokens_per_second(answer, texts)
    if order["do"] == "probabilities":
        return np.asarray(answer(texts[:32]), np.float64).tolist()
    return timed(answer, texts, order["size"], order["batches"])


def main() -> None:
    """Opens the contestant, says so, and obeys until its input ends."""
    # Libraries print; the answers go where nothing else does.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contestant = Contestant(**json.loads(sys.argv[1]))
    texts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    try:
        answer = OPENERS[contestant.kind](contestant)
        replies.write(json.dumps({"ready": True}) + "\n")
    except ImportError as error:
        replies.write(json.dumps({"ready": False, "why": str(error)}) + "\n")
        return
    finally:
        replies.flush()
    for line in sys.stdin:
        replies.write(json.dumps(obey(answer, texts, json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
