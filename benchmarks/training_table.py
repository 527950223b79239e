"""Renders training_step.json, scaling.json and time_to_quality.json into README.md; plots steps.

python benchmarks/training_table.py
"""

import json
from pathlib import Path
from typing import Any

from pages import error_bars, replace_block

HERE = Path(__file__).parent
OURS = "bert_keras, bfloat16"


def steps(results: dict[str, Any]) -> str:
    """A table for each shape, as Markdown."""
    parts = []
    for shape, result in results.items():
        rows = result["contestants"]
        lines = [
            f"**{shape}**; bfloat16 products at {result.get('gflops', '(not measured)')} GFLOP/s",
            "",
            "| | examples/s (least–most) | share | ours is | peak memory, MB | above the state's |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for name, row in rows.items():
            times = rows[OURS]["per_second"] / row["per_second"] if OURS in rows else 0.0
            speed = f"{row['per_second']:.1f} ({row['least']:.1f}–{row['most']:.1f})"
            cells = [
                name,
                speed,
                f"{row['share']:.0%}" if "share" in row else "",
                f"{times:.2f} ×",
                str(row["peak_mb"]),
                # The peers make their optimizer's state in the first step.
                str(row["peak_mb"] - row["peak_before_mb"])
                if name.startswith("bert_keras")
                else "",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "![examples a second](training_step.svg)"])


def growth(results: dict[str, Any]) -> str:
    """A table for each thing that is varied."""
    parts = []
    for what, result in results.items():
        lines = [
            f"| {what} | tokens/s (least–most) | peak memory, MB | above the start's |",
            "|" + " --- |" * 4,
        ]
        for value, row in result["rows"].items():
            speed = f"{row['tokens_per_second']:,} ({row['least']:,}–{row['most']:,})"
            added = row["peak_mb"] - row["peak_before_mb"]
            lines.append(f"| {value} | {speed} | {row['peak_mb']:,} | {added:,} |")
        lines += ["", f"![{what}](scaling-{what}.svg)"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def quality(result: dict[str, Any]) -> str:
    """The held-out losses over the minutes, and when our recipe was as far."""
    curves = result["curves"]
    recipe = curves["bert_keras, small-sotu.toml"]
    last = recipe[-1][0]
    at = [last / 3, last / 2, last]
    columns = [f"{seconds / 60:g} minutes" for seconds in at]
    lines = [
        f"| | {' | '.join(columns)} | minutes until ours is there |",
        "|" + " --- |" * (len(at) + 2),
    ]
    for name, points in curves.items():
        losses = [min(points, key=lambda p, s=s: abs(p[0] - s))[1] for s in at]
        sooner = next((seconds for seconds, loss in recipe if loss <= points[-1][1]), None)
        minutes = "never" if sooner is None else f"{sooner / 60:g}"
        cells = [f"{loss:.2f}" for loss in losses]
        cells += ["" if name.startswith("bert_keras") else minutes]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "![loss over minutes](time_to_quality.svg)"])


def has_peers(result: dict[str, Any]) -> bool:
    """Whether it stands beside others, or has to do with ours alone."""
    return any(not name.startswith("bert_keras") for name in result["contestants"])


def plot(results: dict[str, Any], path: Path) -> None:
    """Bars of the examples a second beside the peers', with the range of the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = {shape: found for shape, found in results.items() if has_peers(found)}
    figure, panels = pyplot.subplots(
        1, len(results), figsize=(5 * len(results), 3.6), layout="constrained", squeeze=False
    )
    for axes, (shape, result) in zip(panels[0], results.items(), strict=True):
        rows = dict(reversed(result["contestants"].items()))
        middle = [row["per_second"] for row in rows.values()]
        spread = error_bars(rows.values())
        colours = ["C0" if name.startswith("bert_keras") else "0.7" for name in rows]
        axes.barh(list(rows), middle, xerr=spread, color=colours, capsize=2)
        axes.set(title=shape, xlabel="examples a second")
    figure.savefig(path)


def main() -> None:
    """Replaces what stands between the marks."""
    page = HERE / "README.md"
    for file, name, render in (
        ("training_step.json", "training steps", steps),
        ("scaling.json", "scaling", growth),
        ("time_to_quality.json", "time to quality", quality),
    ):
        if (HERE / file).exists():
            results = json.loads((HERE / file).read_text(encoding="utf-8"))
            replace_block(page, name, render(results))
            if render is steps:
                plot(results, HERE / "training_step.svg")


if __name__ == "__main__":
    main()
