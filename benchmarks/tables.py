"""Render the results (the .json files here) into the tables of README.md, and plot them.

python benchmarks/tables.py
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import floor
from pathlib import Path
from statistics import mean, median
from typing import Any

HERE = Path(__file__).parent
OURS = "bert_keras, bfloat16"
PEERS = ("keras-hub", "transformers", "tokenizers")
# Of the data of fine-tuning: their name in the table, and the metrics that are shown.
DATA = {
    "sst2": ("SST-2", {"accuracy": "accuracy"}),
    "mrpc": ("MRPC", {"accuracy": "accuracy", "f1_1": "F1"}),
    "wnut16": ("WNUT-16", {"f1": "entity F1"}),
    "xquad": ("XQuAD, English", {"exact_match": "EM", "f1": "F1"}),
    "chnsenticorp": ("hotel reviews (Chinese)", {"accuracy": "accuracy"}),
    "sst2-sotu": ("SST-2", {"accuracy": "accuracy"}),
}

Result = Mapping[str, Any]


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def replace_block(page: Path, name: str, block: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end name -->``."""
    text = page.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- end {name} -->"
    if first not in text or last not in text:
        raise SystemExit(f"{page} has no marks {first} and {last}")
    replaced = re.sub(
        f"{first}.*{last}", lambda _: f"{first}\n{block}\n{last}", text, flags=re.DOTALL
    )
    page.write_text(replaced, encoding="utf-8")


def conditions(machine: Mapping[str, str]) -> str:
    """The machine of a measurement, from ``machine.environment()``: a sentence."""
    versions = [f"{name} {version}" for name, version in list(machine.items())[2:]]
    return f"{machine['processor']}, {machine['cores']} cores; {', '.join(versions)}."


def data_pipeline(result: Result) -> str:
    """A row for each stage."""
    rows = [
        [
            name,
            f"{row['per_second'] / 1e6:.2f}",
            f"{row['least'] / 1e6:.2f}–{row['most'] / 1e6:.2f}",
        ]
        for name, row in result["stages"].items()
    ]
    text = result["settings"]["text"]
    return "\n".join(
        [
            markdown(["stage", "million tokens/s", "least–most"], rows),
            "",
            f"`prepare` read {text['bytes'] / 1e6:.1f} MB, {text['tokens'] / 1e6:.1f} million "
            f"word pieces. {conditions(result['machine'])}",
            "",
            "![tokens a second by stage](data_pipeline.svg)",
        ]
    )


def data_share(result: Result) -> str:
    """The pipeline's share of a step."""
    header = ["model", "a batch, ms of the processor", "a step", "the pipeline's share"]
    rows = []
    for name, row in result["share_of_step"].items():
        share = row["batch_ms"] / (row["batch_ms"] + row["step_ms"])
        rows.append([name, f"{row['batch_ms']:.2f}", f"{row['step_ms']:.0f}", f"{share:.2%}"])
    return markdown(header, rows)


def finetuning(results: Result, other: str) -> str:
    """A row for each metric of the data that were learned by ``other`` too."""
    is_race = other == "transformers"  # two of ours are as fast
    name_of_other = other.replace("random", "from random weights")
    header = ["data", "steps", "metric", "bert_keras", name_of_other, "difference, 95 %", "seconds"]
    rows = []
    for name, (title, metrics) in DATA.items():
        if name not in results or other not in results[name]:
            continue
        row = results[name]
        sides = (row["bert_keras"], row[other])
        bounds = row["difference_95"]
        difference = f"{bounds[0]:+.3f} to {bounds[1]:+.3f}" if bounds else "not measured"
        times = [median(run["seconds"] for run in side) for side in sides]
        for metric, label in metrics.items():
            cells = [title, row["steps"], label, *(scores(side, metric) for side in sides)]
            cells += [difference if metric == row["metric"] else ""]
            cells += [f"{times[0]:.0f} / {times[1]:.0f}"]
            rows.append(cells + ([f"{times[1] / times[0]:.1f}"] if is_race else []))
    return markdown(header + (["times as fast"] if is_race else []), rows)


