r"""Fine-tuning with the same encoder, examples, features and recipe on two sides.

    python benchmarks/finetuning.py sst2 --data DATA --model MODEL --out benchmarks/finetuning.json
    python benchmarks/finetuning.py sst2 --data DATA --model MODEL --against random --name ...

The other side is transformers or (``--against random``) the same model from random weights, which
shows what its pre-training is worth. Both sides read the features that ``bert_keras.tasks`` makes,
transformers starts from the weights that we start from (the new head's too), and both sides'
answers go through our metrics; so what is compared with transformers is the model and its training:
here the packed Keras model, there the torch model with AdamW, the same schedule, clipping and
weight decay, bfloat16 by autocast where the recipe says ``mixed_bfloat16``, and batches padded to
their longest, in random order, as its Trainer makes them with dynamic padding. The seeds alternate
between the two, in one process. The times are of the training steps alone, by the clock and in
processor time, without tracing here and without evaluation on either side.

``difference_95`` says whether the difference of the scores is more than chance: 95 % of 1,000
paired bootstrap samples of the dev examples, each side's score being the mean over its seeds.

DATA holds a folder for each row's data, the files as their makers published them: see ``ROWS``.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from finetuning_sides import SIDES, answers_of, train_ours
from machine import Clock, environment

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.tasks.registry import make_task

SAMPLES = 1000
RECIPES = Path(__file__).parents[1] / "configs" / "finetune"


Split = Callable[[Any, Path], tuple[list[Any], list[Any]]]


@dataclass
class Row:
    """A data set: how its examples are shared out to train and dev, its recipe, MiniLM's rates."""

    recipe: str
    split: Split
    settings: tuple[str, ...]


def files(train: str, dev: str) -> Split:
    """Two files of the data folder."""
    return lambda task, data: (task.read(str(data / train)), task.read(str(data / dev)))


def last_fifth(name: str) -> Split:
    """A split of a file's examples: the last fifth is dev."""

    def split(task: Any, data: Path) -> tuple[list[Any], list[Any]]:
        examples = task.read(str(data / name))
        first = len(examples) * 4 // 5
        return examples[:first], examples[first:]

    return split


def every_fifth(name: str) -> Split:
    """A split of a file's examples: the first of every five is dev."""

    def split(task: Any, data: Path) -> tuple[list[Any], list[Any]]:
        examples = task.read(str(data / name))
        return [e for row, e in enumerate(examples) if row % 5], examples[::5]

    return split


def first_articles(name: str, count: int) -> Split:
    """A split of a SQuAD file: the first articles are train, the others dev."""

    def split(task: Any, data: Path) -> tuple[list[Any], list[Any]]:
        articles = json.loads((data / name).read_text(encoding="utf-8"))["data"]
        sides = []
        with tempfile.TemporaryDirectory() as folder:
            for chosen in (articles[:count], articles[count:]):
                path = Path(folder) / "articles.json"
                path.write_text(json.dumps({"version": "1.1", "data": chosen}), encoding="utf-8")
                sides.append(task.read(str(path)))
        return sides[0], sides[1]

    return split


def epochs_at_rate(count: int, rate: str, *others: str) -> tuple[str, ...]:
    """Settings in addition to the recipe's."""
    return (f"train.epochs={count}", f"optimizer.learning_rate={rate}", *others)


PRECISION = "train.precision=mixed_bfloat16"
WIDE_HEAD = "model.head_initializer_range=0.05"
ROWS = {
    "sst2": Row("sst2.toml", files("sst2/train.tsv", "sst2/dev.tsv"), epochs_at_rate(1, "2e-4")),
    "mrpc": Row(
        "mrpc.toml",
        files("mrpc/msr_paraphrase_train.txt", "mrpc/msr_paraphrase_test.txt"),
        epochs_at_rate(1, "2e-4"),
    ),
    "wnut16": Row(
        "wnut16.toml", last_fifth("wnut16/ner.txt"), epochs_at_rate(5, "3e-4", WIDE_HEAD)
    ),
    "xquad": Row(
        "squad.toml",
        first_articles("xquad/xquad.en.json", 38),
        epochs_at_rate(2, "2e-4", "train.batch_size=8", WIDE_HEAD),
    ),
    "chnsenticorp": Row(
        "chnsenticorp.toml",
        every_fifth("chnsenticorp/ChnSentiCorp_htl_all.csv"),
        epochs_at_rate(3, "5e-4", "data.max_seq_length=128"),
    ),
}


