"""A classifier for phones in every variant: size, answers, accuracy, latency.

    python benchmarks/mobile.py MODEL --data DATA/sst2 --json benchmarks/mobile.json

MODEL is one that was fine-tuned on SST-2, DATA/sst2 holds train.tsv, which the ranges are taken
from, and dev.tsv, all of which is measured. Compared with our files are those of TensorFlow's
converter with every range fixed and of ai-edge-quantizer by its own recipe; and, product by
product, what fixing the ranges costs. Latencies are taken in turn, text by text. The tables go into
README.md; ``--render`` renders those of an earlier run.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from machine import environment
from tables import markdown, replace_block

HERE = Path(__file__).parent
OURS = ("none", "float16", "dynamic", "int8")
PARTS = {
    "queries, keys, values": "/query_key_value",
    "attention's output": r"/attention(_\d+)?/output",
    "feed-forward, first product": "/intermediate",
    "feed-forward, second product": r"/feed_forward(_\d+)?/output",
    "pooler and classifier": "/pooler|/classifier",
    "every product": ".*",
}
ANSWERS = ("largest difference", "logits, rms", "agreement", "accuracy", "p")
THREADS = (1, 2)
Row = dict[str, Any]


def by_converter(converter: Any, calibration: Sequence[Any]) -> bytes:
    """TensorFlow's converter, all ranges fixed; padding's score is one that 256 steps can span."""
    import tensorflow as tf

    from bert_keras.export.tflite.convert import SIGNATURE, quiet_converter

    with tempfile.TemporaryDirectory() as folder, quiet_converter():
        converter.save(folder)
        work = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        work.optimizations = [tf.lite.Optimize.DEFAULT]
        work.representative_dataset = lambda: ((SIGNATURE, batch) for batch in calibration)
        data: bytes = work.convert()
    return data


def by_quantizer(data: bytes, calibration: Sequence[Any], fixed: str | None) -> bytes:
    """ai-edge-quantizer: 8-bit weights, and fixed ranges for the products that ``fixed`` finds."""
    from ai_edge_quantizer import qtyping, quantizer

    from bert_keras.export.tflite.convert import SIGNATURE

    operation = qtyping.TFLOperationName
    work = quantizer.Quantizer(data)
    work.add_dynamic_config(".*", operation.FULLY_CONNECTED, 8)
    work.add_static_config(".*", operation.GATHER, 8, 8)
    if fixed:
        work.add_static_config(fixed, operation.FULLY_CONNECTED, 8, 8)
    ranges = work.calibrate({SIGNATURE: list(calibration)}, num_threads=1)
    return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


def answered(judge: Any, data: bytes) -> Row:
    """The answers of a file, compared with Keras's."""
    from scipy.stats import binomtest

    from bert_keras.export.tflite.convert import operations_of
    from bert_keras.export.tflite.interpreter import TFLiteModel

    runner = TFLiteModel(data, max(THREADS))
    given = np.array([runner.run(batch)["probabilities"][0] for batch in judge.batches])
    expected = np.array([row["probabilities"] for row in judge.expected])
    labels = np.array([feature.targets["labels"] for feature in judge.sequences.features]).ravel()
    right, was_right = given.argmax(axis=1) == labels, expected.argmax(axis=1) == labels
    lost, won = int((was_right & ~right).sum()), int((right & ~was_right).sum())
    margins = [np.diff(np.log(np.maximum(p, 1e-9)))[:, 0] for p in (given, expected)]
    return {
        "bytes": len(data),
        "operations": sum(operations_of(data).values()),
        "largest_difference": float(np.abs(given - expected).max()),
        "logits_rms": float(np.sqrt(np.mean((margins[0] - margins[1]) ** 2))),
        "agreement": float((given.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        "accuracy": float(right.mean()),
        "keras_accuracy": float(was_right.mean()),
        # McNemar's exact test: were those that changed sides as likely to change either way?
        "p": float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0,
        "lost_won": [lost, won],
    }


def timed(files: dict[str, bytes], batches: Sequence[Any], runs: int) -> dict[str, dict[str, Row]]:
    """Milliseconds of each file on one text, by threads: least, median, quartiles."""
    from bert_keras.export.tflite.interpreter import TFLiteModel

    runners = {(n, t): TFLiteModel(data, t) for n, data in files.items() for t in THREADS}
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in runners}
    for number in range(runs + 1):
        batch = batches[number % len(batches)]
        for key, runner in runners.items():
            start = time.perf_counter()
            runner.run(batch)
            if number:  # the first only warms up
                taken[key].append(1000 * (time.perf_counter() - start))
    result: dict[str, dict[str, Row]] = {name: {} for name in files}
    for (name, threads), values in taken.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        result[name][str(threads)] = {
            "median": middle, "quartiles": [low, high], "least": min(values)
        }  # fmt: skip
    return result


def measure(options: argparse.Namespace) -> Row:
    """Everything the tables need."""
    import bert_keras
    from bert_keras.export.tflite.answers import id_answers_of
    from bert_keras.export.tflite.convert import Converter
    from bert_keras.export.tflite.examples import Examples, as_file_reads, for_ranges
    from bert_keras.export.tflite.measure import Judge, batches_of
    from bert_keras.tasks import task_of

    model = bert_keras.load(options.model)
    task = task_of(model)
    dev, train = (task.read(str(options.data / name)) for name in ("dev.tsv", "train.tsv"))
    taken = train[:: max(1, len(train) // options.calibration)][: options.calibration]
    answers = id_answers_of(model)
    examples = Examples(model, dev, taken, "dev.tsv", is_labeled=True)
    sequences = as_file_reads(examples, model.tokenizer, options.length)
    judge = Judge(model, answers, sequences, options.length)
    calibration = for_ranges(examples, model.tokenizer, options.length)
    ranges = batches_of(calibration, model.tokenizer.pad_id, options.length)
    converter = Converter(model, answers, options.length, None)

    files = {variant: converter.convert(variant, ranges) for variant in OURS}
    plain = files["none"]
    makers: dict[str, Callable[[], bytes]] = {
        "converter, all ranges fixed": lambda: by_converter(
            Converter(model, answers, options.length, -50.0), ranges
        ),
        "ai-edge-quantizer, dynamic": lambda: by_quantizer(plain, ranges, None),
    }
    files |= {name: make() for name, make in makers.items()}
    rows = {}
    for name, data in files.items():
        rows[name] = answered(judge, data)
        print(name, rows[name], flush=True)
    for name, times in timed(files, judge.batches, options.runs).items():
        rows[name]["milliseconds"] = times
    parts = {}
    for name, fixed in PARTS.items():
        parts[name] = answered(judge, by_quantizer(plain, ranges, fixed))
        print(name, parts[name], flush=True)
    return {
        "machine": platform.machine(),
        "environment": environment(),
        "load": os.getloadavg()[0],
        "length": options.length,
        "texts": len(dev),
        "calibration": len(taken),
        "runs": options.runs,
        "variants": rows,
        "fixed": parts,
    }


def variants_table(results: Row) -> str:
    """The variants, as Markdown."""
    first = results["variants"]["none"]
    rows = []
    for name, row in results["variants"].items():
        one, two = (row["milliseconds"][str(threads)] for threads in THREADS)
        rows.append([
            {"none": "float32"}.get(name, name), f"{row['bytes'] / 1e6:.1f}",
            f"{row['bytes'] / first['bytes']:.1%}", row["operations"], *shown(row),
            spread(one), f"{first['milliseconds']['1']['least'] / one['least']:.1f}", spread(two),
        ])  # fmt: skip
    return markdown(
        ["variant", "MB", "of float32", "operations", *ANSWERS, "ms, 1 thread", "times as fast",
         "ms, 2 threads"], rows,
    )  # fmt: skip


def fixed_table(results: Row) -> str:
    """The loss of each product, as Markdown."""
    rows = {"none: all as they come": results["variants"]["ai-edge-quantizer, dynamic"]}
    rows |= results["fixed"]
    return markdown(["ranges fixed", *ANSWERS], ([name, *shown(row)] for name, row in rows.items()))


def shown(row: Row) -> list[str]:
    """The differences of the answers."""
    numbers = (row["largest_difference"], row["logits_rms"])
    shares = (row["agreement"], row["accuracy"])
    return [*(f"{n:.2g}" for n in numbers), *(f"{s:.4f}" for s in shares), f"{row['p']:.2f}"]


def spread(times: Row) -> str:
    """The least, the median and the quartiles around it."""
    low, high = times["quartiles"]
    return f"{times['least']:.2f}; {times['median']:.1f} ({low:.1f}–{high:.1f})"


def render(results: Row) -> None:
    """Replace what stands between the marks of README.md."""
    for name, table in (("variants", variants_table), ("fixed", fixed_table)):
        replace_block(HERE / "README.md", f"mobile {name}", table(results))


def main() -> None:
    """Measure, write, render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="fine-tuned on SST-2")
    parser.add_argument("--data", type=Path, help="the folder of train.tsv and dev.tsv")
    parser.add_argument("--json", type=Path, default=HERE / "mobile.json")
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--calibration", type=int, default=200, help="texts for the ranges")
    parser.add_argument("--runs", type=int, default=200, help="of each variant and threads")
    parser.add_argument("--render", action="store_true", help="only render the last results")
    options = parser.parse_args()
    if not options.render:
        if not options.model or not options.data:
            parser.error("MODEL and --data are needed")
        results = measure(options)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    render(json.loads(options.json.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
