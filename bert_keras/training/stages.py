"""The stages of a pre-training run: which batches at which step, and what is held out."""

import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from bert_keras.config import DataConfig, PretrainConfig
from bert_keras.corpus import Corpus
from bert_keras.data.coverage import summarize_epoch
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.modeling.random import fold_in
from bert_keras.training.held_out import HeldOutMeans
from bert_keras.training.stage import Stage
from bert_keras.training.state import EpochOffsets
from bert_keras.training.strategy import rows_of_host

_logger = logging.getLogger("bert_keras")


def make_stages(
    config: PretrainConfig, corpus: Corpus, host: tuple[int, int] = (0, 1)
) -> list[Stage]:
    """The phases of ``data.phases`` and the rest of the run, each with its own batches.

    Each stage samples under a seed of its own, so that none repeats another's examples; the
    held-out batches are those of the stage's lengths.

    Args:
        config: The recipe.
        corpus: What to train on.
        host: Which host this is and how many there are; each gathers its own rows alone.
    """
    train_texts, held_out = corpus.split(config.data.eval_fraction)
    total = config.train.steps
    stages: list[Stage] = []
    for data, batch_size, last_step in config.stages():
        first_step = stages[-1].last_step if stages else 0
        seed = fold_in(config.train.seed, f"stage {len(stages)}")
        epochs = EpochOffsets(batch_size, first_step)
        stages.append(
            Stage(
                last_step=min(last_step, total),
                batches_from=_Batches(train_texts, data, epochs, seed, host),
                evaluation=_evaluation(held_out, data, batch_size, config, host),
                constants={"max_seq_length": data.max_seq_length},
                epochs=epochs,
            )
        )
    return stages


def say_epochs(stages: Sequence[Stage]) -> None:
    """Says what an epoch of each stage is, and of the last one what in it teaches nothing.

    Early stages are often short on purpose.

    Args:
        stages: From ``make_stages``.
    """
    for stage in stages:
        batches = stage.batches_from
        assert isinstance(batches, _Batches)
        summary = summarize_epoch(batches.corpus, batches.data, batches.seed)
        until = f"to step {stage.last_step:,} " if len(stages) > 1 else ""
        _logger.info("%s%s", until, summary.describe())
        for line in summary.warnings() if stage is stages[-1] else ():
            _logger.warning("%s", line)


class _Batches:
    """The batches of a stage from any step of the run on."""

    def __init__(
        self,
        corpus: Corpus,
        data: DataConfig,
        epochs: EpochOffsets,
        seed: int,
        host: tuple[int, int],
    ) -> None:
        self.corpus, self.data, self.epochs = corpus, data, epochs
        self.seed, self.host = seed, host

    def __call__(self, step: int) -> tf.data.Dataset:
        number, count = self.host
        return pretraining_dataset(
            self.corpus,
            self.data,
            self.epochs.batch_size,
            self.seed,
            start_step=step - self.epochs.first_step,
            host_index=number,
            host_count=count,
            epoch_offsets=self.epochs.for_stream(),
        )


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
    """What always guessing the most frequent answer would reach on the held-out batches."""
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
