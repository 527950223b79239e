"""The batches a second that the data pipeline makes, beside those that TPUs are predicted to take.

    python benchmarks/data_pace.py

reads ``pretraining_dataset`` alone, nothing being trained: the shapes of tpu_step.py's steps,
masking by token, on the made-up corpus of data_pipeline.py. The measured rates go to
data_pace.json. What a chip takes comes from tpu.json, the prediction of ``make bench-tpu``; several
chips are counted as that many times one, as if nothing passed between them.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from data_pipeline import in_turns, settings
from machine import environment
from synthetic_corpus import SyntheticCorpus
from tables import conditions, markdown, replace_block
from tpu_step import STEPS

from bert_keras.data.pretraining import pretraining_dataset

HERE = Path(__file__).parent
FILE = HERE / "data_pace.json"
CHIP = "v5e"


# What each chip computes, and how many share the batches.
FEEDS = (("notebook", 1), ("base-128", 1), ("base-128", 8), ("base-512", 1))


def measure(
    corpus: SyntheticCorpus, name: str, chips: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """A feed, and the pipeline's sequences a second: median, least, most of the rounds."""
    length, batch = STEPS[name].length, chips * STEPS[name].batch
    batches = iter(pretraining_dataset(corpus, settings(length)["token"], batch, seed=0))
    next(batches)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(batches)
        count += 1

    def read() -> None:
        for _ in range(count):
            next(batches)

    feed = {"step": name, "length": length, "batch": batch, "chips": chips}
    return feed | in_turns({name: read}, count * batch, rounds)[name]


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
                measure(corpus, step, chips, options.seconds, options.rounds)
                for step, chips in FEEDS
            ]
        result = {"machine": environment(), "feeds": feeds}
        FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    result = json.loads(FILE.read_text(encoding="utf-8"))
    predictions = json.loads((HERE / "tpu.json").read_text(encoding="utf-8"))["steps"]
    block = f"{table(result, predictions)}\n\n{conditions(result['machine'])}"
    replace_block(HERE / "README.md", "data pace", block)


if __name__ == "__main__":
    main()