def scores(runs: Sequence[Mapping[str, float]], metric: str) -> str:
    """The mean over the seeds, and the seeds' own."""
    values = [run[metric] for run in runs]
    return f"{mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def times_to_score(results: Result) -> str:
    """The time at which each side first reached the best score that both reached."""
    header = ["data", "metric", "score", "bert_keras, s", "transformers, s", "times as fast"]
    rows = []
    for name, row in results.items():
        sides = [row.get(side, [{}])[0].get("curve") for side in ("bert_keras", "transformers")]
        if not all(sides):
            continue
        level = floor(100 * min(max(score for _, score in curve) for curve in sides)) / 100
        first, second = (next(s for s, score in curve if score >= level) for curve in sides)
        cells = [DATA[name.removesuffix("-curve")][0], row["metric"], f"{level:.2f}"]
        rows.append([*cells, f"{first:.0f}", f"{second:.0f}", f"{second / first:.1f}"])
    return markdown(header, rows)


def serving_speeds(result: Result) -> str:
    """A row for each contestant."""
    header = [
        "", "computes in", "threads", "batch 1, median ms", "range of rounds", "least",
        "processor ms", "batch 32, sentences/s", "processor ms", "a batch a core, sentences/s",
        "largest difference",
    ]  # fmt: skip
    rows = []
    for row in result["contestants"]:
        one, many, difference = row["batch_1"], row["batch_32"], row.get("largest_difference")
        rows.append([
            row["name"], row["dtype"], row["threads"], one["median_ms"],
            "–".join(map(str, one["range_ms"])), one["least_ms"], one["processor_ms"],
            many["sentences_per_second"], many["processor_ms"],
            row.get("at_once", {"sentences_per_second": ""})["sentences_per_second"],
            "" if difference is None else f"{difference:.0e}",
        ])  # fmt: skip
    load = " before and ".join(f"{load:.1f}" for load in result["load"])
    conditions_of_run = f"The load was {load} after. {conditions(result['environment'])}"
    return f"{markdown(header, rows)}\n\n{conditions_of_run}"


def first_requests(result: Result) -> str:
    """The first request's time over the same one's later, by batch size."""
    contestants = [row for row in result["contestants"] if "first_request" in row]
    sizes = [f"batch {size}: first, largest" for size in contestants[0]["first_request"]]
    rows = [
        [
            f"{row['name']}, {row['dtype']}, {row['threads']} threads",
            *(f"{times['first']}, {times['largest']}" for times in row["first_request"].values()),
            f"{row['tokens_per_second'] / 1e6:.2f} M",
        ]
        for row in contestants
    ]
    return markdown(["", *sizes, "tokens/s"], rows)


def training_steps(results: Result) -> str:
    """A table for each shape."""
    header = ["", "examples/s (least–most)", "share", "ours is", "peak memory, MB",
              "above the state's"]  # fmt: skip
    blocks = []
    for shape, result in results.items():
        contestants = result["contestants"]
        rows = []
        for name, row in contestants.items():
            speed = row["per_second"]
            times = contestants[OURS]["per_second"] / speed if OURS in contestants else 0.0
            cells = [name, f"{speed:.1f} ({row['least']:.1f}–{row['most']:.1f})"]
            cells += [f"{row['share']:.0%}" if "share" in row else "", f"{times:.2f} ×"]
            # The peers make their optimizer's state in the first step.
            added = row["peak_mb"] - row["peak_before_mb"] if "bert_keras" in name else ""
            rows.append([*cells, row["peak_mb"], added])
        rate = result.get("gflops", "(not measured)")
        blocks += [f"**{shape}**; bfloat16 products at {rate} GFLOP/s", markdown(header, rows)]
    return "\n\n".join([*blocks, "![examples a second](training_step.svg)"])


