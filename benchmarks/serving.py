"""Answering short texts: our SavedModel beside transformers, ONNX Runtime and keras-hub.

    python benchmarks/serving.py MODEL TEXTS.tsv --json benchmarks/serving.json

Every contestant gets the same weights (an encoder and a new classifier; keras-hub has its own), the
same sentences in the same order, in batches of the same size, and gives probabilities from text:
tokenizing is within the time of all. Each runs in a process of its own, so that none is disturbed
by another's threads, and they take turns, round by round, since a shared machine is never as fast
twice; what counts is the ratio within a run. Those that are not installed are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from machine import environment
from serving_answers import Contestant, write_onnx

HERE = Path(__file__).parent
SIZES = (1, 32)
# Lets oneDNN keep the weights in the order in which it multiplies them.
FROZEN = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}


def contestants(path: Path, folder: Path) -> Iterator[Contestant]:
    """Writes the models and says who answers with them; the first is compared with."""
    import bert_keras
    from bert_keras.export import export_saved_model
    from bert_keras.modeling import BertForSequenceClassification

    model = bert_keras.load(path, BertForSequenceClassification, labels=["negative", "positive"])
    bert_keras.save(model, folder / "model")
    directory = str(folder / "model")
    ours = {
        weights: export_saved_model(model, None, folder / weights, weights=weights)["version"]
        for weights in ("float32", "bfloat16")
    }
    for weights, threads, variables in (
        ("float32", 1, {}), ("float32", 0, {}), ("bfloat16", 1, {}), ("bfloat16", 1, FROZEN),
        ("bfloat16", 0, {}),
    ):  # fmt: skip
        name = "our SavedModel" + (", weights kept reordered" if variables else "")
        yield Contestant(name, "saved_model", ours[weights], weights, threads, variables)
    try:
        file = str(write_onnx(folder / "model"))
        for threads in (1, 0):
            yield Contestant("ONNX Runtime", "onnx", file, threads=threads)
    except ImportError as error:
        print(f"ONNX Runtime: left out, {error}")
    for dtype in ("float32", "bfloat16"):
        yield Contestant("transformers + torch", "torch", directory, dtype)
    yield Contestant("keras-hub, its own weights", "keras_hub", directory)


class Worker:
    """A contestant's process; leave it with ``close``."""

    def __init__(self, contestant: Contestant, texts: Path) -> None:
        self.contestant = contestant
        self.result: dict[str, Any] = {
            "name": contestant.name,
            "dtype": contestant.dtype,
            "threads": contestant.threads or os.cpu_count(),
        }
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, HERE / "serving_worker.py", json.dumps(asdict(contestant)), texts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | contestant.environment,
        )
        opened = self._reply()
        self.is_ready = opened["ready"]
        if not self.is_ready:
            print(f"{contestant.name}: left out, {opened['why']}")

    def ask(self, **order: Any) -> Any:
        """What the worker answers to an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._reply()

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _reply(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contestant.name}: its process ended; see serving_worker.py")
        return json.loads(line)


def summary(rounds: list[dict[str, Any]], size: int) -> dict[str, Any]:
    """The median of all batches, and how far the medians of the rounds lie apart."""
    medians = [float(np.median(part["clock"])) for part in rounds]
    every = [value for part in rounds for value in part["clock"]]
    median = float(np.median(every))
    return {
        "median_ms": round(median, 2),
        "range_ms": [round(min(medians), 2), round(max(medians), 2)],
        "least_ms": round(min(every), 2),
        "processor_ms": round(float(np.median([part["processor"] for part in rounds])), 2),
        "sentences_per_second": round(1e3 * size / median, 1),
    }


def measure(workers: list[Worker], rounds: int, batches: int) -> None:
    """Adds to each worker's result how long batches take it, by size."""
    for size in SIZES:
        count = batches if size == 1 else max(1, batches // 4)
        times: list[list[dict[str, Any]]] = [[] for _ in workers]
        for _ in range(rounds):
            for worker, mine in zip(workers, times, strict=True):
                mine.append(worker.ask(do="time", size=size, batches=count))
        for worker, mine in zip(workers, times, strict=True):
            worker.result[f"batch_{size}"] = summary(mine, size)


def compare(workers: list[Worker]) -> None:
    """Adds the largest difference of a probability from the first one's."""
    first = None
    for worker in workers:
        answers = np.array(worker.ask(do="probabilities"))
        first = answers if first is None else first
        if "own weights" not in worker.contestant.name:
            worker.result["largest_difference"] = float(np.abs(answers - first).max())


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path, help="a text a line, before a tab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=40, help="of one text; a quarter of 32")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    result: dict[str, Any] = {"environment": environment(), "load": [os.getloadavg()[0]]}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        texts = Path(name) / "texts.json"
        texts.write_text(json.dumps([line.split("\t")[0] for line in lines]))
        workers: list[Worker] = []
        for contestant in contestants(options.model, Path(name)):
            worker = Worker(contestant, texts)
            stack.callback(worker.close)
            if worker.is_ready:
                workers.append(worker)
                if contestant.kind == "saved_model":  # before it has answered anything else
                    worker.result["first_request"] = worker.ask(do="first")
                    worker.result["tokens_per_second"] = worker.ask(do="tokenize")
        compare(workers)
        measure(workers, options.rounds, options.batches)
    result["load"].append(os.getloadavg()[0])
    result["contestants"] = [worker.result for worker in workers]
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
