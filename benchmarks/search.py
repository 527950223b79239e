"""Exact search over a million vectors, beside the product alone.

    python benchmarks/search.py

Each search computes the score of every query with every document and keeps the ten best. Beside it
NumPy multiplies the same blocks, and that is all: what the machine gives for one query is the rate
at which its memory is read, for many that of its products. Both take turns. The vectors are made
up; their values do not matter for the time, but for the order: documents whose scores rise are the
worst case, since each is better than all before it.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from machine import environment
from tables import conditions, markdown, replace_block

from bert_keras.retrieval import exact

HERE = Path(__file__).parent
FILE = HERE / "search.json"
QUERIES = (1, 16, 128, 1024)
TOP = 10


def vectors(number: int, dimensions: int, seed: int) -> np.ndarray:
    """Vectors of length 1, made in pieces."""
    draw = np.random.default_rng(seed)
    made = np.empty((number, dimensions), np.float32)
    for start in range(0, number, 10_000):
        piece = draw.standard_normal((min(10_000, number - start), dimensions), np.float32)
        made[start : start + len(piece)] = piece / np.linalg.norm(piece, axis=1, keepdims=True)
    return made


def product(queries: np.ndarray, documents: np.ndarray) -> None:
    """The products of the blocks that the search multiplies."""
    for row in range(0, len(queries), exact.QUERIES):
        block = queries[row : row + exact.QUERIES]
        step = exact.block_size(len(block))
        for start in range(0, len(documents), step):
            block @ documents[start : start + step].T


def seconds(call: Callable[[], object]) -> float:
    """The time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(documents: np.ndarray, rounds: int) -> list[dict[str, Any]]:
    """A row for each number of queries: the seconds of search and product in every round."""
    asked = {n: vectors(n, documents.shape[1], 1) for n in QUERIES}
    rows = [
        _in_turns(f"{n:,}, {measure}", queries, documents, measure, rounds)
        for measure in ("dot", "cosine")
        for n, queries in asked.items()
    ]
    same = np.repeat(asked[1], 128, 0)
    rising = documents[np.argsort(documents @ asked[1][0])]
    return [*rows, _in_turns("128, dot, rising scores", same, rising, "dot", rounds)]


def _in_turns(
    name: str, queries: np.ndarray, documents: np.ndarray, measure: exact.Measure, rounds: int
) -> dict[str, Any]:
    times: dict[str, list[float]] = {"search": [], "product": []}
    for measured in range(-1, rounds):  # the first warms up
        found = {
            "search": seconds(lambda: exact.top_k(queries, documents, TOP, measure)),
            "product": seconds(lambda: product(queries, documents)),
        }
        for contestant, value in found.items():
            if measured >= 0:
                times[contestant].append(value)
    return {"name": name, "queries": len(queries)} | times


def table(result: Mapping[str, Any]) -> str:
    """A row for each number of queries."""
    header = ["queries", "search, ms", "least–most", "product alone, ms", "share of its rate"]
    rows = []
    for row in result["rows"]:
        search, alone = ([1000 * t for t in row[name]] for name in ("search", "product"))
        shares = [b / a for a, b in zip(search, alone, strict=True)]
        rows.append([
            row["name"], f"{statistics.median(search):,.0f}",
            f"{min(search):,.0f}–{max(search):,.0f}", f"{statistics.median(alone):,.0f}",
            f"{statistics.median(shares):.2f}",
        ])  # fmt: skip
    return markdown(header, rows)


def main() -> None:
    """Measure, keep and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--render", action="store_true", help="only render the last results")
    options = parser.parse_args()
    if not options.render:
        documents = vectors(options.documents, options.dimensions, 0)
        result = {"machine": environment(), "documents": documents.shape}
        result |= {"rows": measure(documents, options.rounds)}
        FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    result = json.loads(FILE.read_text(encoding="utf-8"))
    block = f"{table(result)}\n\n{conditions(result['machine'])}"
    replace_block(HERE / "README.md", "search", block)


if __name__ == "__main__":
    main()
