"""Renders finetuning.json into the tables of README.md.

python benchmarks/finetuning_table.py
"""

import json
from math import floor
from pathlib import Path
from statistics import mean, median
from typing import Any

from pages import replace_block

HERE = Path(__file__).parent
# A row's name in the table, and the metrics of it that are shown.
ROWS = {
    "sst2": ("SST-2", {"accuracy": "accuracy"}),
    "mrpc": ("MRPC", {"accuracy": "accuracy", "f1_1": "F1"}),
    "wnut16": ("WNUT-16", {"f1": "entity F1"}),
    "xquad": ("XQuAD, English", {"exact_match": "EM", "f1": "F1"}),
    "chnsenticorp": ("hotel reviews (Chinese)", {"accuracy": "accuracy"}),
    "sst2-sotu": ("SST-2", {"accuracy": "accuracy"}),
}
HEADER = ["data", "steps", "metric", "bert_keras", "", "difference, 95 %", "seconds"]


def table(results: dict[str, Any], other: str) -> str:
    """The rows that stand beside ``other``, as Markdown."""
    is_race = other == "transformers"  # two of ours are as fast
    header = [title or other.replace("random", "from random weights") for title in HEADER]
    header += ["times as fast"] if is_race else []
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for name, (title, metrics) in ROWS.items():
        if name not in results or other not in results[name]:
            continue
        row = results[name]
        ours, theirs = row["bert_keras"], row[other]
        bounds = row["difference_95"]
        difference = f"{bounds[0]:+.3f} to {bounds[1]:+.3f}" if bounds else "not measured"
        for metric, label in metrics.items():
            is_main = metric == row["metric"]
            cells = [title, str(row["steps"]), label, scores(ours, metric), scores(theirs, metric)]
            cells += [difference if is_main else ""]
            times = [median(run["seconds"] for run in side) for side in (ours, theirs)]
            cells += [f"{times[0]:.0f} / {times[1]:.0f}"]
            cells += [f"{times[1] / times[0]:.1f}"] if is_race else []
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def scores(runs: list[dict[str, float]], metric: str) -> str:
    """The mean over the seeds, and the seeds' own."""
    values = [run[metric] for run in runs]
    return f"{mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def times_to_score(results: dict[str, Any]) -> str:
    """When each side first reached the best score that both reached, where it was asked often."""
    lines = [
        "| data | metric | score | bert_keras, s | transformers, s | times as fast |",
        "|" + " --- |" * 6,
    ]
    for name, row in results.items():
        sides = [row.get(side, [{}])[0].get("curve") for side in ("bert_keras", "transformers")]
        if not all(sides):
            continue
        level = floor(100 * min(max(score for _, score in curve) for curve in sides)) / 100
        ours, theirs = (next(s for s, score in curve if score >= level) for curve in sides)
        title = ROWS[name.removesuffix("-curve")][0]
        cells = [title, row["metric"], f"{level:.2f}", f"{ours:.0f}", f"{theirs:.0f}"]
        lines.append(f"| {' | '.join(cells)} | {theirs / ours:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Replaces what stands between the marks."""
    results = json.loads((HERE / "finetuning.json").read_text(encoding="utf-8"))
    for other in ("transformers", "random"):
        replace_block(HERE / "README.md", f"finetuning {other}", table(results, other))
    replace_block(HERE / "README.md", "finetuning time to score", times_to_score(results))


if __name__ == "__main__":
    main()
