"""Exact search beside what the machine can do: its matrix products, and the reading of its memory.

    python benchmarks/search.py

searches random float32 vectors by ``bert_keras.retrieval.exact.top_k``. In every round the search
takes turns with NumPy's product of the same vectors, on all cores (the faster of queries by
documents and documents by queries), and with the reading of the documents once by all cores. The
slower of these two binds; the ratio is its time over that of the search. The results go to
search.json, the table into README.md.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np
from machine import environment
from tables import conditions, markdown, replace_block

from bert_keras.devices import usable_cores
from bert_keras.retrieval.exact import Measure, top_k

HERE = Path(__file__).parent
FILE = HERE / "search.json"
BLOCK = 1 << 14  # documents


def baselines(queries: np.ndarray, documents: np.ndarray) -> dict[str, Callable[[], object]]:
    """The products in two orders, and the reading."""
    blocks = [documents[start : start + BLOCK] for start in range(0, len(documents), BLOCK)]
    wide = np.empty((len(queries), BLOCK), np.float32)
    tall = np.empty((BLOCK, len(queries)), np.float32)
    pool = ThreadPoolExecutor(usable_cores())
    return {
        "queries by documents": lambda: [
            np.matmul(queries, block.T, out=wide[:, : len(block)]) for block in blocks
        ],
        "documents by queries": lambda: [
            np.matmul(block, queries.T, out=tall[: len(block)]) for block in blocks
        ],
        "reading": lambda: list(pool.map(np.max, blocks)),
    }


def measure(number: int, documents: np.ndarray, top: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each measure: the seconds of each contestant and the ratios, of every round."""
    draw = np.random.default_rng(1)
    queries = draw.standard_normal((number, documents.shape[1]), np.float32)
    runs = baselines(queries, documents)
    for name in get_args(Measure):
        runs[name] = lambda name=name: top_k(queries, documents, top, name)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:  # the first touches all memory
                seconds[name].append(time.perf_counter() - start)
    products = [
        min(pair)
        for pair in zip(
            seconds["queries by documents"], seconds["documents by queries"], strict=True
        )
    ]
    rows = []
    for name in get_args(Measure):
        bounds = map(max, products, seconds["reading"])
        ratios = [bound / taken for bound, taken in zip(bounds, seconds[name], strict=True)]
        rows.append({
            "queries": number,
            "measure": name,
            "product": products,
            "reading": seconds["reading"],
            "search": seconds[name],
            "ratio": ratios,
        })  # fmt: skip
    return rows


def table(result: dict[str, Any]) -> str:
    """A row for each number of queries and measure."""
    header = ["queries", "measure", "product, s", "reading, s", "search, s", "ratio (least–most)"]
    rows = []
    for row in result["rows"]:
        cells = [f"{median(row[name]):.3f}" for name in ("product", "reading", "search")]
        ratio = row["ratio"]
        spread = f"{median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f})"
        rows.append([row["queries"], row["measure"], *cells, spread])
    title = f"{result['documents']:,} vectors of {result['dimensions']}, the best {result['top']}."
    return f"{markdown(header, rows)}\n\n{title} {conditions(result['machine'])}"


def main() -> None:
    """Measure, keep and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, nargs="*", default=[1, 10, 100, 500])
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--print", action="store_true", help="print the table, keep nothing")
    parser.add_argument("--render", action="store_true", help="only render the last results")
    options = parser.parse_args()
    if options.render:
        result = json.loads(FILE.read_text(encoding="utf-8"))
    else:
        shape = (options.documents, options.dimensions)
        documents = np.random.default_rng(0).standard_normal(shape, np.float32)
        rows = [
            row
            for number in options.queries
            for row in measure(number, documents, options.top, options.rounds)
        ]
        sizes = {name: getattr(options, name) for name in ("documents", "dimensions", "top")}
        result = sizes | {"machine": environment(), "rows": rows}
    if options.print:
        print(table(result))
        return
    FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    replace_block(HERE / "README.md", "search", table(result))


if __name__ == "__main__":
    main()
