r"""Fine-tuning beside transformers: the same encoder, examples, features and recipe.

    python benchmarks/finetuning.py --model MODEL --train train.tsv --dev dev.tsv \\
        --recipe configs/finetune/sst2.toml --name sst2 --out benchmarks/finetuning.json

Both sides read the features that ``bert_keras.tasks`` makes, and their answers go through its
metrics; so what is compared is the model and its training: here the packed Keras model, there the
torch model of transformers with AdamW, the same schedule, clipping and weight decay, and batches
padded to their longest, in random order, as its Trainer makes them. The seeds alternate between
the two, in one process. The time is that of the training steps alone, without the first of each
length class here (tracing) and without evaluation on either side.

The last line says whether the difference of the scores is more than chance: 95 % of 1,000 paired
bootstrap samples of the dev examples.
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.optimizers import WarmupLinearDecay
from bert_keras.tasks.batches import collate
from bert_keras.tasks.registry import make_task
from bert_keras.tasks.start import start_model
from bert_keras.training import make_optimizer

SAMPLES = 1000
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def train_ours(config: FinetuneConfig, task: Any, features: list[Any]) -> tuple[Any, float]:
    """Our model after the recipe's steps, and the seconds they took."""
    import tensorflow as tf

    from bert_keras.training.steps import TrainStep

    train = config.train
    model = start_model(config, task)
    optimizer = make_optimizer(config.optimizer, train.steps)
    step = TrainStep(tf.distribute.get_strategy(), model, optimizer, train)
    batches = iter(task.batches(features, model.tokenizer, train.batch_size, train.seed))
    optimizer.build(model.trainable_variables)
    # Two lengths are enough to trace the step for all; what they do is undone.
    initial = [variable.numpy() for variable in [*model.variables, *optimizer.variables]]
    for length in (8, 16):
        shortened = [_cut(feature, length) for feature in features[: train.batch_size]]
        step({name: tf.constant(a) for name, a in collate(shortened).items()})
    for variable, value in zip([*model.variables, *optimizer.variables], initial, strict=True):
        variable.assign(value)
    start = time.monotonic()
    for _ in range(train.steps):
        ratios = step(next(batches))
    float(next(iter(ratios.values())).numerator)  # waits for the last step
    return model, time.monotonic() - start


def train_theirs(config: FinetuneConfig, task: Any, features: list[Any]) -> tuple[Any, float]:
    """The model of transformers after the recipe's steps, and the seconds they took."""
    import torch
    import transformers

    train, settings = config.train, config.optimizer
    torch.manual_seed(train.seed)
    classes = {
        "classification": transformers.AutoModelForSequenceClassification,
        "tagging": transformers.AutoModelForTokenClassification,
        "span": transformers.AutoModelForQuestionAnswering,
    }
    labels = {"num_labels": len(task.labels)} if task.labels else {}
    model = classes[task.name].from_pretrained(config.model.init, **labels)
    plain = [p for name, p in model.named_parameters() if "bias" in name or "LayerNorm" in name]
    decayed = [p for p in model.parameters() if not any(p is q for q in plain)]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}]
    optimizer = torch.optim.AdamW(
        [*groups, {"params": plain, "weight_decay": 0.0}], eps=settings.epsilon
    )
    warmup = round(settings.warmup_ratio * train.steps)
    rate = WarmupLinearDecay(settings.learning_rate, warmup, train.steps)
    rates = [float(rate(step)) for step in range(train.steps)]
    model.train()
    start = time.monotonic()
    order: list[int] = []
    draw = np.random.default_rng(train.seed)
    for step in range(train.steps):
        while len(order) < train.batch_size:
            order += draw.permutation(len(features)).tolist()
        rows, order = order[: train.batch_size], order[train.batch_size :]
        batch = collate([features[row] for row in rows])
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        loss = model(**{name: torch.tensor(a).long() for name, a in batch.items()}).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
    return model.eval(), time.monotonic() - start


def answers_of(model: Any, task: Any, examples: list[Any], features: list[Any]) -> list[Any]:
    """The answers of either side's model."""
    if hasattr(model, "ratios"):
        return task.measure(model, examples, features)[1]
    import torch

    outputs = []
    for feature in features:
        batch = collate([feature])
        inputs = {n: torch.tensor(a).long() for n, a in batch.items() if n in _INPUTS}
        with torch.no_grad():
            result = model(**inputs)
        names = [name for name in result if name.endswith("logits")]
        outputs.append({name: result[name][0].numpy() for name in names})
    return task.decode(examples, features, outputs)


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


def _cut(feature: Any, length: int) -> Any:
    """A feature of exactly ``length`` tokens, for tracing."""

    def fit(values: Any) -> list[int]:
        return (list(values) * length)[:length]

    tokens = {name: fit(values) for name, values in feature.token_targets.items()}
    return replace(
        feature,
        input_ids=fit(feature.input_ids),
        token_type_ids=fit(feature.token_type_ids),
        token_targets=tokens,
    )


def main() -> None:
    """Runs the comparison and adds its row to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--dev", default="", help="default: the recipe's data.dev_fraction")
    parser.add_argument("--name", required=True, help="of the row")
    parser.add_argument("--examples", type=int, default=0, help="train on the first N alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    row = compare(options)
    print(json.dumps(row, indent=2))
    if options.out:
        rows = json.loads(options.out.read_text()) if options.out.exists() else {}
        options.out.write_text(json.dumps(rows | {options.name: row}, indent=2) + "\n")


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Both sides over all seeds."""
    config = load_toml(FinetuneConfig, options.recipe, options.set)
    config = config.replace(model=replace(config.model, init=options.model))
    task = make_task(config.data)
    train, dev = task.read(options.train), task.read(options.dev)
    train = train[: options.examples or None]
    task = task.with_labels(task.labels_of(train))
    tokenizer = bert_keras.BertTokenizer.from_pretrained(options.model)
    features, dev_features = task.features(train, tokenizer), task.features(dev, tokenizer)
    results: dict[str, Any] = {}
    answers: dict[str, list[Any]] = {"bert_keras": [], "transformers": []}
    for seed in range(options.seeds):
        settings = replace(config.train, seed=seed).resolved(len(features))
        for name, side in (("bert_keras", train_ours), ("transformers", train_theirs)):
            model, seconds = side(config.replace(train=settings), task, features)
            answers[name].append(answers_of(model, task, dev, dev_features))
            scores = task.score(dev, answers[name][-1])
            results.setdefault(name, []).append(scores | {"seconds": round(seconds, 1)})
            print(name, seed, results[name][-1], flush=True)
    return {
        "machine": f"{platform.machine()}, {platform.platform(terse=True)}",
        "train_examples": len(train),
        "dev_examples": len(dev),
        "steps": settings.steps,
        "metric": task.best_metric,
        "difference_95": bootstrap(task, dev, answers["bert_keras"], answers["transformers"]),
        **results,
    }


if __name__ == "__main__":
    main()