class Curve:
    """The dev score after every so many steps, and the seconds of training till then."""

    def __init__(self, every: int, score: Callable[[Any], float]) -> None:
        self.points: list[tuple[float, float]] = []
        self._every, self._score = every, score

    def __call__(self, step: int, model: Any, clock: Clock) -> None:
        """Evaluate where it is time; the clock is stopped meanwhile."""
        if self._every and step % self._every == 0:
            with clock.stopped():
                score = self._score(model)
            self.points.append((clock.read()["seconds"], round(score, 4)))


def bootstrap(task: Any, examples: list[Any], ours: list[Any], theirs: list[Any]) -> list[float]:
    """The 2.5 and 97.5 percentiles of the difference of the mean scores, ours less theirs."""
    draw, differences = np.random.default_rng(0), []
    for _ in range(SAMPLES):
        rows = draw.integers(0, len(examples), len(examples))
        chosen = [examples[row] for row in rows]
        means = [
            np.mean([task.score(chosen, [a[r] for r in rows])[task.best_metric] for a in side])
            for side in (ours, theirs)
        ]
        differences.append(means[0] - means[1])
    return [float(value) for value in np.percentile(differences, [2.5, 97.5])]


def main() -> None:
    """Run the comparison and add its row to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--data", type=Path, required=True, help="the folder of all data sets")
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--against", choices=("transformers", "random"), default="transformers")
    parser.add_argument("--name", default="", help="of the result (default: that of the row)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluate-every", type=int, default=0, help="steps; 0 at the end alone")
    parser.add_argument("--set", action="append", default=[], help="more than the row's settings")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for result in compare(options):  # after every seed, so that a long run leaves what it found
        if options.out:
            rows = json.loads(options.out.read_text()) if options.out.exists() else {}
            rows |= {options.name or options.row: result}
            options.out.write_text(json.dumps(rows, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def compare(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train both sides, seed after seed; yield the results so far after each."""
    row = ROWS[options.row]
    changes = [PRECISION, *row.settings, *options.set]
    config = load_toml(FinetuneConfig, RECIPES / row.recipe, changes)
    config = config.replace(model=replace(config.model, init=options.model))
    task = make_task(config.data)
    train, dev = row.split(task, options.data)
    task = task.with_labels(task.labels_of(train))
    tokenizer = bert_keras.BertTokenizer.from_pretrained(options.model)
    features, dev_features = task.features(train, tokenizer), task.features(dev, tokenizer)
    sides = {"bert_keras": train_ours, options.against: SIDES[options.against]}
    results: dict[str, Any] = {}
    answers: dict[str, list[Any]] = {name: [] for name in sides}

    def answered(model: Any) -> tuple[list[Any], dict[str, float]]:
        found = answers_of(model, task, dev, dev_features)
        return found, task.score(dev, found)

    for seed in range(options.seeds):
        is_last = seed == options.seeds - 1
        settings = replace(config.train, seed=seed).resolved(len(features))
        for name, side in sides.items():
            curve = Curve(
                options.evaluate_every, lambda model: answered(model)[1][task.best_metric]
            )
            model, times = side(config.replace(train=settings), task, features, curve)
            found, scores = answered(model)
            answers[name].append(found)
            points = {"curve": curve.points} if curve.points else {}
            results.setdefault(name, []).append(scores | times | points)
            print(name, seed, results[name][-1], flush=True)
        yield {
            "machine": environment(),
            "recipe": row.recipe,
            "set": changes,
            "train_examples": len(train),
            "dev_examples": len(dev),
            "steps": settings.steps,
            "metric": task.best_metric,
            "difference_95": bootstrap(task, dev, *answers.values()) if is_last else None,
            **results,
        }


if __name__ == "__main__":
    main()
