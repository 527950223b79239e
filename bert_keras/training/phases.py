"""The phases of a run: their batches and their evaluation."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from bert_keras.config import DataConfig, PretrainConfig
from bert_keras.corpus import Corpus
from bert_keras.data.coverage import summarize_epoch
from bert_keras.data.pretraining import PretrainingBatches, pretraining_dataset
from bert_keras.modeling.random import fold_in
from bert_keras.objectives import perplexity
from bert_keras.training.metrics import Window
from bert_keras.training.strategy import distribute, rows_of_host

if TYPE_CHECKING:
    from bert_keras.training.trainer import Trainer

_logger = logging.getLogger("bert_keras")

# Above both this multiple of data.eval_fraction and this share of the tokens there is a warning.
_MUCH_MORE, _MUCH_HELD_OUT = 3, 0.2


@dataclass
class Phase:
    """The steps of a run with batches of one shape.

    Attributes:
        last_step: The number of updates at its end.
        batches_from: From the number of updates done to the endless data set of the next batches.
        evaluation: From the trainer to the values to log, such as ``HeldOutMeans``; ``None``
            evaluates nothing.
        constants: Logged with every line, such as the sequence length.
    """

    last_step: int
    batches_from: Callable[[int], tf.data.Dataset]
    evaluation: Callable[["Trainer"], dict[str, float]] | None = None
    constants: dict[str, float] = field(default_factory=dict)

    def epoch_offsets(self, batch: int) -> list[int]:
        """The beginnings of the epochs before a batch, to be kept in a checkpoint."""
        return []

    def resume(self, epoch_offsets: Sequence[int]) -> None:
        """Resume from the ``epoch_offsets`` of a checkpoint."""


class PretrainingPhase(Phase):
    """A phase whose batches are sampled from a corpus.

    Args:
        batches: The phase's batches, counted from its first step.
        first_step: The number of updates before it.
        last_step: The number of updates at its end.
        evaluation: As in ``Phase``.
    """

    def __init__(
        self,
        batches: PretrainingBatches,
        first_step: int,
        last_step: int,
        evaluation: "HeldOutMeans | None" = None,
    ) -> None:
        self.batches, self.first_step = batches, first_step
        super().__init__(
            last_step,
            lambda step: batches.from_step(step - first_step),
            evaluation,
            {"max_seq_length": batches.config.max_seq_length},
        )

    def epoch_offsets(self, batch: int) -> list[int]:
        """The first example of each epoch, as far as the batches before this one need them."""
        first_example = (batch - self.first_step) * self.batches.batch_size
        return self.batches.stream.offsets_before(first_example)

    def resume(self, epoch_offsets: Sequence[int]) -> None:
        """Resume from the ``epoch_offsets`` of a checkpoint, without planning past epochs again."""
        self.batches.stream.resume(epoch_offsets)


@dataclass
class HeldOutMeans:
    """An evaluation by the objective on held-out batches.

    Attributes:
        batches: A finite data set of global batches, always the same.
        constants: Logged with every evaluation, such as the accuracy of guessing.
    """

    batches: tf.data.Dataset
    constants: dict[str, float] = field(default_factory=dict)

    def __call__(self, trainer: "Trainer") -> dict[str, float]:
        """The means over the batches."""
        window = Window()
        for batch in distribute(trainer.strategy, self.batches):
            window.add(0, trainer.eval_step(batch))
        window.settle()
        values = window.means()
        if "mlm_loss" in values:
            values["mlm_perplexity"] = perplexity(values["mlm_loss"])
        return values | self.constants


def pretraining_phases(
    config: PretrainConfig, corpus: Corpus, host: tuple[int, int] = (0, 1)
) -> list[PretrainingPhase]:
    """The phases of ``data.phases`` and the rest of the run, each with its own batches.

    Each phase has a seed of its own, so that none repeats another's examples; its held-out batches
    have its lengths.

    Args:
        config: The recipe.
        corpus: What to train on.
        host: The number of this host and of all hosts; each gathers its own rows alone.
    """
    train_texts, held_out = corpus.split(config.data.eval_fraction)
    phases: list[PretrainingPhase] = []
    for data, batch_size, last_step in config.phases():
        # "stage", though they are phases: another word would change every seed.
        seed = fold_in(config.train.seed, f"stage {len(phases)}")
        phases.append(
            PretrainingPhase(
                PretrainingBatches(train_texts, data, batch_size, seed, host),
                first_step=phases[-1].last_step if phases else 0,
                last_step=min(last_step, config.train.steps),
                evaluation=_evaluation(held_out, data, batch_size, config, host),
            )
        )
    return phases


def log_epochs(phases: Sequence[PretrainingPhase]) -> None:
    """Log what an epoch of each phase is, and for the last phase warn of what is wasted in it.

    Earlier phases are often short on purpose.

    Args:
        phases: From ``pretraining_phases``.
    """
    for phase in phases:
        batches = phase.batches
        summary = summarize_epoch(batches.corpus, batches.config, batches.seed)
        until = f"to step {phase.last_step:,} " if len(phases) > 1 else ""
        _logger.info("%s%s", until, summary.describe())
        for line in summary.warnings() if phase is phases[-1] else ():
            _logger.warning("%s", line)


def log_held_out(corpus: Corpus, learned: np.ndarray, eval_fraction: float) -> None:
    """Log what is held out; warn where it is far more of the tokens than of the documents.

    The split counts documents, so that a few of unequal length may leave little to learn from.

    Args:
        corpus: All of it.
        learned: The ``documents`` of the side of ``Corpus.split`` that is learned from.
        eval_fraction: What it was split by.
    """
    documents = len(corpus.documents) - len(learned)
    if not documents:
        if eval_fraction > 0:
            _logger.info("nothing is held out for evaluation: the corpus is a single document")
        return
    share = 1 - replace(corpus, documents=learned).num_tokens / corpus.num_tokens
    line = (
        f"{documents:,} of {len(corpus.documents):,} documents are held out for evaluation, "
        f"{share:.1%} of the tokens"
    )
    if share <= max(_MUCH_MORE * eval_fraction, _MUCH_HELD_OUT):
        _logger.info("%s", line)
        return
    _logger.warning(
        "%s, though data.eval_fraction is %s: nothing is learned from them. Prepare documents of "
        "like size (prepare --split blank-line), or set a smaller data.eval_fraction, or 0 to hold "
        "out nothing",
        line, eval_fraction,
    )  # fmt: skip


def _evaluation(
    held_out: Corpus,
    data: DataConfig,
    batch_size: int,
    config: PretrainConfig,
    host: tuple[int, int],
) -> HeldOutMeans | None:
    if not len(held_out.documents):
        return None
    seed = fold_in(config.train.seed, "evaluation")
    batches = pretraining_dataset(held_out, data, batch_size, seed).take(config.train.eval_batches)
    batches = batches.cache()
    return HeldOutMeans(rows_of_host(batches, host), _baselines(batches))


def _baselines(batches: tf.data.Dataset) -> dict[str, float]:
    """The accuracies on the held-out batches of always guessing the most frequent label."""
    words, labels = [], []
    for batch in batches.as_numpy_iterator():
        words.append(batch["masked_lm_ids"][batch["masked_lm_weights"] > 0])
        if "next_sentence_labels" in batch:
            labels.append(batch["next_sentence_labels"])
    return {
        f"{task}_baseline_accuracy": float(np.bincount(np.concatenate(answers)).max())
        / sum(map(len, answers))
        for task, answers in (("mlm", words), ("nsp", labels))
        if answers
    }
