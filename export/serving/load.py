"""Many clients at a time, and how fast the server answered them.

    python load.py reviews.txt --model sst2 --clients 32 --seconds 30
    python load.py reviews.txt --model sst2 --grpc localhost:8500
    python load.py --rows questions.jsonl --model squad

A line of the file is a text, or with ``--rows`` a JSON object of the inputs; each client sends the
lines in an order of its own, one a request. What failed is counted by its kind, with the first
message of each. The exit code is 1 where any request failed, or nothing was answered.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

_HOPELESS = 10  # requests that fail, and none that is answered: then no more are begun


def run(
    ask: Callable[[Any], object],
    texts: Sequence[Any],
    clients: int,
    seconds: float,
    seed: int = 0,
    said: Callable[[BaseException], str] = str,
) -> dict[str, Any]:
    """Ask for a while, or until it is clear that nothing is answered.

    Args:
        ask: Sends one text and waits for its answer.
        texts: The texts.
        clients: Threads that ask at the same time.
        seconds: How long they do.
        seed: Fixes the orders.
        said: Puts an error into one line.

    Returns:
        ``requests``, ``requests_per_second``, ``median_ms``, ``p95_ms`` and ``p99_ms`` of what was
        answered; ``failed``, how many were not; ``errors``, how often each kind came, and
        ``first_errors``, the first message of each.

    Raises:
        ValueError: When there is no text.
    """
    if not texts:
        raise ValueError("there is no text to ask about")
    latencies: list[float] = []
    errors: Counter[str] = Counter()
    messages: dict[str, str] = {}
    lock = threading.Lock()
    begin = time.perf_counter()

    def client(number: int) -> None:
        draw = random.Random(seed + number)  # noqa: S311 - an order, no secret
        order = draw.sample(range(len(texts)), len(texts))
        step = 0
        while (start := time.perf_counter()) < begin + seconds:
            if not latencies and errors.total() >= _HOPELESS:
                return
            try:
                ask(texts[order[step % len(order)]])
                latencies.append(time.perf_counter() - start)
            except Exception as error:  # the server's refusals are counted, whatever the client
                with lock:
                    errors[kind := _kind(error)] += 1
                    messages.setdefault(kind, said(error))
            step += 1

    _run_together(client, clients)
    elapsed = time.perf_counter() - begin
    return _measured(sorted(latencies), elapsed) | {
        "failed": errors.total(),
        "errors": dict(errors),
        "first_errors": messages,
    }


def _run_together(client: Callable[[int], None], clients: int) -> None:
    """Call it once for each number in a thread of its own, and wait for all."""
    threads = [
        threading.Thread(target=client, args=(number,), daemon=True) for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _measured(latencies: list[float], elapsed: float) -> dict[str, Any]:
    def quantile(share: float) -> float | None:
        place = int(share * (len(latencies) - 1))
        return round(1e3 * latencies[place], 2) if latencies else None

    return {
        "requests": len(latencies),
        "requests_per_second": round(len(latencies) / elapsed, 1),
        "median_ms": quantile(0.5),
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
    }


def _kind(error: Exception) -> str:
    """The class of an error, and the server's code where it has one."""
    code = error.code().name if hasattr(error, "code") else getattr(error, "status", None)
    return f"{type(error).__name__.lstrip('_')} {code or ''}".strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what ``run`` measured, a line each; 1 where any request failed, else 0."""
    try:
        from command_line import add_timeout, rows_of, seconds, whole
    except ImportError:
        sys.exit(f"{sys.argv[0]}: it needs command_line.py beside it")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="UTF-8 text, a text a line")
    parser.add_argument("--rows", metavar="FILE", help='or JSON lines, {"NAME": "TEXT"} each')
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", default="text", help="the input's name (default: text)")
    parser.add_argument("--clients", type=whole, default=16)
    parser.add_argument("--seconds", type=seconds, default=10.0)
    parser.add_argument("--url", default="http://localhost:8501", help="REST")
    parser.add_argument("--grpc", metavar="ADDRESS", help="gRPC instead, such as localhost:8500")
    add_timeout(parser)
    options = parser.parse_args(arguments)
    if bool(options.file) + bool(options.rows) != 1:
        parser.error("give a file of texts, or --rows FILE")
    try:
        rows = rows_of(options.rows) if options.rows else _texts(options.file, options.input)
        client, said = _client(options)
    except (ImportError, OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    rows = [{name: [value] for name, value in row.items()} for row in rows]  # a request of one row
    try:
        result = run(client.predict, rows, options.clients, options.seconds, said=said)
    except KeyboardInterrupt:
        return 130
    counts, messages = result.pop("errors"), result.pop("first_errors")
    for name, value in result.items():
        print(f"{name}: {value}")
    for kind, count in counts.items():
        print(f"{parser.prog}: {kind}, {count} times; first: {messages[kind]}", file=sys.stderr)
    return 0 if result["requests"] and not counts else 1


def _client(options: argparse.Namespace) -> tuple[Any, Callable[[BaseException], str]]:
    """The function that asks the server, and the one that puts its errors into one line."""
    name = "grpc_client" if options.grpc else "rest_client"
    try:
        if options.grpc:
            from command_line import without_notes

            without_notes()
        module = import_module(name)
    except ImportError as error:
        why = " ".join(str(error).split())
        raise ImportError(f"it needs {name}.py beside it, and what that imports: {why}") from None
    if options.grpc:
        return module.GrpcClient(options.model, options.grpc, options.timeout), module.said
    return module.RestClient(options.model, options.url, options.timeout), module.said


def _texts(path: str, name: str) -> list[dict[str, str]]:
    """The lines of a file that are not empty, as the input of that name."""
    try:
        with Path(path).open(encoding="utf-8-sig") as lines:
            rows = [{name: text} for line in lines if (text := line.rstrip("\n"))]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8: {error}") from None
    if not rows:
        raise ValueError(f"{path}: there is no text in it")
    return rows


if __name__ == "__main__":
    sys.exit(main())
