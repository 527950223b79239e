r"""Training sentence encoders and a ranker, beside sentence-transformers.

    python benchmarks/sentence_encoders.py similarity --data DATA --model MODEL

A row is a recipe and its data: ``similarity`` on STS-B (CoSENT), ``retrieval`` on XQuAD (in-batch
negatives) and ``ranking`` on XQuAD (a ranker of the sentence encoder's first ten documents). Both
sides start from the same directory, read the same examples with the same loss, batch size,
schedule, clipping and decay. Each computes in the precision in which its first steps take less
time. The other side is its own trainer, with BERT's schedule: its own one decays from the end of
the warmup, not from the first step, so that its rates are higher by up to warmup_ratio. The seeds
alternate between the two, each in a process of its own. The times are of training alone, by the
clock and in processor time; ours is without tracing. The memory is what training adds at most to
that of a process with both libraries and the data. The results go to sentence_encoders.json, the
table into README.md.

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
from statistics import mean
from typing import Any

import numpy as np
from machine import environment
from scipy.stats import spearmanr
from sentence_sides import order_of, ours, theirs, vectors_of
from tables import conditions, markdown, replace_block

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.retrieval.exact import top_k
from bert_keras.retrieval.measures import measure_rankings
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.reading.groups import GroupExample

HERE = Path(__file__).parent
FILE = HERE / "sentence_encoders.json"
SIDES = {"bert_keras": ours, "sentence-transformers": theirs}
# The recipe of each row, its settings, and the measure.
ROWS: dict[str, tuple[str, list[str], str]] = {
    "similarity": ("similarity", [], "spearman"),
    "retrieval": ("contrastive", ["data.max_seq_length=256", "train.batch_size=32"], "recall@1"),
    "ranking": ("ranking", ["data.max_seq_length=256"], "ndcg@10"),
}
_TRIED = 10  # steps in each precision
_CANDIDATES = 10  # documents that are ranked
_NEGATIVES = 3  # of the nearest, for each question that a ranker learns from


def sts(path: Path) -> list[TextExample]:
    """The pairs of a file of STS-B: columns without quotes, the score the fifth."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        TextExample(row[5], row[6], row[4], f"{path.name}, row {number}")
        for number, row in enumerate(rows, start=1)
    ]


class Questions:
    """XQuAD's questions and paragraphs, those to learn from and those to answer.

    Attributes:
        documents: The paragraphs.
        train: Question and number of the paragraph, of every second article.
        test: Those of the other articles.
    """

    def __init__(self, path: Path) -> None:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        self.documents: list[str] = []
        sides: tuple[list[tuple[str, int]], ...] = ([], [])
        for number, article in enumerate(articles):
            for paragraph in article["paragraphs"]:
                place = len(self.documents)
                self.documents.append(paragraph["context"])
                sides[number % 2].extend((qa["question"], place) for qa in paragraph["qas"])
        self.train, self.test = sides

    def nearest(self, model: Any, asked: list[tuple[str, int]], top: int) -> np.ndarray:
        """The numbers of the nearest paragraphs of each question."""
        vectors = vectors_of(model, [question for question, _ in asked])
        return top_k(vectors, vectors_of(model, self.documents), top)[1]

    def pairs(self, model: Any) -> list[TextExample]:
        """Each question to learn from with its paragraph, and with the nearest of the others."""
        found = []
        for (question, right), near in zip(
            self.train, self.nearest(model, self.train, _NEGATIVES + 1), strict=True
        ):
            wrong = [number for number in near if number != right][:_NEGATIVES]
            for number in (right, *wrong):
                label = str(int(number == right))
                found.append(TextExample(question, self.documents[number], label, "XQuAD"))
        return found

    def measures(self, orders: list[list[int]]) -> dict[str, float]:
        """The measures of the paragraphs' orders for the questions to answer."""
        rankings = {str(n): [str(d) for d in order] for n, order in enumerate(orders)}
        judgements = {str(n): {str(right): 1} for n, (_, right) in enumerate(self.test)}
        return measure_rankings(rankings, judgements)


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
            scores = [float(example.label or 0) for example in self._test]
            return float(spearmanr(scores, cosines)[0])
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


def run(row: str, data: Path, model: str, seeds: int, settings: list[str]) -> dict[str, Any]:
    """The results of a row."""
    recipe, changes, measure = ROWS[row]
    path = HERE.parent / "configs" / "finetune" / f"{recipe}.toml"
    config = load_toml(FinetuneConfig, path, [*changes, *settings])
    config = config.replace(model=replace(config.model, init=model))
    contest = Contest(row, data, model)
    config = config.replace(train=config.train.resolved(len(contest.examples)))
    found: dict[str, Any] = {
        "machine": environment(),
        "recipe": path.name,
        "set": [*changes, *settings],
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
            times = alone(side, (row, data, model), config.replace(train=short), False)
            tried[precision] = times["seconds"]
        found["precisions"][side] = min(tried, key=tried.__getitem__)
        found[side] = []
    for seed in range(seeds):
        for side in SIDES:
            seeded = replace(config.train, precision=found["precisions"][side], seed=seed)
            found[side].append(alone(side, (row, data, model), config.replace(train=seeded), True))
            print(row, seed, side, found[side][-1], flush=True)
    return found


def table(results: dict[str, Any]) -> str:
    """A row for each side of each row."""
    header = ["", "steps", "", "computes in", "before", "after: mean (seeds)", "seconds",
              "processor s", "added MiB"]  # fmt: skip
    rows = []
    for name, row in results.items():
        for side in SIDES:
            runs = row[side]
            scores = [each[row["measure"]] for each in runs]
            times = [
                f"{mean(each[key] for each in runs):,.0f}"
                for key in ("seconds", "processor_seconds", "peak_mib")
            ]
            shown = f"{mean(scores):.3f} ({', '.join(f'{score:.3f}' for score in scores)})"
            what = f"{name}, {row['measure']}"
            precision = row["precisions"][side].removeprefix("mixed_")
            rows.append([what, row["steps"], side, precision, row["before"], shown, *times])
    last = [*results.values()][-1]
    return f"{markdown(header, rows)}\n\n{conditions(last['machine'])}"


def main() -> None:
    """Measure a row, keep it and render all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=list(ROWS))
    parser.add_argument("--data", type=Path, required=True, help="the folder of stsb/ and xquad/")
    parser.add_argument("--model", required=True, help="a directory of sentence-transformers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="settings of the recipe")
    parser.add_argument("--print", action="store_true", help="print the table, keep nothing")
    options = parser.parse_args()
    found = run(options.row, options.data, options.model, options.seeds, options.set)
    if options.print:
        print(table({options.row: found}))
        return
    results = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    results |= {options.row: found}
    FILE.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    replace_block(HERE / "README.md", "sentence encoders", table(results))


if __name__ == "__main__":
    main()
