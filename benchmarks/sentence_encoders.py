r"""Training sentence encoders and a ranker, beside sentence-transformers.

    python benchmarks/sentence_encoders.py similarity --data DATA --model MODEL

A row is a recipe and its data: ``similarity`` on STS-B (CoSENT), ``retrieval`` on XQuAD (in-batch
negatives) and ``ranking`` on XQuAD (a ranker of the sentence encoder's first ten documents). Both
sides start from the same directory, read the same examples with the same loss, batch size,
schedule, clipping and decay. Each computes in the precision in which its first steps take less
time. The other side is its own trainer, with BERT's schedule: its own one decays from the end of
the warmup, not from the first step, so that its rates are higher by up to warmup_ratio. The seeds
alternate between the two, each in a process of its own. The memory is what training adds at most to
that of a process with both libraries and the data. The results go to sentence_encoders.json, the
table into README.md.

The times are those of shorter runs, in turn: a run of all steps takes longer than a machine that
others use stays as fast. They are of the steps alone; ours are without tracing. ``--times``
measures them anew, and keeps the scores.

XQuAD: the encoder and the ranker learn from the questions on every second article, and answer those
on the others, from all 240 paragraphs.

DATA is a folder with stsb/sts-train.csv, stsb/sts-test.csv and xquad/xquad.en.json, as their makers
published them.
"""

import argparse
import importlib
import json
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from machine import environment
from scipy.stats import spearmanr
from sentence_data import Questions, sts
from sentence_sides import order_of, ours, theirs, vectors_of
from tables import conditions, markdown, replace_block, scores

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.tasks.reading.groups import GroupExample

HERE = Path(__file__).parent
FILE = HERE / "sentence_encoders.json"
SIDES = {"bert_keras": ours, "sentence-transformers": theirs}
_RATE = "optimizer.learning_rate=5e-5"  # MiniLM is small
# The recipe of each row, its settings, and the measure.
ROWS: dict[str, tuple[str, list[str], str]] = {
    "similarity": ("similarity", [], "spearman"),
    "retrieval": (
        "contrastive",
        ["data.max_seq_length=256", "train.batch_size=32", "train.epochs=2", _RATE],
        "recall@1",
    ),
    "ranking": ("ranking", ["data.max_seq_length=256", _RATE], "ndcg@10"),
}
_TRIED = 10  # steps in each precision
# Steps in each run of those that are timed; one of long texts takes twenty times as long.
_TIMED = {"similarity": 60, "retrieval": 6, "ranking": 6}
_ROUNDS = 3
_CANDIDATES = 10  # documents that are ranked


class Contest:
    """A row's examples and scores.

    Args:
        row: One of ``ROWS``.
        data: The folder.
        init: The directory that both sides start from.
    """

    def __init__(self, row: str, data: Path, init: str) -> None:
        self.row, self.measure = row, ROWS[row][2]
        self._start: Any = bert_keras.load(init)
        if row == "similarity":
            self.examples: list[Any] = sts(data / "stsb" / "sts-train.csv")
            self._test = sts(data / "stsb" / "sts-test.csv")
            return
        self._asked = Questions(data / "xquad" / "xquad.en.json")
        if row == "ranking":
            self.examples = self._asked.pairs(self._start)
        else:
            documents = self._asked.documents
            self.examples = [
                GroupExample(question, documents[right], (), "XQuAD")
                for question, right in self._asked.train
            ]

    def before(self) -> float:
        """The score of the untrained sentence encoder."""
        if self.row == "similarity":
            return self.score(self._start)
        return self._asked.measures(self._candidates().tolist())[self.measure]

    def score(self, model: Any) -> float:
        """The score of a model of either side."""
        if self.row == "similarity":
            first = vectors_of(model, [example.text for example in self._test])
            second = vectors_of(model, [str(example.text_pair) for example in self._test])
            dots = np.sum(first * second, axis=1, dtype=np.float64)
            cosines = dots / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
            judged = [float(example.label or 0) for example in self._test]
            return float(spearmanr(judged, cosines)[0])
        asked = self._asked
        if self.row == "retrieval":
            return asked.measures(asked.nearest(model, asked.test, 10).tolist())[self.measure]
        orders = []
        for (question, _), found in zip(asked.test, self._candidates(), strict=True):
            order = order_of(model, question, [asked.documents[number] for number in found])
            orders.append([int(found[place]) for place in order])
        return asked.measures(orders)[self.measure]

    def _candidates(self) -> np.ndarray:
        """The nearest paragraphs of the untrained encoder, [questions, candidates]."""
        return self._asked.nearest(self._start, self._asked.test, _CANDIDATES)


def train(
    side: str, contest: tuple[str, Path, str], config: FinetuneConfig, is_scored: bool
) -> dict[str, float]:
    """The times and the memory of a side's training, and the score."""
    importlib.import_module("sentence_transformers")  # so that both begin with as much memory
    found = Contest(*contest)
    before = _peak_mib()
    model, times = SIDES[side](config, found.examples)
    result = times | {"peak_mib": round(_peak_mib() - before)}
    return result | ({found.measure: round(found.score(model), 4)} if is_scored else {})


