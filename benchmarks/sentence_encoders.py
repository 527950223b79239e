r"""Training a sentence encoder on STS-B, beside sentence-transformers.

    python benchmarks/sentence_encoders.py --data DATA --model MODEL --out FILE.json

Both sides start from the same directory, read the same pairs with the same loss (CoSENT), batch
size, schedule, clipping and decay, and are scored by the Spearman correlation of the test pairs'
cosines. Each computes in the precision in which it is the faster here. The other side is its own
trainer, with BERT's schedule: its own one decays from the end of the warmup, not from the first
step, so that its rates are higher by up to warmup_ratio. The seeds alternate between the two, in
one process. The times are of training alone, by the clock and in processor time, without
evaluation; ours is without tracing.

DATA is a folder with sts-train.csv and sts-test.csv, the files as their makers published them.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from finetuning_sides import train_ours
from machine import Clock, Times, environment
from scipy.stats import spearmanr

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.optimizers import WarmupLinearDecay
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.registry import make_task

_TRIED = 30  # steps in each precision
RECIPE = Path(__file__).parents[1] / "configs" / "finetune" / "similarity.toml"


def read(path: Path) -> list[TextExample]:
    """The pairs of a file of STS-B: columns without quotes, the score the fifth."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        TextExample(row[5], row[6], row[4], f"{path.name}, row {number}")
        for number, row in enumerate(rows, start=1)
    ]


def theirs(config: FinetuneConfig, examples: list[TextExample]) -> tuple[Any, Times]:
    """The model of sentence-transformers after its trainer, and the seconds it took."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )

    train, settings = config.train, config.optimizer
    peak, warmup = settings.learning_rate, round(settings.warmup_ratio * train.steps)
    rate = WarmupLinearDecay(peak, warmup, train.steps)
    factors = [float(rate(step)) / peak for step in range(train.steps + 1)]

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
        """Its trainer with BERT's schedule."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            chosen = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(chosen, factors.__getitem__)
            return self.lr_scheduler

    model = SentenceTransformer(config.model.init, device="cpu")
    model.max_seq_length = config.data.settings["max_seq_length"]
    columns = {
        "sentence1": [example.text for example in examples],
        "sentence2": [example.text_pair for example in examples],
        "score": [float(example.label or 0) / 5 for example in examples],
    }
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=train.steps,
            per_device_train_batch_size=train.batch_size,
            learning_rate=peak,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.clip_norm,
            adam_epsilon=settings.epsilon,
            bf16=train.precision == "mixed_bfloat16",
            use_cpu=True,
            seed=train.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=losses.CoSENTLoss(model),
        )
        clock = Clock()
        trainer.train()
    return model.eval(), clock.read()


def spearman(vectors: np.ndarray, examples: list[TextExample]) -> float:
    """The correlation of the cosines of vectors, first texts then second ones, with the scores."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.split(units.astype(np.float64), 2)
    scores = [float(example.label or 0) for example in examples]
    return round(float(spearmanr((first * second).sum(axis=1), scores)[0]), 4)


def faster(
    config: FinetuneConfig, train_side: Callable[[FinetuneConfig], tuple[Any, Times]]
) -> FinetuneConfig:
    """The config in the precision in which a side trains its first steps in less time."""
    timed = []
    for precision in ("float32", "mixed_bfloat16"):
        steps = min(_TRIED, config.train.steps)
        short = replace(config.train, precision=precision, steps=steps)
        _, times = train_side(config.replace(train=short))
        timed.append((times["seconds"], precision))
    return config.replace(train=replace(config.train, precision=min(timed)[1]))


def main() -> None:
    """Train both sides, seed after seed, and write the results so far after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of STS-B")
    parser.add_argument("--model", required=True, help="a directory of sentence-transformers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="settings of the recipe")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    config = load_toml(FinetuneConfig, RECIPE, options.set)
    config = config.replace(model=replace(config.model, init=options.model))
    task: Any = make_task(config.data)
    train, test = (read(options.data / f"sts-{name}.csv") for name in ("train", "test"))
    texts = [example.text for example in test] + [str(example.text_pair) for example in test]
    before = bert_keras.load(options.model, bert_keras.BertForSentenceEmbedding)
    features = task.features(train, before.tokenizer)
    results: dict[str, Any] = {"bert_keras": [], "sentence_transformers": []}
    found = {
        "machine": environment(),
        "recipe": RECIPE.name,
        "set": options.set,
        "train_examples": len(train),
        "test_examples": len(test),
        "untrained": spearman(before.embed(texts), test),
        **results,
    }
    sides: dict[str, Callable[[FinetuneConfig], tuple[Any, Times]]] = {
        "bert_keras": lambda config: train_ours(config, task, features, lambda *_: None),
        "sentence_transformers": lambda config: theirs(config, train),
    }
    config = config.replace(train=config.train.resolved(len(features)))
    configs = {name: faster(config, train_side) for name, train_side in sides.items()}
    found["steps"] = config.train.steps
    found["precisions"] = {name: each.train.precision for name, each in configs.items()}
    for seed in range(options.seeds):
        for name, train_side in sides.items():
            seeded = replace(configs[name].train, seed=seed)
            model, times = train_side(configs[name].replace(train=seeded))
            results[name].append({"spearman": spearman(_vectors(model, texts), test)} | times)
        print(seed, {name: values[-1] for name, values in results.items()}, flush=True)
        if options.out:
            options.out.write_text(json.dumps(found, indent=2) + "\n")


def _vectors(model: Any, texts: list[str]) -> np.ndarray:
    """The vectors of texts by the model of either side."""
    if isinstance(model, bert_keras.BertForSentenceEmbedding):
        return model.embed(texts)
    vectors: np.ndarray = model.encode(texts, show_progress_bar=False)
    return vectors


if __name__ == "__main__":
    main()
