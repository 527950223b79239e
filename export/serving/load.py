"""Asks a server as many clients at a time, and says how fast it answered.

    python load.py reviews.txt --model sst2 --clients 32 --seconds 30
    python load.py reviews.txt --model sst2 --grpc localhost:8500

A line of the file is a text; each client sends the lines in an order of its own, one a request.
"""

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

Ask = Callable[[str], object]


def run(ask: Ask, texts: Sequence[str], clients: int, seconds: float, seed: int = 0) -> dict:
    """Asks for a while.

    Args:
        ask: Sends one text and waits for its answer.
        texts: The texts.
        clients: Threads that ask at the same time.
        seconds: How long they do.
        seed: Fixes the orders.

    Returns:
        ``requests``, ``requests_per_second``, ``median_ms``, ``p95_ms``, ``p99_ms`` and
        ``errors``, how often each kind came.
    """
    latencies: list[float] = []
    errors: Counter[str] = Counter()
    begin = time.perf_counter()

    def client(number: int) -> None:
        draw = random.Random(seed + number)  # noqa: S311 - an order, no secret
        order = draw.sample(range(len(texts)), len(texts))
        step = 0
        while (start := time.perf_counter()) < begin + seconds:
            try:
                ask(texts[order[step % len(order)]])
                latencies.append(time.perf_counter() - start)
            except Exception as error:  # the server's refusals are counted, whatever the client
                errors[type(error).__name__] += 1
            step += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    ordered = sorted(latencies)

    def quantile(share: float) -> float | None:
        return round(1e3 * ordered[int(share * (len(ordered) - 1))], 2) if ordered else None

    return {
        "requests": len(ordered),
        "requests_per_second": round(len(ordered) / elapsed, 1),
        "median_ms": quantile(0.5),
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
        "errors": dict(errors),
    }


def main() -> None:
    """Prints what ``run`` measured, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="UTF-8 text, a text a line")
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", default="text", help="the input's name (default: text)")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--url", default="http://localhost:8501", help="REST")
    parser.add_argument("--grpc", metavar="ADDRESS", help="gRPC instead, such as localhost:8500")
    options = parser.parse_args()
    texts = [line for line in options.file.read_text(encoding="utf-8").splitlines() if line]
    if options.grpc:
        from grpc_client import GrpcClient

        asking = GrpcClient(options.model, options.grpc)
    else:
        from rest_client import RestClient

        asking = RestClient(options.model, options.url)
    result = run(
        lambda text: asking.predict({options.input: [text]}),
        texts,
        options.clients,
        options.seconds,
    )
    for name, value in result.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
