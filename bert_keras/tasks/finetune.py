"""Fine-tuning: from a model, labeled examples and a recipe to a model for the task."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import FinetuneConfig, FinetuneTrainConfig, TaskDataConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import fold_in
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import check_may_split, is_compiled
from bert_keras.saving import load, save
from bert_keras.saving.families import family_of_model
from bert_keras.saving.mark import read_mark
from bert_keras.saving.run_state import CHECKPOINTS_FOLDER, steps_in
from bert_keras.tasks.batches import check_token_types
from bert_keras.tasks.best import KeepBest, eval_scores
from bert_keras.tasks.card import CardWriter
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.registry import TASKS, make_task, with_every_key
from bert_keras.tasks.split import check_labels, hold_out, warn_of_shared
from bert_keras.tasks.start import layer_rates, start_model
from bert_keras.tasks.summary import summarize, warn_of_unknown
from bert_keras.tasks.task import Task
from bert_keras.training import (
    Phase,
    Run,
    Trainer,
    check_batches,
    host_of,
    make_optimizer,
    rows_of_host,
)


def finetune(
    config: FinetuneConfig,
    workdir: str | Path,
    model: str | Path | None = None,
    train: str | None = None,
    dev: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_data: Callable[[str], None] | None = None,
) -> Path:
    """Fine-tune a model on labeled examples (Devlin et al. 2019, section 3.2).

    The same call on the same work directory resumes from the newest checkpoint; for a finished
    run it returns at once.

    Args:
        config: The recipe.
        workdir: Where the run lives: ``run.json``, ``config.toml``, ``checkpoints/``,
            ``metrics.jsonl``, ``logs/``, ``curves.png``, ``best_step`` and, at the end, ``model/``:
            the best one on the dev examples, of that step, or the last where there are none.
        model: What to start from, as ``bert_keras.load`` takes it; by default the recipe's
            ``model.init``. A run that has not finished is recorded as ``RUN@STEP``.
        train: The training examples; by default the recipe's ``data.train``.
        dev: The dev examples; by default the recipe's ``data.dev``.
        callbacks: Keras callbacks.
        on_data: Called before training with a few lines on the examples.

    Returns:
        The directory of the trained model.

    Raises:
        InputError: When data, model, config and work directory do not fit together; names the
            row of a bad example.
        Interrupted: After Ctrl-C or SIGTERM, once the state is saved.
        Diverged: When the loss is not a number or has blown up, and ``watch`` says to stop.

    Example:
        >>> config = load_toml(FinetuneConfig, "finetune.toml", ["train.steps=2"])
        >>> path = finetune(config, "runs/films", model="model", train="train.tsv", dev="dev.tsv")
        >>> load(path).labels
        ('bad', 'good')
    """
    for name, given in (("model", model), ("train", train), ("dev", dev)):
        if given is not None and not str(given):
            raise InputError(f"{name} is empty; leave it out for the recipe's own, or name a file")
    run = Run("finetune", workdir, config.distribution)
    data = replace(config.data, train=train or config.data.train, dev=dev or config.data.dev)
    with run.agreement(model or config.model.init, data.train, data.dev):
        data = run.with_commits(data)
        task = make_task(data)
        _check_settings(data, config.train, task)
        config = run.with_start(config.replace(data=with_every_key(data, task)), model)
        examples = _read(config, task)
        run.set_sources(config, examples.description)
    with run.locked():
        if not run.is_finished():
            _train(run, config, examples, callbacks, on_data)
    return run.model_path


def _check_settings(data: TaskDataConfig, train: FinetuneTrainConfig, task: Task) -> None:
    """Refuse, before any example is read, what the task does not do.

    Raises:
        InputError: When labels are to be weighed that it has not, or examples held out that it
            cannot score.
    """
    if train.class_weights != "none" and not task.has_one_label:
        names = " or ".join(repr(name) for name, kind in TASKS.items() if kind.has_one_label)
        raise InputError(f"train.class_weights is for data.task = {names}. Received: {task.name!r}")
    if data.dev_fraction and not data.dev:
        task.check_held_out()


@dataclass(frozen=True)
class _Data:
    """The examples of a run, and the task with the labels found in them."""

    task: Task
    train: list[Any]
    dev: list[Any]

    @cached_property
    def description(self) -> dict[str, Any]:
        """The identity of the examples, whatever file they are from, and of a teacher."""
        sides = {
            name: {"examples": len(examples), "sha256": _digest(examples)}
            for name, examples in (("train", self.train), ("dev", self.dev))
        }
        return sides | {"labels": list(self.task.labels)} | self.task.sources()


def _read(config: FinetuneConfig, task: Task) -> _Data:
    """Read the examples; the dev ones from their own file, or held out by hash."""
    data = config.data
    if not config.model.init:
        raise InputError("no model to start from: pass --model MODEL or set model.init")
    if not data.train:
        raise InputError("no training examples: pass --train FILE or set data.train")
    examples = task.read(data.train)
    task = task.adapted_to(examples)
    found = task.labels_of(examples)
    task = task.with_labels(task.labels or found)
    if data.dev:
        train, dev = examples, task.read(data.dev)
        warn_of_shared(task, train, dev)
    else:
        train, dev = hold_out(task, examples, data.dev_fraction, data.stratify)
    check_labels(task, train, dev)
    return _Data(task, train, dev)


def _train(
    run: Run,
    config: FinetuneConfig,
    data: _Data,
    callbacks: Sequence[keras.callbacks.Callback],
    on_data: Callable[[str], None] | None,
) -> None:
    task = data.task
    check_batches(run.strategy, config.train, [config.train.batch_size])
    task.check_batch(data.train, config.train.batch_size)
    best_metric = task.metric(config.train.best_metric, data.dev)
    model = _start_model(run, config, task)
    check_may_split(model.objective, run.strategy, config.train)
    tokenizer = model.tokenizer_or()
    features = task.features(data.train, tokenizer)
    dev_features = task.features(data.dev, tokenizer)
    check_token_types([*features, *dev_features], tokenizer, model.config)
    warn_of_unknown(task, data.train, features, tokenizer)
    if on_data:
        on_data(summarize(task, data.train, data.dev, features))
    features = task.training_features(data.train, features)
    if config.train.class_weights == "balanced":
        features = _balanced(features)
    settings = config.train.resolved(len(features))
    config = config.replace(train=settings)
    run.begin(config, model)
    scores = _DevScores(task, data.dev, dev_features, settings) if data.dev else None
    writer = CardWriter(
        task=task,
        config=config,
        mark=read_mark(run.workdir) or run.mark,  # that of its beginning
        objective=model.objective,
        is_pair=getattr(data.train[0], "text_pair", None) is not None,
        family=family.model_type if (family := family_of_model(type(model))) else "bert",
    )
    best = None
    if data.dev:
        best = KeepBest(run.workdir, best_metric, settings.patience, writer.card)
    trainer = Trainer(
        model,
        _optimizer(run, config, model),
        model.objective,
        config,
        run.strategy,
        run.workdir,
        [*callbacks, best] if best else callbacks,
    )
    trainer.fit([Phase(settings.steps, _batches(run, config, task, features, model), scores)])
    with run.finishing() as path:
        lost = best.move_to(path) if best else None
        if lost and scores:
            again = _scored_again(run.workdir, lost, scores)
            again.card = writer.card(lost, eval_scores(run.workdir, lost))
            save(again, path)
        elif not path.exists():
            model.card = writer.card(settings.steps, {})
            save(model, path)


def _start_model(run: Run, config: FinetuneConfig, task: Task) -> SupervisedModel:
    """The model that the run starts from, on the strategy's devices."""
    start = replace(config.model, init=run.start())
    with run.strategy.scope():
        return start_model(config.replace(model=start), task)


