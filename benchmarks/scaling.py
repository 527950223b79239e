r"""The growth of a step's cost with length, batch and devices; the pipeline's with the corpus.

    python benchmarks/scaling.py length --json benchmarks/scaling.json --plots benchmarks
    python benchmarks/scaling.py batch ...      python benchmarks/scaling.py devices ...
    python benchmarks/scaling.py corpus ...

``length`` trains 4 layers of 512 on 4,096 tokens a step, cut into sequences of 64 to 512; ``batch``
on 2 to 64 sequences of 128 tokens. ``devices`` has one processor's cores as one device or as two
logical ones with a replica each, on the same batch. ``corpus`` reads batches of pairs from made-up
corpora as long as 10 MB, 100 MB and 1 GB of English. All in bfloat16, in processes that take turns.
"""

import argparse
import gc
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from contest import Timed, Work, contest
from machine import environment
from tables import error_bars
from training_step import Shape, ours

PLAIN = Shape(layers=4, hidden=512, length=128, batch=32)
BYTES_A_TOKEN = 4.5  # of English, a vocabulary of 30,522
LENGTHS, BATCHES, MEGABYTES = (64, 128, 256, 512), (2, 4, 8, 16, 32, 64), (10, 100, 1000)


def on_devices(shape: Shape, count: int) -> Work:
    """A step of so many logical processors, each with a replica and its share of the batch."""
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(processor, logical)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(count)])
    return ours(shape, strategy, precision="mixed_bfloat16")


def reading(megabytes: int) -> Work:
    """Batches of 256 pairs of 128 tokens from a corpus of so much text."""
    from synthetic_corpus import SyntheticCorpus

    from bert_keras.config import DataConfig
    from bert_keras.data.pretraining import pretraining_dataset

    folder = tempfile.TemporaryDirectory()
    corpus = SyntheticCorpus.make(Path(folder.name), round(megabytes * 1e6 / BYTES_A_TOKEN))
    gc.collect()
    batches = iter(pretraining_dataset(corpus, DataConfig(), 256, seed=0))

    def take(count: int) -> None:
        assert folder  # lives as long as it is read
        for _ in range(count):
            next(batches)

    return Timed(take, own_memory)


def own_memory() -> int:
    """The memory of the process without mapped files, whose pages it may lose at any time."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", status)[1])  # type: ignore[index]


def makers(what: str) -> dict[str, tuple[Callable[..., Work], dict[str, Any]]]:
    """The contestants by what is varied; their names are its values."""
    bf16 = {"precision": "mixed_bfloat16"}
    if what == "length":
        shapes = [replace(PLAIN, length=n, batch=4096 // n) for n in LENGTHS]
        return {str(s.length): (ours, {"shape": s} | bf16) for s in shapes}
    if what == "batch":
        shapes = [replace(PLAIN, batch=n) for n in BATCHES]
        return {str(s.batch): (ours, {"shape": s} | bf16) for s in shapes}
    if what == "devices":
        return {str(n): (on_devices, {"shape": PLAIN, "count": n}) for n in (1, 2)}
    return {str(n): (reading, {"megabytes": n}) for n in MEGABYTES}


def tokens_a_unit(what: str, value: int) -> int:
    """Tokens of a step, or of a batch that is read."""
    if what == "corpus":
        return 256 * 128
    return {"length": 4096, "batch": 128 * value}.get(what, PLAIN.batch * PLAIN.length)


def plot(what: str, rows: dict[str, Any], path: Path) -> None:
    """Tokens a second and peak memory over what is varied."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    values = [int(value) for value in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    middle = [row["tokens_per_second"] for row in rows.values()]
    spread = error_bars(rows.values(), "tokens_per_second")
    left.errorbar(values, middle, yerr=spread, marker="o", capsize=3)
    right.plot(values, [row["peak_mb"] for row in rows.values()], marker="o")
    for axes, label in ((left, "tokens a second"), (right, "peak memory, MB")):
        axes.set(xscale="log", xlabel=what, ylabel=label, ylim=(0, None))
        axes.set_xticks(values, [str(value) for value in values], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.savefig(path)


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("length", "batch", "devices", "corpus"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--units", type=int, help="steps or batches in a turn")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plots", type=Path, help="a folder for scaling-WHAT.svg")
    options = parser.parse_args()
    units = options.units or (200 if options.what == "corpus" else 2)
    rows = contest(makers(options.what), units, options.rounds)
    for value, row in rows.items():
        tokens = tokens_a_unit(options.what, int(value))
        row["tokens_per_second"] = round(row.pop("per_second") * tokens)
        row |= {edge: round(row[edge] * tokens) for edge in ("least", "most")}
    result = {"machine": environment(), "rows": rows}
    print(json.dumps(result, indent=2))
    if options.json:
        found = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps(found | {options.what: result}, indent=2) + "\n")
    if options.plots:
        plot(options.what, rows, options.plots / f"scaling-{options.what}.svg")


if __name__ == "__main__":
    main()
