"""Answering short texts: our SavedModel compared with transformers, ONNX Runtime and keras-hub.

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
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from contest import Contestant
from machine import environment
from serving_answers import Answering, write_onnx
from serving_orders import answerer

SIZES = (1, 32)
# Lets oneDNN keep the weights in the order in which it multiplies them.
FROZEN = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}


def ways(path: Path, folder: Path) -> Iterator[Answering]:
    """Write the models and list who answers with them; all are compared with the first."""
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
        ("bfloat16", 0, {}), ("bfloat16", 0, FROZEN),
    ):  # fmt: skip
        name = "our SavedModel" + (", weights kept reordered" if variables else "")
        yield Answering(name, "saved_model", ours[weights], weights, threads, variables)
    try:
        file = str(write_onnx(folder / "model"))
        for threads in (1, 0):
            yield Answering("ONNX Runtime", "onnx", file, threads=threads)
    except ImportError as error:
        print(f"ONNX Runtime: left out, {error}")
    for dtype in ("float32", "bfloat16"):
        for threads in (1, 0):
            yield Answering("transformers + torch", "torch", directory, dtype, threads)
    yield Answering("keras-hub, its own weights", "keras_hub", directory)


@dataclass
class Participant:
    """A way of answering that takes part: its process, and what was found so far."""

    way: Answering
    process: Contestant
    result: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        threads = self.way.threads or os.cpu_count()
        self.result = {"name": self.way.name, "dtype": self.way.dtype, "threads": threads}

    def ask(self, do: str, **order: Any) -> Any:
        """The answers."""
        return self.process.ask({"do": do} | order)


def start(way: Answering, texts: Sequence[str]) -> Participant | None:
    """Start its process; print a line where it cannot take part."""
    # A thread that torch did not start itself asks OpenMP how many it may use.
    variables = way.environment | ({"OMP_NUM_THREADS": "1"} if way.threads == 1 else {})
    process = Contestant(way.name, answerer, {"way": way, "texts": texts}, variables)
    if process.failure is None:
        return Participant(way, process)
    print(f"{way.name}: left out, {process.failure}")
    process.end()
    return None


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


def measure(contestants: Sequence[Participant], rounds: int, batches: int) -> None:
    """Add to each one's result how long batches take it by size, and how many it gets through."""
    for size in SIZES:
        count = batches if size == 1 else max(1, batches // 4)
        times: list[list[dict[str, Any]]] = [[] for _ in contestants]
        for number in range(rounds + 1):  # the first is to warm up
            for contestant, mine in zip(contestants, times, strict=True):
                found = contestant.ask("time", size=size, batches=count)
                mine += [found] if number else []
        for contestant, mine in zip(contestants, times, strict=True):
            contestant.result[f"batch_{size}"] = summary(mine, size)
    single = [contestant for contestant in contestants if contestant.way.threads == 1]
    rates = [
        [contestant.ask("at once", size=SIZES[-1], batches=batches // 2) for contestant in single]
        for _ in range(rounds)
    ]
    for contestant, mine in zip(single, np.transpose(rates), strict=True):
        median, least, most = (round(float(f(mine)), 1) for f in (np.median, np.min, np.max))
        contestant.result["at_once"] = {"sentences_per_second": median, "range": [least, most]}


def compare(contestants: Sequence[Participant]) -> None:
    """Add the largest difference of a probability from the first one's."""
    first = None
    for contestant in contestants:
        answers = contestant.ask("probabilities")
        first = answers if first is None else first
        if "own weights" not in contestant.way.name:
            contestant.result["largest_difference"] = float(np.abs(answers - first).max())


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path, help="a text a line, before a tab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=40, help="of one text; a quarter of 32")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines]
    result: dict[str, Any] = {"environment": environment(), "load": [os.getloadavg()[0]]}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        contestants: list[Participant] = []
        for way in ways(options.model, Path(name)):
            contestant = start(way, texts)
            if contestant is None:
                continue
            stack.callback(contestant.process.end)
            contestants.append(contestant)
            if way.kind == "saved_model":  # before it has answered anything else
                contestant.result["first_request"] = contestant.ask("first")
                contestant.result["tokens_per_second"] = contestant.ask("tokenize")
        compare(contestants)
        measure(contestants, options.rounds, options.batches)
    result["load"].append(os.getloadavg()[0])
    result["contestants"] = [contestant.result for contestant in contestants]
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
