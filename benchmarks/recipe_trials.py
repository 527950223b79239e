"""Controlled trials of the small recipes: one change at a time, the same number of tokens.

    python benchmarks/recipe_trials.py --corpus corpus --workdir runs/trials
    python benchmarks/recipe_trials.py --render    # table and curves from the JSON alone

The corpus is that of ``configs/pretrain/small-sotu.toml``. Every trial is a ``bert-keras pretrain``
of 0.6 million tokens on that recipe with ``BASE`` and the trial's own changes as ``--set``, once a
seed. All are evaluated alike while they train, whatever they train on: on the same pairs from the
held-out documents, at 64 tokens with 15 % of them masked. Trials that are done are not run again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPE = REPOSITORY / "configs/pretrain/small-sotu.toml"
RESULTS = Path(__file__).with_suffix(".json")
TRIAL_CURVES = REPOSITORY / "configs/pretrain/trials.svg"
RUN_CURVES = REPOSITORY / "configs/pretrain/small-sotu.svg"

SEEDS = (0, 1)
STEPS = 600  # of about 1,000 tokens
EVALUATIONS = 4
MEASURES = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")


def lengths(
    rate: float = 0.3, final_rate: float = 0.15, batch: float = 1.0, early_task: str = "none"
) -> dict[str, Any]:
    """A run that begins with short sequences, ``batch`` times about 1,000 tokens a step."""
    phases = [
        phase(until, length, rate, round(batch * examples), early_task)
        for until, length, examples in ((0.5, 10, 100), (0.7, 16, 64), (0.85, 32, 32))
    ]
    return {
        "data.phases": f"[{', '.join(phases)}]",
        "data.max_seq_length": 64,
        "data.max_predictions_per_seq": predictions(64, final_rate),
        "data.masking_rate": rate,
        "train.batch_size": round(batch * 16),
        "train.steps": round(STEPS / batch),
    }


def phase(until: float, length: int, rate: float, examples: int, task: str) -> str:
    """An entry of ``data.phases`` in TOML."""
    return (
        f"{{ until = {until}, max_seq_length = {length}, batch_size = {examples}, "
        f"max_predictions_per_seq = {predictions(length, rate)}, next_sentence = '{task}' }}"
    )


def predictions(length: int, rate: float) -> int:
    """The masked positions of a full example."""
    return max(1, round(length * rate))


def dropout(rate: float) -> dict[str, Any]:
    """Both of BERT's dropout rates."""
    return {"model.hidden_dropout_prob": rate, "model.attention_probs_dropout_prob": rate}


BASE = {
    **lengths(),
    **dropout(0.0),
    "model.preset": "tiny",
    "model.initializer_range": 0.06,
    "data.short_seq_prob": 0.1,
    "data.next_sentence": "nsp",
    "data.eval_fraction": 0.05,
    "optimizer.learning_rate": 2e-3,
    "optimizer.warmup_ratio": 0.05,
    "optimizer.beta_2": 0.98,
    "optimizer.bias_correction": True,
    "train.precision": "float32",
}
TENTH = {"data.eval_fraction": 0.9}  # holds out more, the 5 % of all other trials among it

GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "Length and sentence task": {
        "NSP from the first step on": lengths(early_task="nsp"),
        "64 tokens from the first step on": {
            "data.phases": f"[{phase(0.85, 64, 0.3, 16, 'none')}]"
        },
        "no sentence task": {"data.next_sentence": "none"},
        "SOP for NSP": {"data.next_sentence": "sop"},
    },
    "Adam": {
        "no bias correction": {"optimizer.bias_correction": False},
        "beta_2 0.999": {"optimizer.beta_2": 0.999},
        "rate 1e-3": {"optimizer.learning_rate": 1e-3},
        "rate 4e-3": {"optimizer.learning_rate": 4e-3},
    },
    "Initializer and warm-up": {
        "initializer 0.02": {"model.initializer_range": 0.02},
        "initializer 0.1": {"model.initializer_range": 0.1},
        "warm-up 0.01": {"optimizer.warmup_ratio": 0.01},
        "warm-up 0.2": {"optimizer.warmup_ratio": 0.2},
    },
    "Masking": {
        "masking 0.15 throughout": lengths(rate=0.15),
        "masking 0.3 throughout": lengths(final_rate=0.3),
    },
    "Dropout": {
        "dropout 0.1": dropout(0.1),
        "a tenth of the text": TENTH,
        "a tenth of the text, dropout 0.1": TENTH | dropout(0.1),
    },
    "Batch": {
        "twice the batch, half the steps": lengths(batch=2.0),
        "half the batch, twice the steps": lengths(batch=0.5),
    },
}
TRIALS = {"base": {}} | {
    name: changes for group in GROUPS.values() for name, changes in group.items()
}


def settings(changes: dict[str, Any], seed: int) -> list[str]:
    """The settings as the command's ``--set`` takes them."""
    merged = BASE | changes | {"train.seed": seed, "train.eval_batches": 1}
    return [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in merged.items()
    ]


def train(name: str, seed: int, corpus: Path, workdir: Path, result: Path) -> None:
    """Run one trial in this process and write what was found."""
    import keras
    import numpy as np
    import tensorflow as tf

    from bert_keras.config import PretrainConfig, load_toml
    from bert_keras.training import pretrain

    config = load_toml(PretrainConfig, RECIPE, settings(TRIALS[name], seed))
    batches = held_out_batches(corpus)
    curve: list[list[float]] = []

    class Evaluate(keras.callbacks.Callback):
        """Note the held-out results at equal distances of the run."""

        @tf.function
        def means(self, batch: Any) -> Any:
            return self.model.objective(self.model, batch, training=False)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (batch + 1) * EVALUATIONS % config.train.steps == 0:
                found = [self.means(batch) for batch in batches]
                sums = sum(
                    np.array([[part.numpy() for part in means[key]] for key in MEASURES])
                    for means in found
                )
                curve.append([round(float(value), 4) for value in sums[:, 0] / sums[:, 1]])

    pretrain(config, workdir, corpus, callbacks=[Evaluate()])
    result.write_text(json.dumps(curve))