def scaling(results: Result) -> str:
    """A table for each thing that is varied."""
    blocks = []
    for what, result in results.items():
        rows = []
        for value, row in result["rows"].items():
            speed = f"{row['tokens_per_second']:,} ({row['least']:,}–{row['most']:,})"
            added = row["peak_mb"] - row["peak_before_mb"]
            rows.append([value, speed, f"{row['peak_mb']:,}", f"{added:,}"])
        header = [what, "tokens/s (least–most)", "peak memory, MB", "above the start's"]
        blocks += [markdown(header, rows), f"![{what}](scaling-{what}.svg)"]
    return "\n\n".join(blocks)


def time_to_quality(result: Result) -> str:
    """The held-out losses over the minutes, and when our recipe was as far."""
    recipe = result["curves"]["bert_keras, small-sotu.toml"]
    last = recipe[-1][0]
    at = [last / 3, last / 2, last]
    rows = []
    for name, points in result["curves"].items():
        losses = [min(points, key=lambda p, s=s: abs(p[0] - s))[1] for s in at]
        sooner = next((seconds for seconds, loss in recipe if loss <= points[-1][1]), None)
        minutes = "never" if sooner is None else f"{sooner / 60:g}"
        is_own = name.startswith("bert_keras")
        rows.append([name, *(f"{loss:.2f}" for loss in losses), "" if is_own else minutes])
    columns = [f"{seconds / 60:g} minutes" for seconds in at]
    table = markdown(["", *columns, "minutes until ours is there"], rows)
    return f"{table}\n\n![loss over minutes](time_to_quality.svg)"


def error_bars(rows: Iterable[Result], middle: str = "per_second") -> list[list[float]]:
    """The distances of ``least`` and ``most`` of each row from its middle, for matplotlib."""
    rows = list(rows)
    return [[abs(row[edge] - row[middle]) for row in rows] for edge in ("least", "most")]


def plot(panels: Mapping[str, Mapping[str, Result]], path: Path, **axis: Any) -> None:
    """Bars of ``per_second`` of the rows of each panel, with the range of the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (5 * len(panels), 3.6) if len(panels) > 1 else (8, 4.5)
    figure, grid = pyplot.subplots(
        1, len(panels), figsize=size, layout="constrained", squeeze=False
    )
    for axes, (title, rows) in zip(grid[0], panels.items(), strict=True):
        rows = dict(reversed(rows.items()))
        names = [name.replace("`", "") for name in rows]
        colors = ["0.7" if any(peer in name for peer in PEERS) else "C0" for name in rows]
        middle = [row["per_second"] for row in rows.values()]
        axes.barh(names, middle, xerr=error_bars(rows.values()), color=colors, capsize=2)
        axes.set(title=title, **axis)
    figure.savefig(path)


# The block of the page, the file of its results, and what renders them.
BLOCKS: dict[str, tuple[str, Callable[[Result], str]]] = {
    "data pipeline": ("data_pipeline", data_pipeline),
    "data share": ("data_pipeline", data_share),
    "finetuning transformers": ("finetuning", lambda results: finetuning(results, "transformers")),
    "finetuning random": ("finetuning", lambda results: finetuning(results, "random")),
    "finetuning time to score": ("finetuning", times_to_score),
    "serving speeds": ("serving", serving_speeds),
    "serving first requests": ("serving", first_requests),
    "training steps": ("training_step", training_steps),
    "scaling": ("scaling", scaling),
    "time to quality": ("time_to_quality", time_to_quality),
}


def main() -> None:
    """Replace what stands between the marks of each block, and plot anew."""
    files = {name for name, _ in BLOCKS.values()}
    results = {
        name: json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in files
    }
    for block, (name, render) in BLOCKS.items():
        replace_block(HERE / "README.md", block, render(results[name]))
    stages = {"": results["data_pipeline"]["stages"]}
    plot(stages, HERE / "data_pipeline.svg", xlabel="tokens a second", xscale="log")
    shapes = {
        shape: result["contestants"]
        for shape, result in results["training_step"].items()
        if any(peer in name for name in result["contestants"] for peer in PEERS)
    }
    plot(shapes, HERE / "training_step.svg", xlabel="examples a second")


if __name__ == "__main__":
    main()
