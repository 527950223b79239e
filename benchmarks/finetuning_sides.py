"""The sides of finetuning.py: our model, that of transformers, and ours from random weights.

Each trains after the recipe and returns the model and the times of the steps alone. ``observe`` is
called after every step with its number, the model and the clock.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from machine import Clock, Times
from peers import torch_device, torch_step

import bert_keras
from bert_keras.config import FinetuneConfig
from bert_keras.optimizers import WarmupLinearDecay
from bert_keras.tasks.batches import collate
from bert_keras.tasks.start import start_model
from bert_keras.training import make_optimizer

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Observe = Callable[[int, Any, Clock], None]


def train_ours(
    config: FinetuneConfig, task: Any, features: list[Any], observe: Observe
) -> tuple[Any, Times]:
    """Our model after the recipe's steps, and the seconds they took."""
    import tensorflow as tf

    from bert_keras.objectives import TrainStep

    train = config.train
    model = start_model(config, task)
    optimizer = make_optimizer(config.optimizer, train.steps)
    objective = model.objective
    step = TrainStep(tf.distribute.get_strategy(), model, optimizer, objective, train)
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
    for number in range(train.steps):
        means = step(next(batches))
        observe(number + 1, model, clock)
    float(next(iter(means.values())).total)  # waits for the last step
    return model, clock.read()


def train_theirs(
    config: FinetuneConfig, task: Any, features: list[Any], observe: Observe
) -> tuple[Any, Times]:
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
        model = classes[task.name].from_pretrained(folder).to(torch_device())
    plain = [p for name, p in model.named_parameters() if "bias" in name or "LayerNorm" in name]
    decayed = [p for p in model.parameters() if not any(p is q for q in plain)]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}]
    optimizer = torch.optim.AdamW(
        [*groups, {"params": plain, "weight_decay": 0.0}], eps=settings.epsilon, fused=True
    )
    warmup = round(settings.warmup_ratio * train.steps)
    rate = WarmupLinearDecay(settings.learning_rate, warmup, train.steps)
    rates = [float(rate(step)) for step in range(train.steps)]
    model.train()
    is_bfloat16 = train.precision == "mixed_bfloat16"
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
        torch_step(model, optimizer, inputs, is_bfloat16, settings.clip_norm)
        observe(step + 1, model, clock)
    return model.eval(), clock.read()


def train_random(
    config: FinetuneConfig, task: Any, features: list[Any], observe: Observe
) -> tuple[Any, Times]:
    """Our model from random weights after the recipe's steps, and the seconds they took."""
    return train_ours(
        config.replace(model=replace(config.model, random_weights=True)), task, features, observe
    )


SIDES = {"transformers": train_theirs, "random": train_random}


def answers_of(model: Any, task: Any, examples: list[Any], features: list[Any]) -> list[Any]:
    """The answers of either side's model."""
    if hasattr(model, "objective"):
        return task.measure(model, examples, features)[1]
    import torch

    outputs, was_training = [], model.training
    model.eval()
    for feature in features:
        batch = collate([feature])
        inputs = {n: torch.tensor(batch[n]).long().to(model.device) for n in _INPUTS}
        with torch.no_grad():
            result = model(**inputs)
        names = [name for name in result if name.endswith("logits")]
        outputs.append({name: result[name][0].cpu().numpy() for name in names})
    model.train(was_training)
    return task.decode(examples, features, outputs)


def _cut(feature: Any, length: int) -> Any:
    """A feature of exactly ``length`` tokens, or as many for each of its texts, for tracing."""
    texts = len(feature.window_ends)

    def fit(values: Any) -> list[int]:
        count = length * max(1, texts)
        return (list(values) * count)[:count]

    tokens = {name: fit(values) for name, values in feature.token_targets.items()}
    return replace(
        feature,
        input_ids=fit(feature.input_ids),
        token_type_ids=fit(feature.token_type_ids),
        token_targets=tokens,
        window_ends=tuple(length * number for number in range(1, texts + 1)),
    )
