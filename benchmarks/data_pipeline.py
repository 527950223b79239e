"""The data pipeline's tokens a second, stage by stage, and its share of a step.

    python benchmarks/data_pipeline.py [--text pydocs] [--json benchmarks/data_pipeline.json]

``prepare`` is the command, its start included, on the documentation of the installed packages (or
``--text``), with one process that tokenizes and with one for each core. ``tokenizers`` turns the
same lines into the same ids, and nothing more, on all cores. The other stages run on a made-up
corpus of documents of about 2,000 tokens, memory-mapped from a temporary directory. There a token
is a position of the batch, padding included; the plan is counted by the positions it plans.
Where keras-hub and transformers (with torch) are installed, their maskings run in turn with ours,
on the same batches. ``share_of_step`` is the processor time that the pipeline takes for a batch of
32 sequences, compared with that of the step that trains on it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from data_maskings import keras_hub_masking, our_masking, transformers_masking
from machine import environment
from synthetic_corpus import SyntheticCorpus
from training_step import Shape, ours

from bert_keras.config import MASKINGS, DataConfig
from bert_keras.corpus import read_lines
from bert_keras.data.gather import gather_examples, gather_word_starts
from bert_keras.data.plan import Epoch, ExamplePlan
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.data.sampling import plan_pairs
from bert_keras.tokenization import learn_vocabulary, write_vocabulary

Rates = dict[str, dict[str, int]]
NAMES = {"token": "tokens", "whole_word": "whole words", "span": "spans"}


def in_turns(runs: dict[str, Callable[[], object]], tokens: int, rounds: int) -> Rates:
    """Tokens a second of each: the median, the least and the most of the rounds, a turn in each.

    Args:
        runs: What is measured, by name; each runs once before.
        tokens: How many it gets through.
        rounds: Turns of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: rates(tokens, values) for name, values in seconds.items()}


def rates(tokens: int, seconds: list[float]) -> dict[str, int]:
    """Tokens a second: median, least, most."""
    median, least, most = (f(seconds) for f in (np.median, np.max, np.min))
    return {
        "per_second": round(tokens / median),
        "least": round(tokens / least),
        "most": round(tokens / most),
    }


def settings(length: int) -> dict[str, DataConfig]:
    """A pipeline's settings for each way of masking, the original's caps (20 at 128, 77 at 512)."""
    predictions = round(0.15 * length) + (length < 512)
    return {
        masking: DataConfig(
            max_seq_length=length, max_predictions_per_seq=predictions, masking=masking
        )
        for masking in MASKINGS
    }


def measure_stages(corpus: SyntheticCorpus, length: int, batch: int, rounds: int) -> Rates:
    """The stages from the plan of an epoch to masked batches, and all of them together."""
    epochs, steps = iter(range(1 << 62)), 100

    def plan() -> ExamplePlan:
        room = length - corpus.tokenizer.template.overhead(2)
        return plan_pairs(
            Epoch(corpus.sentence_offsets, corpus.documents, room, 0.1, 0, next(epochs))
        )

    rows = plan()

    def gather() -> None:
        for step in range(steps):
            start = step * batch % (len(rows) - batch)
            gather_examples(rows[start : start + batch], corpus, length)

    found = in_turns({"plan of an epoch's pairs": plan}, len(rows) * length, rounds)
    found |= in_turns({"gather": gather}, steps * batch * length, rounds)
    examples = gather_examples(rows[:batch], corpus, length)
    starts = gather_word_starts(rows[:batch], corpus, examples.input_ids)
    configs = settings(length)
    maskings = {
        f"mask {NAMES[masking]}": our_masking(corpus, config, examples, starts)
        for masking, config in configs.items()
    }
    maskings |= keras_hub_masking(corpus, configs["token"], examples)
    maskings |= transformers_masking(corpus, configs["token"], examples, starts)
    found |= in_turns(maskings, batch * length, 10 * rounds)

    # A whole epoch and a little of the next: the next plan is part of the time.
    epoch_steps = len(rows) // batch + 10

    def epoch(batches: Iterator[object]) -> Callable[[], None]:
        def read() -> None:
            for _ in range(epoch_steps):
                next(batches)

        return read

    whole = {
        f"whole pipeline, {NAMES[masking]}": epoch(
            iter(pretraining_dataset(corpus, config, batch, seed=0))
        )
        for masking, config in configs.items()
    }
    for name, run in whole.items():  # one after the other: each reads ahead while it waits
        found |= in_turns({name: run}, epoch_steps * batch * length, rounds)
    return found


