"""The settings of a fine-tuning run: one frozen dataclass per table of its TOML file."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bert_keras.config.checks import at_least, one_of, require
from bert_keras.config.model import require_dropout
from bert_keras.config.pretrain import OptimizerConfig
from bert_keras.config.run import (
    ArithmeticConfig,
    CheckpointConfig,
    DistributionConfig,
    WatchConfig,
)
from bert_keras.config.toml import OTHER_KEYS

CLASS_WEIGHTS = ("none", "balanced")


@dataclass(frozen=True, kw_only=True)
class FinetuneModelConfig:
    """``[model]``: what the run starts from.

    Attributes:
        init: A model of any kind that ``bert_keras.load`` opens; ``--model`` wins over it.
        random_weights: Whether only the architecture and the vocabulary are taken from ``init``:
            shows what its pre-training is worth.
        frozen_layers: The embeddings and this many of the lowest layers keep their weights; 0
            freezes the embeddings alone. Left out, everything is trained.
        hidden_dropout_prob: As in ``BertConfig``; left out, the model's own.
        attention_probs_dropout_prob: Likewise.
        classifier_dropout: The share of the head's input that is dropped in training; left out,
            ``hidden_dropout_prob``.
        head_initializer_range: The standard deviation that a new head is drawn with, cut at two
            of them; left out, the model's ``initializer_range``, as in the original.
    """

    init: str = ""
    random_weights: bool = False
    frozen_layers: int | None = None
    hidden_dropout_prob: float | None = None
    attention_probs_dropout_prob: float | None = None
    classifier_dropout: float | None = None
    head_initializer_range: float | None = None

    def __post_init__(self) -> None:
        at_least("model.frozen_layers", self.frozen_layers or 0, 0)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            require_dropout(f"model.{name}", getattr(self, name) or 0.0)
        stddev = self.head_initializer_range
        require(
            "model.head_initializer_range must be positive", stddev is None or stddev > 0, stddev
        )


@dataclass(frozen=True, init=False)
class TaskDataConfig:
    """``[data]``: the task, its examples, and the task's own keys.

    Those are the fields of the task's class, which reads and documents them: ``Classification``,
    ``MultiLabel``, ``Regression``, ``Tagging``, ``Span``, ``MultipleChoice``, ``Similarity``,
    ``Contrastive``, ``Distillation``, ``Ranking`` and ``MaskedLM`` in ``bert_keras.tasks``.

    Attributes:
        task: ``"classification"``, one of several labels for a text or pair; ``"multi_label"``,
            any number of them; ``"regression"``, a number or several; ``"tagging"``, a label for
            each word; ``"span"``, the answer to a question in a text; ``"multiple_choice"``, one of
            several texts for a context; ``"similarity"``, vectors of pairs with a score or class;
            ``"contrastive"``, vectors of texts that belong together; ``"distillation"``, vectors
            as a teacher's; ``"ranking"``, a score for a query and a document; ``"masked_lm"``,
            more pre-training on the texts of a domain; or the name of another that is registered.
        train: The training examples; ``--train`` wins over it.
        dev: The examples that choose the best model; ``--dev`` wins over it.
        dev_fraction: Without ``dev``, the share of the training examples held out in its place,
            chosen by hash of their text. 0 holds out none, and the last model is kept.
        stratify: Classification: ``dev_fraction`` is held out of each label's examples, by the same
            hash. Otherwise it is of all of them, and a label that would have none left to learn
            from keeps the example of the highest hash.
        settings: The task's own keys, as they were given.

    Example:
        >>> TaskDataConfig(task="span", doc_stride=64).settings
        {'doc_stride': 64}
    """

    task: str = "classification"
    train: str = ""
    dev: str = ""
    dev_fraction: float = 0.0
    stratify: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False, metadata=OTHER_KEYS)

    def __init__(self, *, settings: Mapping[str, Any] | None = None, **keys: Any) -> None:
        for name in self.own_keys():
            default = TaskDataConfig.__dataclass_fields__[name].default
            object.__setattr__(self, name, keys.pop(name, default))
        object.__setattr__(self, "settings", {**(settings or {}), **keys})
        value = self.dev_fraction
        require("data.dev_fraction must lie in [0, 1)", 0 <= value < 1, value)

    @classmethod
    def own_keys(cls) -> list[str]:
        """The keys of every task."""
        return [key.name for key in dataclasses.fields(cls) if key.metadata != OTHER_KEYS]


@dataclass(frozen=True, kw_only=True)
class FinetuneOptimizerConfig(OptimizerConfig):
    """``[optimizer]``: as in pre-training, and the decay of the rate from layer to layer.

    The defaults are in the range of the paper's (appendix A.3), but the moments are
    bias-corrected: without it small data sets fail now and then (Mosbach et al. 2021; Zhang et
    al. 2021).

    Attributes:
        layer_decay: Each layer's rate is this times that of the layer above; the head has the
            full rate, the embeddings the lowest (Howard and Ruder 2018, section 3.2). 1 gives
            all the same.
    """

    learning_rate: float = 5e-5
    warmup_ratio: float = 0.1
    bias_correction: bool = True
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.layer_decay
        require("optimizer.layer_decay must lie in (0, 1]", 0 < value <= 1, value)


@dataclass(frozen=True, kw_only=True)
class FinetuneTrainConfig(ArithmeticConfig):
    """``[train]``: length, batch and, as in ``ArithmeticConfig``, arithmetic of the run.

    Where XLA compiles the step, every batch has the full length.

    Attributes:
        epochs: How often every example is seen; may be a fraction.
        steps: Updates of the weights; 0 takes as many as ``epochs`` needs.
        batch_size: Sequences per step over all devices.
        seed: Fixes the new head, the order of the examples and the dropout.
        class_weights: ``"balanced"`` weighs each example's loss by the inverse of its label's
            frequency (classification); ``"none"`` counts all alike.
        log_every_steps: How often training metrics are written.
        eval_every_steps: How often the dev examples are evaluated; 0 once an epoch.
        best_metric: The metric by which the best model is chosen, as ``evaluate`` calls it and
            higher the better; left out, the task's own.
        patience: Early stopping after this many evaluations without a better one; 0 never.
    """

    epochs: float = 3.0
    steps: int = 0
    batch_size: int = 32
    seed: int = 0
    class_weights: str = "none"
    log_every_steps: int = 20
    eval_every_steps: int = 0
    best_metric: str = ""
    patience: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        epochs = self.epochs
        require("train.epochs must be a number above 0", 0 < epochs < math.inf, epochs)
        for name in ("steps", "seed", "eval_every_steps", "patience"):
            at_least(f"train.{name}", getattr(self, name), 0)
        for name in ("batch_size", "log_every_steps"):
            at_least(f"train.{name}", getattr(self, name), 1)
        one_of("train.class_weights", self.class_weights, CLASS_WEIGHTS)

    def resolved(self, sequences: int) -> "FinetuneTrainConfig":
        """The table with ``steps`` and ``eval_every_steps`` worked out.

        Args:
            sequences: How many the training examples give.
        """
        steps = self.steps or max(1, round(self.epochs * sequences / self.batch_size))
        per_epoch = max(1, round(sequences / self.batch_size))
        return dataclasses.replace(
            self, steps=steps, eval_every_steps=self.eval_every_steps or min(per_epoch, steps)
        )


@dataclass(frozen=True, kw_only=True)
class FinetuneWatchConfig(WatchConfig):
    """``[watch]``: as in pre-training, but the height of the loss is not looked at.

    Where nearly all examples are learned, the median falls towards 0 and one hard example is far
    above it.
    """

    loss_factor: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """All settings of a fine-tuning run; the tables of its TOML file.

    Attributes:
        model: What to start from, and what of it is trained.
        data: The task and its examples.
        optimizer: The optimizer and its rate.
        train: Length, batch and arithmetic.
        checkpoint: How often the state is saved, and how many states are kept.
        watch: What is done when the loss diverges.
        distribution: On which devices and hosts.

    Example:
        >>> tables = {"data": {"task": "regression"}, "train": {"epochs": 2}}
        >>> config = from_tables(FinetuneConfig, tables)
        >>> config.optimizer.learning_rate
        5e-05
    """

    model: FinetuneModelConfig = field(default_factory=FinetuneModelConfig)
    data: TaskDataConfig = field(default_factory=TaskDataConfig)
    optimizer: FinetuneOptimizerConfig = field(default_factory=FinetuneOptimizerConfig)
    train: FinetuneTrainConfig = field(default_factory=FinetuneTrainConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    watch: FinetuneWatchConfig = field(default_factory=FinetuneWatchConfig)
    distribution: DistributionConfig = field(default_factory=DistributionConfig)

    def replace(self, **changes: Any) -> "FinetuneConfig":
        """A copy with some tables exchanged."""
        return dataclasses.replace(self, **changes)