def held_out_batches(corpus: Path) -> Any:
    """640 pairs of the held-out documents, the same for all trials."""
    import bert_keras
    from bert_keras.data.pretraining import pretraining_dataset

    _, held_out = bert_keras.Corpus.open(corpus).split(BASE["data.eval_fraction"])
    alike = bert_keras.DataConfig(max_seq_length=64, max_predictions_per_seq=10)
    return pretraining_dataset(held_out, alike, batch_size=64, seed=0).take(10).cache()


def run_all(corpus: Path, workdir: Path, workers: int) -> None:
    """Run what is not done yet, each trial in a process and on a thread of its own."""
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    environment = os.environ | dict.fromkeys(threads, "1")
    workdir.mkdir(parents=True, exist_ok=True)

    def one(seed: int, name: str) -> None:
        run = workdir / f"{name.replace(' ', '-')}.{seed}"
        result = run.with_name(run.name + ".json")
        if result.exists():
            return
        shutil.rmtree(run, ignore_errors=True)  # of a trial that was cut off
        command = [sys.executable, __file__, "--corpus", corpus, "--workdir", run]
        with run.with_name(run.name + ".log").open("w") as log:
            done = subprocess.run(  # noqa: S603
                [*command, "--trial", name, "--seed", str(seed), "--results", result],
                env=environment,
                stderr=log,
            )
        print(f"{name}, seed {seed}: {'done' if not done.returncode else 'FAILED'}", flush=True)

    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(one, seed, name) for name in TRIALS for seed in SEEDS]
    for job in jobs:
        job.result()


def collect(corpus: Path, workdir: Path, run: Path | None) -> dict[str, Any]:
    """Gather the curves of all trials, a list for every seed, and what guessing would reach."""
    import numpy as np

    batches = list(held_out_batches(corpus).as_numpy_iterator())
    words = np.concatenate([b["masked_lm_ids"][b["masked_lm_weights"] > 0] for b in batches])
    labels = np.concatenate([b["next_sentence_labels"] for b in batches])
    trials: dict[str, Any] = {}
    for name in TRIALS:
        files = [workdir / f"{name.replace(' ', '-')}.{seed}.json" for seed in SEEDS]
        trials[name] = [json.loads(file.read_text()) for file in files if file.exists()]
    found = {
        "guessing": [round(float(np.bincount(a).max() / len(a)), 4) for a in (words, labels)],
        "trials": trials,
    }
    if run:
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        found["run"] = [line for line in lines if line["split"] == "eval"]
    return found


def table(results: dict[str, Any]) -> str:
    """The trials' ends in Markdown: both seeds, and the mean loss against that of ``base``."""
    trials = {name: [curve[-1] for curve in ends] for name, ends in results["trials"].items()}
    base = trials["base"]
    lines = ["| change | masked words right | loss | against base's |", "| --- " * 4 + "|"]
    for name, ends in trials.items():
        if ends:
            right, loss = ([end[k] for end in ends] for k in (1, 0))
            less = sum(loss) / len(loss) - sum(end[0] for end in base) / len(base)
            numbers = [", ".join(f"{value:.3f}" for value in column) for column in (right, loss)]
            lines.append(f"| {name} | {numbers[0]} | {numbers[1]} | {less:+.2f} |")
    return "\n".join(lines)


def draw(results: dict[str, Any]) -> None:
    """Plot the trials by what they change, and the run of the recipe."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "trials"}
    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, (title, group) in zip(figure.subplots(2, 3).flat, GROUPS.items(), strict=True):
        for color, name in enumerate(["base", *group]):
            for curve in results["trials"][name]:
                tokens = [STEPS / 1000 * (k + 1) / len(curve) for k in range(len(curve))]
                axes.plot(tokens, [point[0] for point in curve], color=f"C{color}", linewidth=1)
            label = name if results["trials"][name] else f"{name} (not run)"
            axes.plot([], [], color=f"C{color}", label=label)
        _finish(axes, title, "million tokens", "held-out MLM loss (nats)")
    figure.savefig(TRIAL_CURVES, metadata={"Date": None})
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, task in zip(figure.subplots(1, 2), ("mlm", "nsp"), strict=True):
        lines = [line for line in results.get("run", []) if f"{task}_accuracy" in line]
        steps = [line["step"] for line in lines]
        axes.plot(steps, [line[f"{task}_accuracy"] for line in lines], "o-", markersize=3)
        guesses = [line[f"{task}_baseline_accuracy"] for line in lines]
        axes.plot(steps, guesses, ":", color="gray", label="always the most frequent")
        title = {"mlm": "Masked words", "nsp": "Next sentence"}[task]
        _finish(axes, title, "step", "held-out accuracy")
    figure.savefig(RUN_CURVES, metadata={"Date": None})


def _finish(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend()


def main() -> None:
    """Run the trials, gather and render them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--run", type=Path, help="work directory of the whole recipe, to draw too")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--render", action="store_true", help="render the results that are there")
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trial:
        train(options.trial, options.seed, options.corpus, options.workdir, options.results)
        return
    if not options.render:
        run_all(options.corpus, options.workdir, options.workers)
        found = collect(options.corpus, options.workdir, options.run)
        options.results.write_text(json.dumps(found) + "\n")
    results = json.loads(options.results.read_text())
    print(table(results))
    draw(results)


if __name__ == "__main__":
    main()
