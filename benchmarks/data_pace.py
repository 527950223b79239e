"""The batches a second that the data pipeline makes, beside those that TPUs are predicted to take.

    python benchmarks/data_pace.py

reads ``pretraining_dataset`` alone, nothing being trained: BERT-Base's shapes, masking by token, on
the made-up corpus of data_pipeline.py. The measured rates go to data_pace.json. What a chip takes
comes from tpu.json, the prediction of ``make bench-tpu``; several chips are counted as that many
times one, as if nothing passed between them.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from data_pipeline import rates, settings
from machine import environment
from synthetic_corpus import SyntheticCorpus
from tables import conditions, markdown, replace_block

from bert_keras.data.pretraining import pretraining_dataset

HERE = Path(__file__).parent
FILE = HERE / "data_pace.json"
CHIP = "v5e"


@dataclass(frozen=True)
class Feed:
    """Batches for chips that share them.

    Attributes:
        step: What each chip computes, a step of ``tpu_step.py``.
        length: Tokens of a sequence, with padding.
        batch: Sequences, for all chips.
        chips: How many share them.
    """

    step: str
    length: int
    batch: int
    chips: int


FEEDS = (
    Feed("notebook", 128, 256, 1),
    Feed("base-128", 128, 128, 1),
    Feed("base-128", 128, 1024, 8),
    Feed("base-512", 512, 32, 1),
)


def measure(corpus: SyntheticCorpus, feed: Feed, seconds: float, rounds: int) -> dict[str, int]:
    """Sequences a second of the whole pipeline: median, least, most of the rounds."""
    config = settings(feed.length)["token"]
    batches = iter(pretraining_dataset(corpus, config, feed.batch, seed=0))
    next(batches)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:  # what was made ahead is used up, too
        next(batches)
        count += 1
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            next(batches)
        taken.append(time.perf_counter() - start)
    return rates(count * feed.batch, taken)


def table(result: Mapping[str, Any], predictions: Mapping[str, Any]) -> str:
    """A row for each feed."""
    header = ["step", "batch", "batches/s, measured", "least–most", "chips"]
    header += ["batches/s that they take, predicted", "times as fast"]
    rows = []
    for row in result["feeds"]:
        made = {name: row[name] / row["batch"] for name in ("per_second", "least", "most")}
        found = predictions.get(row["step"], {}).get("chips", {}).get(CHIP)
        taken = found and row["chips"] * found["sequences_per_second"] / row["batch"]
        rows.append([
            row["step"], f"{row['batch']:,}", f"{made['per_second']:,.0f}",
            f"{made['least']:,.0f}–{made['most']:,.0f}", f"{row['chips']} {CHIP}",
            f"{taken:.1f}" if taken else "not compiled",
            f"{made['per_second'] / taken:.0f}" if taken else "",
        ])  # fmt: skip
    return markdown(header, rows)


def main() -> None:
    """Measure, keep and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=20_000_000, help="of the made-up corpus")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--render", action="store_true", help="only render the last results")
    options = parser.parse_args()
    if not options.render:
        with tempfile.TemporaryDirectory() as name:
            corpus = SyntheticCorpus.make(Path(name), options.tokens)
            feeds = [
                vars(feed) | measure(corpus, feed, options.seconds, options.rounds)
                for feed in FEEDS
            ]
        result = {"machine": environment(), "feeds": feeds}
        FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    result = json.loads(FILE.read_text(encoding="utf-8"))
    predictions = json.loads((HERE / "tpu.json").read_text(encoding="utf-8"))["steps"]
    block = f"{table(result, predictions)}\n\n{conditions(result['machine'])}"
    replace_block(HERE / "README.md", "data pace", block)


if __name__ == "__main__":
    main()
