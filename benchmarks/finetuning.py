r"""Fine-tuning with the same encoder, examples, features and recipe on two sides.

    python benchmarks/finetuning.py sst2 --data DATA --model MODEL --out benchmarks/finetuning.json
    python benchmarks/finetuning.py sst2 --data DATA --model MODEL --against random --name ...

Beside transformers, or (``--against random``) beside the same model from random weights, which
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
from machine import Clock, Times, environment

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.optimizers import WarmupLinearDecay
from bert_keras.tasks.batches import collate
from bert_keras.tasks.registry import make_task
from bert_keras.tasks.start import start_model
from bert_keras.training import make_optimizer

SAMPLES = 1000
RECIPES = Path(__file__).parents[1] / "configs" / "finetune"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


Split = Callable[[Any, Path], tuple[list[Any], list[Any]]]


@dataclass
class Row:
    """A data set: its recipe, and how its examples are shared out to train and dev."""

    recipe: str
    split: Split


def files(train: str, dev: str) -> Split:
    """Two files of the data folder."""
    return lambda task, data: (task.read(str(data / train)), task.read(str(data / dev)))


def last_fifth(name: str) -> Split:
    """The last fifth of a file's examples is dev."""

    def split(task: Any, data: Path) -> tuple[list[Any], list[Any]]:
        examples = task.read(str(data / name))
        first = len(examples) * 4 // 5
        return examples[:first], examples[first:]

    return split


def every_fifth(name: str) -> Split:
    """The first of every five examples of a file is dev."""

    def split(task: Any, data: Path) -> tuple[list[Any], list[Any]]:
        examples = task.read(str(data / name))
        return [e for row, e in enumerate(examples) if row % 5], examples[::5]

    return split


def first_articles(name: str, count: int) -> Split:
    """The first articles of a SQuAD file are train, the others dev."""

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


ROWS = {
    "sst2": Row("sst2.toml", files("sst2/train.tsv", "sst2/dev.tsv")),
    "mrpc": Row(
        "mrpc.toml", files("mrpc/msr_paraphrase_train.txt", "mrpc/msr_paraphrase_test.txt")
    ),
    "wnut16": Row("wnut16.toml", last_fifth("wnut16/ner.txt")),
    "xquad": Row("squad.toml", first_articles("xquad/xquad.en.json", 38)),
    "chnsenticorp": Row("chnsenticorp.toml", every_fifth("chnsenticorp/ChnSentiCorp_htl_all.csv")),
}


def train_ours(config: FinetuneConfig, task: Any, features: list[Any]) -> tuple[Any, Times]:
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
    clock = Clock()
    for _ in range(train.steps):
        ratios = step(next(batches))
    float(next(iter(ratios.values())).numerator)  # waits for the last step
    return model, clock.read()


def train_theirs(config: FinetuneConfig, task: Any, features: list[Any]) -> tuple[Any, Times]:
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
    with tempfile.TemporaryDirectory() as folder:  # our start, with the new head that we drew
        bert_keras.save(start_model(config, task), folder)
        model = classes[task.name].from_pretrained(folder)
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
    clock = Clock()
    order: list[int] = []
    draw = np.random.default_rng(train.seed)
    for step in range(train.steps):
        while len(order) < train.batch_size:
            order += draw.permutation(len(features)).tolist()
        rows, order = order[: train.batch_size], order[train.batch_size :]
        batch = collate([features[row] for row in rows])
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        inputs = {name: torch.tensor(array).long() for name, array in batch.items()}
        with torch.autocast("cpu", torch.bfloat16, enabled=train.precision == "mixed_bfloat16"):
            loss = model(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
    return model.eval(), clock.read()


def train_random(config: FinetuneConfig, task: Any, features: list[Any]) -> tuple[Any, Times]:
    """Our model from random weights after the recipe's steps, and the seconds they took."""
    return train_ours(
        config.replace(model=replace(config.model, random_weights=True)), task, features
    )


SIDES = {"transformers": train_theirs, "random": train_random}


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
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--data", type=Path, required=True, help="the folder of all data sets")
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--against", choices=("transformers", "random"), default="transformers")
    parser.add_argument("--name", default="", help="of the result (default: that of the row)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="as for bert-keras finetune")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for result in compare(options):  # after every seed, so that a long run leaves what it found
        if options.out:
            rows = json.loads(options.out.read_text()) if options.out.exists() else {}
            rows |= {options.name or options.row: result}
            options.out.write_text(json.dumps(rows, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def compare(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Both sides, seed after seed; the results so far after each."""
    row = ROWS[options.row]
    config = load_toml(FinetuneConfig, RECIPES / row.recipe, options.set)
    config = config.replace(model=replace(config.model, init=options.model))
    task = make_task(config.data)
    train, dev = row.split(task, options.data)
    task = task.with_labels(task.labels_of(train))
    tokenizer = bert_keras.BertTokenizer.from_pretrained(options.model)
    features, dev_features = task.features(train, tokenizer), task.features(dev, tokenizer)
    sides = {"bert_keras": train_ours, options.against: SIDES[options.against]}
    results: dict[str, Any] = {}
    answers: dict[str, list[Any]] = {name: [] for name in sides}
    for seed in range(options.seeds):
        is_last = seed == options.seeds - 1
        settings = replace(config.train, seed=seed).resolved(len(features))
        for name, side in sides.items():
            model, times = side(config.replace(train=settings), task, features)
            answers[name].append(answers_of(model, task, dev, dev_features))
            scores = task.score(dev, answers[name][-1])
            results.setdefault(name, []).append(scores | times)
            print(name, seed, results[name][-1], flush=True)
        yield {
            "machine": environment(),
            "recipe": row.recipe,
            "set": options.set,
            "train_examples": len(train),
            "dev_examples": len(dev),
            "steps": settings.steps,
            "metric": task.best_metric,
            "difference_95": bootstrap(task, dev, *answers.values()) if is_last else None,
            **results,
        }


if __name__ == "__main__":
    main()