def _peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(*arguments: Any) -> dict[str, float]:
    """The result of ``train`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(train, *arguments).result()


def start(row: str, data: Path, model: str, settings: list[str]) -> FinetuneConfig:
    """The recipe of a row, with the number of its steps."""
    recipe, changes, _ = ROWS[row]
    path = HERE.parent / "configs" / "finetune" / f"{recipe}.toml"
    config = load_toml(FinetuneConfig, path, [*changes, *settings])
    config = config.replace(model=replace(config.model, init=model))
    examples = Contest(row, data, model).examples
    return config.replace(train=config.train.resolved(len(examples)))


def run(row: str, data: Path, config: FinetuneConfig, seeds: int) -> dict[str, Any]:
    """The results of a row, but for its times."""
    contest = Contest(row, data, config.model.init)
    measure = contest.measure
    found: dict[str, Any] = {
        "examples": len(contest.examples),
        "steps": config.train.steps,
        "measure": measure,
        "before": round(contest.before(), 4),
        "precisions": {},
    }
    for side in SIDES:
        tried = {}
        for precision in ("float32", "mixed_bfloat16"):
            short = replace(config.train, precision=precision, steps=_TRIED)
            times = alone(side, (row, data, config.model.init), config.replace(train=short), False)
            tried[precision] = times["seconds"]
        found["precisions"][side] = min(tried, key=tried.__getitem__)
        found[side] = []
    for seed in range(seeds):
        for side in SIDES:
            seeded = replace(config.train, precision=found["precisions"][side], seed=seed)
            result = alone(side, (row, data, config.model.init), config.replace(train=seeded), True)
            found[side].append({name: result[name] for name in (measure, "peak_mib")})
            print(row, seed, side, result, flush=True)
    return found


def measure_times(
    row: str, data: Path, config: FinetuneConfig, precisions: dict[str, str]
) -> dict[str, list[dict[str, float]]]:
    """The milliseconds of a step of each side, by the clock and of the processor, in each round."""
    times: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(_ROUNDS):
        for side in SIDES:
            short = replace(config.train, precision=precisions[side], steps=_TIMED[row])
            found = alone(side, (row, data, config.model.init), config.replace(train=short), False)
            keys = {"step_ms": "seconds", "processor_ms": "processor_seconds"}
            times[side].append({name: 1e3 * found[key] / _TIMED[row] for name, key in keys.items()})
            print(row, side, times[side][-1], flush=True)
    return times


def table(results: dict[str, Any]) -> str:
    """A row for each side of each row."""
    header = [
        "", "steps", "", "computes in", "before", "after: mean (seeds)", "a step, ms (least–most)",
        "of the processor", "times as fast", "added MiB",
    ]  # fmt: skip
    rows = []
    for name, row in results.items():
        for side in SIDES:
            rows.append([
                f"{name}, {row['measure']}",
                row["steps"],
                side,
                row["precisions"][side].removeprefix("mixed_"),
                row["before"],
                scores(row[side], row["measure"]),
                *_time_cells(row.get("times"), side),
                f"{mean(each['peak_mib'] for each in row[side]):,.0f}",
            ])  # fmt: skip
    last = [*results.values()][-1]
    return f"{markdown(header, rows)}\n\n{conditions(last['machine'])}"


def _time_cells(times: dict[str, list[dict[str, float]]] | None, side: str) -> list[str]:
    """The cells of a side's times; they may be measured later than the scores, by ``--times``."""
    if times is None:
        return ["not measured", "", ""]
    steps = {side: [each["step_ms"] for each in times[side]] for side in SIDES}
    own, processor = steps[side], median(each["processor_ms"] for each in times[side])
    first, second = (median(steps[other]) for other in SIDES)
    return [
        f"{median(own):.0f} ({min(own):.0f}–{max(own):.0f})",
        f"{processor:.0f}",
        f"{second / first:.1f}" if side == "bert_keras" else "",
    ]


def main() -> None:
    """Measure a row, keep it and render all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=list(ROWS))
    parser.add_argument("--data", type=Path, required=True, help="the folder of stsb/ and xquad/")
    parser.add_argument("--model", required=True, help="a directory of sentence-transformers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="settings of the recipe")
    parser.add_argument("--times", action="store_true", help="only measure the times anew")
    parser.add_argument("--print", action="store_true", help="print the table, keep nothing")
    options = parser.parse_args()
    name, data, model = options.row, options.data, options.model
    results = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    settings = results[name]["set"] if options.times else options.set
    config = start(name, data, model, settings)
    row = results[name] if options.times else run(name, data, config, options.seeds)
    row |= {
        "recipe": f"{ROWS[name][0]}.toml",
        "set": settings,
        "times": measure_times(name, data, config, row["precisions"]),
        "machine": environment(),
    }
    if options.print:
        print(table({name: row}))
        return
    results |= {name: row}
    FILE.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    replace_block(HERE / "README.md", "sentence encoders", table(results))


if __name__ == "__main__":
    main()
