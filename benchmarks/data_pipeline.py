"""How many tokens a second the data pipeline gives, stage by stage.

    python benchmarks/data_pipeline.py [--tokens 20000000] [--length 128] [--batch 256]

Runs on a made-up corpus of documents of about 2,000 tokens, memory-mapped from a temporary
directory. A token is a position of the batch, padding included; the plan is counted by the
positions it plans. Each stage reports the best of several rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from bert_keras.config import DataConfig
from bert_keras.data import (
    PairPlan,
    TokenMasking,
    gather_examples,
    plan_pairs,
    pretraining_dataset,
)

ROUNDS = 5


@dataclass(frozen=True)
class SyntheticCorpus:
    """Random ids in sentences of 5 to 49 tokens, 70 sentences a document."""

    tokens: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray
    vocab_size: int = 30_522
    pad_id: int = 0
    cls_id: int = 101
    sep_id: int = 102
    mask_id: int = 103

    @classmethod
    def make(cls, directory: Path, token_count: int) -> "SyntheticCorpus":
        """Writes the token array into ``directory`` and maps it."""
        rng = np.random.default_rng(0)
        lengths = rng.integers(5, 50, size=token_count // 27)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        bounds = np.append(np.arange(0, len(lengths), 70), len(lengths))
        np.save(directory / "tokens.npy", rng.integers(999, 30_522, offsets[-1], dtype=np.uint16))
        tokens = np.load(directory / "tokens.npy", mmap_mode="r")
        return cls(tokens, offsets, np.stack([bounds[:-1], bounds[1:]], axis=1))


def best_seconds(run: Callable[[int], object]) -> float:
    """Returns the seconds of the quickest of the rounds, after one to warm up."""
    run(0)
    seconds = []
    for round_number in range(1, ROUNDS + 1):
        start = time.perf_counter()
        run(round_number)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(corpus: SyntheticCorpus, length: int, batch: int) -> dict[str, float]:
    """Returns tokens/s by stage."""
    config = DataConfig(max_seq_length=length)
    steps = 100

    def plan(epoch: int) -> PairPlan:
        return plan_pairs(corpus.sentence_offsets, corpus.documents, length, 0.1, 0, epoch)

    rows = plan(0)
    rates = {"plan": len(rows) * length / best_seconds(plan)}

    def gather(_: int) -> None:
        for step in range(steps):
            start = step * batch % (len(rows) - batch)
            gather_examples(rows[start : start + batch], corpus, length)

    rates["gather"] = steps * batch * length / best_seconds(gather)

    masking = TokenMasking(
        max_seq_length=length,
        max_predictions_per_seq=config.max_predictions_per_seq,
        masking_rate=config.masking_rate,
        vocab_size=corpus.vocab_size,
        cls_id=corpus.cls_id,
        sep_id=corpus.sep_id,
        mask_id=corpus.mask_id,
    )
    examples = gather_examples(rows[:batch], corpus, length)

    @tf.function
    def mask(step: tf.Tensor) -> dict[str, tf.Tensor]:
        return masking(examples.input_ids, examples.attention_mask, masking.draw(batch, 0, step))

    def mask_all(_: int) -> None:
        for step in range(steps):
            mask(tf.constant(step, tf.int64))

    rates["mask"] = steps * batch * length / best_seconds(mask_all)

    # A whole epoch and a little of the next: the next plan is part of the time.
    epoch_steps = len(rows) // batch + 10
    batches = iter(pretraining_dataset(corpus, config, batch, seed=0))

    def whole(_: int) -> None:
        for _ in range(epoch_steps):
            next(batches)

    rates["whole pipeline"] = epoch_steps * batch * length / best_seconds(whole)
    return rates


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Tokens per second of the data pipeline.")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="size of the corpus")
    parser.add_argument("--length", type=int, default=128, help="tokens per example")
    parser.add_argument("--batch", type=int, default=256, help="examples per batch")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        corpus = SyntheticCorpus.make(Path(directory), arguments.tokens)
        rates = measure(corpus, arguments.length, arguments.batch)
    for stage, rate in rates.items():
        print(f"{stage:<16}{rate / 1e6:8.1f} M tokens/s")


if __name__ == "__main__":
    main()
