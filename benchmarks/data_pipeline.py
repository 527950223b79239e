"""How many tokens a second the data pipeline gives, stage by stage.

    python benchmarks/data_pipeline.py [--tokens 20000000] [--length 128] [--batch 256] [--json OUT]

``prepare`` is the command, on the documentation of the installed packages (or ``--text FILE``)
eight times over, with one process that tokenizes and with one for each processor. The other stages
run on a made-up corpus of documents of about 2,000 tokens, memory-mapped from a temporary
directory. There a token is a position of the batch, padding included; the plan is counted by the
positions it plans. Each stage reports the best of several rounds. Where keras-hub and transformers
(with torch) are installed, their maskings run between rounds of ours, on the same batches.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from machine import environment

from bert_keras.config import MASKINGS, DataConfig
from bert_keras.corpus import read_lines
from bert_keras.data import (
    ExamplePlan,
    gather_examples,
    gather_word_starts,
    make_masking,
    plan_pairs,
    pretraining_dataset,
)
from bert_keras.tokenization import learn_vocabulary, write_vocabulary

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
    word_starts: np.ndarray | None = None

    @property
    def continues_word(self) -> np.ndarray:
        """A fifth of the word pieces."""
        return np.arange(self.vocab_size) % 5 == 0

    @classmethod
    def make(cls, directory: Path, token_count: int) -> "SyntheticCorpus":
        """Writes the arrays into ``directory`` and maps them."""
        rng = np.random.default_rng(0)
        lengths = rng.integers(5, 50, size=token_count // 27)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        bounds = np.append(np.arange(0, len(lengths), 70), len(lengths))
        np.save(directory / "tokens.npy", rng.integers(999, 30_522, offsets[-1], dtype=np.uint16))
        np.save(directory / "sentence_offsets.npy", offsets)
        tokens, offsets = (
            np.load(directory / f"{name}.npy", mmap_mode="r")
            for name in ("tokens", "sentence_offsets")
        )
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
    steps = 100

    def plan(epoch: int) -> ExamplePlan:
        return plan_pairs(corpus.sentence_offsets, corpus.documents, length, 0.1, 0, epoch)

    rows = plan(0)
    rates = {"plan": len(rows) * length / best_seconds(plan)}

    def gather(_: int) -> None:
        for step in range(steps):
            start = step * batch % (len(rows) - batch)
            gather_examples(rows[start : start + batch], corpus, length)

    rates["gather"] = steps * batch * length / best_seconds(gather)

    examples = gather_examples(rows[:batch], corpus, length)
    configs = {
        masking: DataConfig(
            max_seq_length=length,
            # The original's 20 at length 128 and 77 at 512.
            max_predictions_per_seq=round(0.15 * length) + (length < 512),
            masking=masking,
        )
        for masking in MASKINGS
    }
    starts = gather_word_starts(rows[:batch], corpus, examples.input_ids)
    maskings = {
        f"mask, {masking}": our_masking(corpus, settings, examples, starts)
        for masking, settings in configs.items()
    }
    config = configs["token"]
    maskings |= keras_hub_masking(corpus, config, examples)
    maskings |= transformers_masking(corpus, config, examples, starts)
    rates |= {
        name: batch * length / seconds for name, seconds in best_seconds_of_each(maskings).items()
    }

    # A whole epoch and a little of the next: the next plan is part of the time.
    epoch_steps = len(rows) // batch + 10
    for masking, settings in configs.items():
        batches = iter(pretraining_dataset(corpus, settings, batch, seed=0))

        def whole(_: int, batches: Iterator[object] = batches) -> None:
            for _ in range(epoch_steps):
                next(batches)

        rates[f"whole, {masking}"] = epoch_steps * batch * length / best_seconds(whole)
    return rates


def our_masking(
    corpus: SyntheticCorpus, config: DataConfig, examples: Any, word_starts: np.ndarray
) -> Callable[[], object]:
    """Masks the examples once, a new draw at every call."""
    masking = make_masking(corpus, config)
    ids, attention_mask = tf.constant(examples.input_ids), tf.constant(examples.attention_mask)

    @tf.function
    def mask(step: tf.Tensor) -> dict[str, tf.Tensor]:
        draws = masking.draw(len(examples.input_ids), 0, step)
        return masking(ids, attention_mask, draws, tf.constant(word_starts))

    steps = iter(range(1 << 62))
    return lambda: mask(tf.constant(next(steps), tf.int64))


def keras_hub_masking(
    corpus: SyntheticCorpus, config: DataConfig, examples: Any
) -> dict[str, Callable[[], object]]:
    """keras-hub's layer on the same batch, in a graph as ``Dataset.map`` runs it.

    It masks single tokens; whole words it has none.
    """
    try:
        import keras_hub
    except ImportError:
        return {}
    layer = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=corpus.vocab_size,
        mask_selection_rate=config.masking_rate,
        mask_selection_length=config.max_predictions_per_seq,
        mask_token_id=corpus.mask_id,
        unselectable_token_ids=[corpus.pad_id, corpus.cls_id, corpus.sep_id],
    )
    ids = tf.constant(examples.input_ids)
    mask = tf.function(lambda: layer(ids))
    return {"mask, keras-hub": mask}


def transformers_masking(
    corpus: SyntheticCorpus, config: DataConfig, examples: Any, word_starts: np.ndarray
) -> dict[str, Callable[[], object]]:
    """The collator of transformers on the same examples, as lists: as a data loader gives them.

    Its whole words come from the offsets of the tokens in the text, and become [MASK] always.
    """
    try:
        import torch  # noqa: F401 - the collator needs it
        from transformers import BertTokenizer, DataCollatorForLanguageModeling
    except ImportError:
        return {}
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    with tempfile.TemporaryDirectory() as directory:
        vocab = Path(directory, "vocab.txt")
        pieces = (special.get(number, f"word{number}") for number in range(corpus.vocab_size))
        vocab.write_text("\n".join(pieces) + "\n", encoding="utf-8")
        tokenizer = BertTokenizer(str(vocab))
    rate = config.masking_rate
    tokens = DataCollatorForLanguageModeling(tokenizer, mlm_probability=rate)
    words = DataCollatorForLanguageModeling(
        tokenizer,
        mlm_probability=rate,
        whole_word_mask=True,
        mask_replace_prob=1.0,
        random_replace_prob=0.0,
    )
    rows = [
        {"input_ids": ids, "attention_mask": mask}
        for ids, mask in zip(
            examples.input_ids.tolist(), examples.attention_mask.tolist(), strict=True
        )
    ]
    # As if every token had one character, and a space stood before every word.
    ends = 2 * np.arange(word_starts.shape[1]) + 1
    offsets = np.stack([ends - 2 + word_starts, np.broadcast_to(ends, word_starts.shape)], axis=-1)
    rows_with_offsets = [
        row | {"offset_mapping": pairs} for row, pairs in zip(rows, offsets.tolist(), strict=True)
    ]
    return {
        "mask, transformers": lambda: tokens(rows),
        "mask, transformers whole_word": lambda: words(rows_with_offsets),
    }


def best_seconds_of_each(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the seconds of each one's quickest call, in turns so that all meet the same noise."""
    seconds = dict.fromkeys(runs, float("inf"))
    for round_number in range(20 * ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_number:  # the first is to warm up
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def measure_prepare(directory: Path, text: str) -> dict[str, float]:
    """Returns tokens/s of the command ``prepare``, its start included."""
    lines = "\n\n".join(read_lines([text])) + "\n"
    (directory / "text.txt").write_text(lines * 8, encoding="utf-8")
    write_vocabulary(directory / "vocab.txt", learn_vocabulary(lines.split("\n"), 8_000))
    command = [sys.executable, "-m", "bert_keras", "prepare", directory / "text.txt"]
    command += ["--vocab", directory / "vocab.txt"]
    rates: dict[str, float] = {}
    for round_number in range(2):
        for workers in sorted({1, os.cpu_count() or 1}):
            out = directory / f"corpus-{workers}-{round_number}"
            start = time.perf_counter()
            subprocess.run(  # noqa: S603 - our own command
                [*command, "--out", out, "--workers", str(workers)],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            seconds = time.perf_counter() - start
            tokens = json.loads((out / "corpus.json").read_text())["counts"]["tokens"]
            name = f"prepare, workers {workers}"
            rates[name] = max(rates.get(name, 0.0), tokens / seconds)
    return rates


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Tokens per second of the data pipeline.")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="size of the corpus")
    parser.add_argument("--length", type=int, default=128, help="tokens per example")
    parser.add_argument("--batch", type=int, default=256, help="examples per batch")
    parser.add_argument("--text", default="pydocs", help="what prepare reads (default: pydocs)")
    parser.add_argument("--json", type=Path, help="a file for the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rates = measure_prepare(Path(directory), arguments.text)
        corpus = SyntheticCorpus.make(Path(directory), arguments.tokens)
        rates |= measure(corpus, arguments.length, arguments.batch)
    for stage, rate in rates.items():
        print(f"{stage:<32}{rate / 1e6:8.1f} M tokens/s")
    if arguments.json:
        result = {
            "tokens_per_second": {stage: round(rate) for stage, rate in rates.items()},
            "settings": {"length": arguments.length, "batch": arguments.batch},
            "environment": environment(),
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
