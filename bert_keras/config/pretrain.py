"""The settings of a pre-training run: one frozen dataclass per table of its TOML file."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from bert_keras.config.checks import at_least, one_of, require, require_lengths, share
from bert_keras.config.model import BertConfig, field_names
from bert_keras.config.run import (
    ArithmeticConfig,
    CheckpointConfig,
    DistributionConfig,
    WatchConfig,
)
from bert_keras.errors import InputError

OPTIMIZERS = ("adamw", "lamb")
MASKINGS = ("token", "whole_word", "span")
NEXT_SENTENCE_TASKS = ("nsp", "sop", "none")
POSITIONS = ("learned", "sinusoidal")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """``[model]``: a published size by name, and single fields of ``BertConfig`` set otherwise.

    ``vocab_size`` is usually left out: the corpus has it. A field that is ``None`` keeps the
    preset's value.

    Attributes:
        preset: ``"base"`` or ``"large"`` (Devlin et al. 2019, section 3); ``"tiny"``, ``"mini"``,
            ``"small"`` or ``"medium"`` (Turc et al. 2019, table 1).
        family: ``"bert"`` or ``"ernie"``; or ``"roberta"`` (Liu et al. 2019) or
            ``"xlm-roberta"``, which are trained by masked words alone: they need
            ``data.next_sentence = "none"``.
        init: A model directory to start from instead of random weights; ``--init`` wins over it.
        positions: ``"learned"``, BERT's own; or ``"sinusoidal"``, sines and cosines that stay as
            they are (Vaswani et al. 2017, section 3.5), of a height of ``initializer_range``. The
            model has an ordinary table of positions either way: every library opens it, and
            fine-tuning trains it.
    """

    preset: str = "base"
    family: str = "bert"
    init: str = ""
    positions: str = "learned"
    vocab_size: int | None = None
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    intermediate_size: int | None = None
    hidden_act: str | None = None
    hidden_dropout_prob: float | None = None
    attention_probs_dropout_prob: float | None = None
    max_position_embeddings: int | None = None
    type_vocab_size: int | None = None
    initializer_range: float | None = None
    layer_norm_eps: float | None = None

    def __post_init__(self) -> None:
        self.bert_config(vocab_size=self.vocab_size or 1000)
        one_of("model.positions", self.positions, POSITIONS)

    def bert_config(
        self, vocab_size: int, config_class: type[BertConfig] = BertConfig, **fields: Any
    ) -> BertConfig:
        """The architecture for a vocabulary of ``vocab_size`` tokens.

        Args:
            vocab_size: V.
            config_class: That of the family.
            **fields: Fields that the table does not have.

        Raises:
            InputError: When the table asks for another vocabulary size, or is impossible.
        """
        if self.vocab_size not in (None, vocab_size):
            raise InputError(
                f"model.vocab_size is {self.vocab_size}, but the vocabulary has {vocab_size} "
                "entries; leave the key out, the corpus has it"
            )
        changes = {
            name: value
            for name in field_names(config_class)
            if (value := getattr(self, name, None)) is not None
        }
        return config_class.from_preset(
            self.preset, **(changes | fields | {"vocab_size": vocab_size})
        )


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """One entry of ``data.phases``: an early part of the run on other lengths.

    Attributes:
        until: The share of ``train.steps`` at which the phase ends, in (0, 1).
        max_seq_length: Tokens per example during the phase.
        max_predictions_per_seq: Masked positions per example during the phase.
        batch_size: Examples per step during the phase; 0 takes ``train.batch_size``.
        next_sentence: The sentence-level task during the phase; empty takes
            ``data.next_sentence``. At short lengths nearly every pair is a random one and
            teaches nothing, so there ``"none"`` saves it for later.
    """

    until: float
    max_seq_length: int
    max_predictions_per_seq: int
    batch_size: int = 0
    next_sentence: str = ""

    def __post_init__(self) -> None:
        require("data.phases.until must lie in (0, 1)", 0 < self.until < 1, self.until)
        require_lengths("data.phases", self.max_seq_length, self.max_predictions_per_seq)
        at_least("data.phases.batch_size", self.batch_size, 0)
        if self.next_sentence:
            one_of("data.phases.next_sentence", self.next_sentence, NEXT_SENTENCE_TASKS)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """``[data]``: how examples are sampled from the corpus (Devlin et al. 2019, section 3.1).

    Attributes:
        corpus: The corpus directory; ``--corpus`` wins over it.
        max_seq_length: L, tokens per example with [CLS] and both [SEP].
        max_predictions_per_seq: P, masked positions per example at most.
        masking_rate: Share of an example's tokens to predict; P caps it.
        short_seq_prob: Share of documents cut to a shorter, random target length.
        masking: Which units are masked: ``"token"``, single word pieces; ``"whole_word"``; or
            ``"span"``, several words in a row (Joshi et al. 2020).
        next_sentence: The sentence-level task: ``"nsp"``, the next text or a random one;
            ``"sop"``, two neighboring texts in order or swapped (Lan et al. 2020); or
            ``"none"``, full sentences and no task (Liu et al. 2019).
        eval_fraction: Share of the documents held out for evaluation, chosen by hash.
        phases: Early parts of the run with other lengths, in order; the rest of the steps
            uses this table's own lengths.

    Example:
        >>> data = DataConfig(max_seq_length=512, max_predictions_per_seq=77, masking="whole_word")
        >>> data.next_sentence
        'nsp'
    """

    corpus: str = ""
    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    masking_rate: float = 0.15
    short_seq_prob: float = 0.1
    masking: str = "token"
    next_sentence: str = "nsp"
    eval_fraction: float = 0.05
    phases: tuple[PhaseConfig, ...] = ()

    def __post_init__(self) -> None:
        require_lengths("data", self.max_seq_length, self.max_predictions_per_seq)
        require(
            "data.masking_rate must lie in (0, 1]", 0 < self.masking_rate <= 1, self.masking_rate
        )
        share("data.short_seq_prob", self.short_seq_prob)
        one_of("data.masking", self.masking, MASKINGS)
        one_of("data.next_sentence", self.next_sentence, NEXT_SENTENCE_TASKS)
        require(
            "data.eval_fraction must lie in [0, 1)", 0 <= self.eval_fraction < 1, self.eval_fraction
        )
        ends = [phase.until for phase in self.phases]
        require("data.phases must end one after the other", ends == sorted(set(ends)), ends)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """``[optimizer]``: AdamW as BERT used it (Devlin et al. 2019, appendix A.2).

    Attributes:
        name: ``"adamw"``, or ``"lamb"`` for batches of thousands (You et al. 2020).
        learning_rate: The peak, reached at the end of the warm-up.
        warmup_ratio: Share of ``train.steps`` over which the rate rises from 0.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        weight_decay: Decoupled decay, times the rate; biases and LayerNorm have none.
        clip_norm: The gradients' global norm is clipped to this; 0 does not clip.
        bias_correction: Adam's own correction of the moments; the original BERT had none.
    """

    name: str = "adamw"
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    bias_correction: bool = False

    def __post_init__(self) -> None:
        one_of("optimizer.name", self.name, OPTIMIZERS)
        share("optimizer.learning_rate", self.learning_rate)
        share("optimizer.warmup_ratio", self.warmup_ratio)
        for name in ("beta_1", "beta_2"):
            value = getattr(self, name)
            require(f"optimizer.{name} must lie in [0, 1)", 0 <= value < 1, value)
        require("optimizer.epsilon must be greater than 0", self.epsilon > 0, self.epsilon)
        share("optimizer.weight_decay", self.weight_decay)
        require("optimizer.clip_norm must not be negative", self.clip_norm >= 0, self.clip_norm)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(ArithmeticConfig):
    """``[train]``: length, batch and, as in ``ArithmeticConfig``, arithmetic of the run.

    Attributes:
        steps: Updates of the weights; the only measure of a run's length.
        batch_size: Examples per step over all devices.
        seed: Fixes the initial weights, the sampling and the dropout.
        log_every_steps: How often training metrics are written.
        eval_every_steps: How often the held-out documents are evaluated.
        eval_batches: Held-out batches per evaluation, always the same ones.
    """

    steps: int = 1_000_000
    batch_size: int = 256
    seed: int = 0
    log_every_steps: int = 100
    eval_every_steps: int = 1000
    eval_batches: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "batch_size", "log_every_steps", "eval_every_steps", "eval_batches"):
            at_least(f"train.{name}", getattr(self, name), 1)
        at_least("train.seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """All settings of a pre-training run; the tables of its TOML file.

    Attributes:
        model: The architecture, and what to start from.
        data: How examples are sampled from the corpus.
        optimizer: The optimizer and its rate.
        train: Length, batch and arithmetic.
        checkpoint: How often the state is saved, and how many states are kept.
        watch: What is done when the loss diverges.
        distribution: On which devices and hosts.

    Example:
        >>> tables = {"model": {"preset": "tiny"}, "train": {"steps": 1000, "batch_size": 32}}
        >>> config = from_tables(PretrainConfig, tables)
        >>> config.optimizer.learning_rate
        0.0001
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    distribution: DistributionConfig = field(default_factory=DistributionConfig)

    def __post_init__(self) -> None:
        longest = max([self.data.max_seq_length, *(p.max_seq_length for p in self.data.phases)])
        positions = self.model.bert_config(self.model.vocab_size or 1000).max_position_embeddings
        require(
            f"max_seq_length must not exceed model.max_position_embeddings ({positions})",
            longest <= positions,
            longest,
        )

    def replace(self, **changes: Any) -> "PretrainConfig":
        """A copy with some tables exchanged."""
        return dataclasses.replace(self, **changes)

    def phases(self) -> list[tuple[DataConfig, int, int]]:
        """Data settings, batch size and last step of each phase of ``data.phases`` and the rest."""
        phases = [
            (
                dataclasses.replace(
                    self.data,
                    max_seq_length=phase.max_seq_length,
                    max_predictions_per_seq=phase.max_predictions_per_seq,
                    next_sentence=phase.next_sentence or self.data.next_sentence,
                ),
                phase.batch_size or self.train.batch_size,
                round(phase.until * self.train.steps),
            )
            for phase in self.data.phases
        ]
        return [*phases, (self.data, self.train.batch_size, self.train.steps)]
