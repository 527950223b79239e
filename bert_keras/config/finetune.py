"""What a fine-tuning run is told: one frozen dataclass per table of the recipe's TOML file."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from bert_keras.config.arithmetic import ArithmeticConfig, DistributionConfig
from bert_keras.config.checkpoint import CheckpointConfig, WatchConfig
from bert_keras.config.checks import LEAST_LENGTH, at_least, one_of, require, share
from bert_keras.config.run import (
    MASKINGS,
    OptimizerConfig,
)

TASKS = ("classification", "multi_label", "regression", "tagging", "span", "masked_lm")
TAG_SCHEMES = (
    "IOB1", "IOB2", "IOE1", "IOE2", "BIOES", "BMES", "BIOS", "BILOU", "IO", "plain"
)  # fmt: skip
TRUNCATIONS = ("head", "tail", "head_tail")
CLASS_WEIGHTS = ("none", "balanced")
_OF_TASKS = {
    "labels": ("classification", "multi_label"),
    "label_columns": ("multi_label",),
    "label_separator": ("multi_label",),
    "ignore_labels": ("classification", "multi_label", "regression"),
    "stratify": ("classification",),
}


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
            share(f"model.{name}", getattr(self, name) or 0.0)
        stddev = self.head_initializer_range
        require(
            "model.head_initializer_range must be positive", stddev is None or stddev > 0, stddev
        )


@dataclass(frozen=True, kw_only=True)
class TaskDataConfig:
    """``[data]``: the task, its examples, and how they become sequences.

    Attributes:
        task: ``"classification"``, one of several labels for a text or pair; ``"multi_label"``,
            any number of them; ``"regression"``, a number or several; ``"tagging"``, a label for
            each word; ``"span"``, the answer to a question in a text; or ``"masked_lm"``, more
            pre-training on the texts of a domain.
        train: The training examples; ``--train`` wins over it.
        dev: The examples that choose the best model; ``--dev`` wins over it.
        dev_fraction: Without ``dev``, the share of the training examples held out in its place,
            chosen by hash of their text. 0 holds out none, and the last model is kept.
        max_seq_length: L, longest sequence in tokens with the special ones.
        group_by_length: Whether batches are made of sequences of like lengths: less padding for
            attention, the only part that computes it, but batches that teach less.
        text_column: The column that has the text, where its name is none of the known ones.
        text_pair_column: The same for the second text of a pair.
        label_column: The same for the label. Columns of a table without a header are named by
            their number: ``"1"`` is the first.
        header: Whether the first row of a table is its header; left out, it is one when it names a
            known column or the given ones.
        labels: The labels in the order of their numbers; left out, those found in the data, sorted.
            Lists of 0 and 1, transformers' multi-label format, are read by this order.
        label_columns: Multi-label: the columns of a table that has one of 0 and 1 for each label.
            They name the labels, in this order.
        label_separator: Multi-label: what stands between several labels in a cell.
        ignore_labels: Labels whose rows are left out, of the training and the dev examples:
            ``["-"]`` for SNLI; ``""`` is an empty cell, ``"null"`` and ``"NaN"`` are JSON's.
        stratify: Classification: ``dev_fraction`` is held out of each label's examples, by the same
            hash. Otherwise it is of all of them, and a label that would have none left to learn
            from keeps the example of the highest hash.
        word_column: Tagging: the column of the words: its number from 1, or its name in CoNLL-U
            (``"FORM"``) or a header; of JSON lines and data sets the field. Left out, it is found.
        tag_column: The same for the tags, by default the last column or UPOS; ``"MISC:NER"`` is a
            key in CoNLL-U's MISC.
        tag_scheme: Tagging: how the model's tags mark entities: ``"IOB1"``, ``"IOB2"``,
            ``"IOE1"``, ``"IOE2"``, ``"BIOES"``, ``"BMES"``, ``"BIOS"``, ``"BILOU"``, ``"IO"`` (a
            run of one label is an entity) or ``"plain"`` (a label for each word, no entities). Left
            out, the training data decide; data in another scheme are converted.
        strict_entities: Tagging: score entities by seqeval's strict mode, in which tags that do not
            follow the scheme mark none.
        positive_label: Classification: the label whose F1 is measured, as ``f1_LABEL``; left out,
            each of two.
        truncation: Classification, multi-label and regression: which part of a text is read that
            has more tokens: ``"head"``, its beginning; ``"tail"``, its end; ``"head_tail"``, a
            quarter from its beginning and the rest from its end (Sun et al. 2019, section 5.3.1).
        windows: Likewise: whether a longer text is read in several windows, whose logits are
            averaged. For single texts. A step's memory grows with the windows of its texts.
        max_windows: The most windows of a text.
        doc_stride: Span: tokens from one window of a long text to the next.
        max_answer_length: Span: longest answer in tokens.
        no_answer_threshold: Span: how much likelier than the best answer "no answer" must be, in
            logits (Devlin et al. 2018, section 4.3). Left out it is infinite where every question
            has an answer, and else what scores best on the dev questions.
        masking: Masked LM: as in ``DataConfig``.
        masking_rate: Likewise.
    """

    task: str = "classification"
    train: str = ""
    dev: str = ""
    dev_fraction: float = 0.0
    max_seq_length: int = 128
    group_by_length: bool = False
    text_column: str = ""
    text_pair_column: str = ""
    label_column: str = ""
    header: bool | None = None
    labels: tuple[str, ...] = ()
    label_columns: tuple[str, ...] = ()
    label_separator: str = "|"
    ignore_labels: tuple[str, ...] = ()
    stratify: bool = False
    word_column: str = ""
    tag_column: str = ""
    tag_scheme: str = ""
    strict_entities: bool = False
    positive_label: str = ""
    truncation: str = "head"
    windows: bool = False
    max_windows: int = 16
    doc_stride: int = 128
    max_answer_length: int = 30
    no_answer_threshold: float = math.inf
    masking: str = "token"
    masking_rate: float = 0.15

    def __post_init__(self) -> None:
        one_of("data.task", self.task, TASKS)
        one_of("data.masking", self.masking, MASKINGS)
        if self.tag_scheme:
            one_of("data.tag_scheme", self.tag_scheme, TAG_SCHEMES)
        at_least("data.max_seq_length", self.max_seq_length, LEAST_LENGTH)
        one_of("data.truncation", self.truncation, TRUNCATIONS)
        at_least("data.max_windows", self.max_windows, 1)
        at_least("data.doc_stride", self.doc_stride, 1)
        at_least("data.max_answer_length", self.max_answer_length, 1)
        for name in ("dev_fraction", "masking_rate"):
            value = getattr(self, name)
            require(f"data.{name} must lie in [0, 1)", 0 <= value < 1, value)
        for name, tasks in _OF_TASKS.items():
            is_set = getattr(self, name) != TaskDataConfig.__dataclass_fields__[name].default
            require(
                f"data.{name} is for data.task = {' or '.join(map(repr, tasks))}",
                not is_set or self.task in tasks,
                self.task,
            )
        for name in ("labels", "label_columns"):
            values = getattr(self, name)
            is_good = all(map(str.strip, values)) and len(set(values)) == len(values)
            require(f"data.{name} must be different names", is_good, values)
        one_set = not self.label_columns or not self.labels
        require(
            "data.labels and data.label_columns must have the same names where both are given",
            one_set or set(self.labels) == set(self.label_columns),
            (self.labels, self.label_columns),
        )
        require("data.label_separator must not be empty", self.label_separator != "", "")


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

    Where ``jit_compile`` is set, every batch has the full length.

    Attributes:
        epochs: How often every example is seen.
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
    """``[watch]``: as in pre-training, but the height of the loss is let be.

    Where nearly all examples are learned, the median falls towards 0 and one hard example is far
    above it.
    """

    loss_factor: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Everything a fine-tuning run is told; the tables of its TOML file.

    Attributes:
        model: What to start from, and what of it is trained.
        data: The task and its examples.
        optimizer: The optimizer and its rate.
        train: Length, batch and arithmetic.
        checkpoint: How often the state is saved, and how many states are kept.
        watch: What is done when the loss blows up.
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