def _optimizer(run: Run, config: FinetuneConfig, model: BertModel) -> keras.Optimizer:
    train = config.train
    rates = {
        path: rate
        for path, rate in layer_rates(
            model.config.num_hidden_layers, config.optimizer.layer_decay
        ).items()
        if any(variable.path.startswith(path) for variable in model.trainable_variables)
    }
    with run.strategy.scope():
        return make_optimizer(config.optimizer, train.steps, rates, train.precision)


def _batches(
    run: Run, config: FinetuneConfig, task: Task, features: list[Feature], model: BertModel
) -> Callable[[int], tf.data.Dataset]:
    """A function from a step to this host's batches from there on."""
    train, host, tokenizer = config.train, host_of(run.strategy), model.tokenizer_or()
    seed = fold_in(train.seed, "order")
    length = task.max_seq_length if is_compiled(train.jit_compile, run.strategy) else None
    return lambda step: rows_of_host(
        task.batches(features, tokenizer, train.batch_size, seed, step, length), host
    )


def _scored_again(workdir: Path, step: int, scores: "_DevScores") -> BertModel:
    """The best model, whose folder was removed, from the checkpoint of its step.

    Raises:
        InputError: When the checkpoint is gone as well.
    """
    steps = steps_in(workdir / CHECKPOINTS_FOLDER)
    if step not in steps:
        raise InputError(
            f"the best model of the run in {workdir}, of step {step:,}, is gone, and so is that "
            f"step's checkpoint; bert-keras finish {workdir} makes a model of the newest one, of "
            f"step {steps[-1]:,}"
        )
    model = load(f"{workdir}@{step}")
    scores.of(model)
    return model


class _DevScores:
    """The evaluation by the task's own metrics."""

    def __init__(
        self, task: Task, examples: list[Any], features: list[Feature], train: FinetuneTrainConfig
    ) -> None:
        self.task, self.examples, self.features = task, examples, features
        self.batch_size = train.batch_size

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        return self.of(trainer.model)

    def of(self, model: BertModel) -> dict[str, float]:
        """The metrics of a model, which keeps the thresholds that were found with them."""
        scores, _ = self.task.measure(model, self.examples, self.features, self.batch_size)
        model.other_config[self.task.remembered_key()] |= self.task.found(scores)
        return scores


def _balanced(features: list[Feature]) -> list[Feature]:
    """The features with weights that make every label count the same in total."""
    counts = Counter(feature.targets["labels"] for feature in features)
    weights = {label: len(features) / (len(counts) * count) for label, count in counts.items()}
    return [
        replace(f, targets=f.targets | {"example_weights": float(weights[f.targets["labels"]])})
        for f in features
    ]


def _digest(examples: Sequence[Any]) -> str:
    """The hash of the examples, but for the places where they were read."""
    contents = [
        {name: value for name, value in asdict(example).items() if name != "where"}
        for example in examples
    ]
    return sha256(json.dumps(contents).encode()).hexdigest()
