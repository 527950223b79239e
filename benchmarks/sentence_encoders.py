r"""Training a sentence encoder on STS-B, beside sentence-transformers.

    python benchmarks/sentence_encoders.py --data DATA --model MODEL --out FILE.json

Both sides start from the same directory, read the same pairs with the same loss (CoSENT), batch
size, schedule, clipping and decay, in bfloat16 where the processor has it, and are scored by the
Spearman correlation of the test pairs' cosines. The other side is its own trainer, as its
documentation has it. The seeds alternate between the two, in one process. The times are of training
alone, by the clock and in processor time, without evaluation; ours is without tracing.

DATA is a folder with sts-train.csv and sts-test.csv, the files as their makers published them.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from finetuning_sides import train_ours
from machine import Clock, Times, environment
from scipy.stats import spearmanr

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.registry import make_task

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
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )

    train, settings = config.train, config.optimizer
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
            learning_rate=settings.learning_rate,
            warmup_steps=round(settings.warmup_ratio * train.steps),
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
        trainer = SentenceTransformerTrainer(
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


def main() -> None:
    """Train both sides, seed after seed, and write the results so far after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of STS-B")
    parser.add_argument("--model", required=True, help="a directory of sentence-transformers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="settings of the recipe")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    changes = ["train.precision=mixed_bfloat16", *options.set]
    config = load_toml(FinetuneConfig, RECIPE, changes)
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
        "set": changes,
        "train_examples": len(train),
        "test_examples": len(test),
        "untrained": spearman(before.embed(texts), test),
        **results,
    }
    for seed in range(options.seeds):
        settings = replace(config.train, seed=seed).resolved(len(features))
        seeded = config.replace(train=settings)
        model, times = train_ours(seeded, task, features, lambda *_: None)
        results["bert_keras"].append({"spearman": spearman(model.embed(texts), test)} | times)
        model, times = theirs(seeded, train)
        vectors = model.encode(texts, show_progress_bar=False)
        results["sentence_transformers"].append({"spearman": spearman(vectors, test)} | times)
        print(seed, {name: values[-1] for name, values in results.items()}, flush=True)
        if options.out:
            options.out.write_text(json.dumps(found | {"steps": settings.steps}, indent=2) + "\n")


if __name__ == "__main__":
    main()