def share_of_step(corpus: SyntheticCorpus, shape: Shape, rounds: int) -> dict[str, float]:
    """Milliseconds of the processor for a batch and for the step that trains on it."""
    step = ours(shape, precision="mixed_bfloat16")
    for_step = processor_ms(lambda: step(2), 2, rounds)
    config = settings(shape.length)["token"]
    batches = iter(pretraining_dataset(corpus, config, shape.batch, seed=0))
    next(batches)
    for_batch = processor_ms(lambda: [next(batches) for _ in range(500)], 500, rounds)
    return {"batch_ms": round(for_batch, 3), "step_ms": round(for_step, 1)}


def processor_ms(run: Callable[[], object], count: int, rounds: int) -> float:
    """The milliseconds of one of ``count``: the median of the rounds."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(1e3 * (time.process_time() - start) / count)
    return float(np.median(taken))


def measure_prepare(directory: Path, text: str, rounds: int) -> tuple[Rates, dict[str, int]]:
    """Tokens a second of the command ``prepare`` and of ``tokenizers``; how much text it was."""
    from tokenizers import BertWordPieceTokenizer

    lines = list(read_lines([text]))
    file, vocab = directory / "text.txt", directory / "vocab.txt"
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    write_vocabulary(vocab, learn_vocabulary(lines, 8_000))
    outputs = iter(range(1 << 62))

    def prepare(workers: int) -> Path:
        out = directory / f"corpus-{next(outputs)}"
        command = [sys.executable, "-m", "bert_keras", "prepare", file, "--vocab", vocab]
        subprocess.run(  # noqa: S603 - our own command
            [*command, "--out", out, "--workers", str(workers)], check=True, capture_output=True
        )
        return out

    tokenizer = BertWordPieceTokenizer(str(vocab))

    def encode() -> None:
        for start in range(0, len(lines), 10_000):  # its answers take a lot of memory
            tokenizer.encode_batch(lines[start : start + 10_000], add_special_tokens=False)

    counts = json.loads((prepare(1) / "corpus.json").read_text(encoding="utf-8"))["counts"]
    runs: dict[str, Callable[[], object]] = {
        f"`prepare`, workers: {workers}": lambda workers=workers: prepare(workers)
        for workers in sorted({1, os.cpu_count() or 1})
    }
    runs["ids alone, `tokenizers`"] = encode
    size = {"bytes": file.stat().st_size, "tokens": counts["tokens"]}
    return in_turns(runs, counts["tokens"], rounds), size


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=20_000_000, help="of the made-up corpus")
    parser.add_argument("--length", type=int, default=128, help="tokens per example")
    parser.add_argument("--batch", type=int, default=256, help="examples per batch")
    parser.add_argument("--text", default="pydocs", help="what prepare reads (default: pydocs)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="a file for the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        stages, text = measure_prepare(directory, options.text, options.rounds)
        corpus = SyntheticCorpus.make(directory, options.tokens)
        stages |= measure_stages(corpus, options.length, options.batch, options.rounds)
        shapes = {"2x128": Shape(2, 128, 128, 32), "4x512": Shape(4, 512, 128, 32)}
        shares = {
            name: share_of_step(corpus, shape, options.rounds) for name, shape in shapes.items()
        }
    result: dict[str, Any] = {
        "machine": environment(),
        "settings": {"length": options.length, "batch": options.batch, "text": text},
        "stages": stages,
        "share_of_step": shares,
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
