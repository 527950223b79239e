"""Renders data_pipeline.json into the tables of README.md, and plots it.

python benchmarks/data_table.py
"""

import json
from pathlib import Path
from typing import Any

from pages import conditions, error_bars, replace_block

HERE = Path(__file__).parent
PEERS = ("keras-hub", "transformers", "tokenizers")


def stages(result: dict[str, Any]) -> str:
    """A row for each stage, as Markdown."""
    lines = ["| stage | million tokens/s | least–most |", "| --- | --- | --- |"]
    for name, row in result["stages"].items():
        middle, least, most = (row[key] / 1e6 for key in ("per_second", "least", "most"))
        lines.append(f"| {name} | {middle:.2f} | {least:.2f}–{most:.2f} |")
    text = result["settings"]["text"]
    return "\n".join(
        [
            *lines,
            "",
            f"`prepare` read {text['bytes'] / 1e6:.1f} MB, {text['tokens'] / 1e6:.1f} million "
            f"word pieces. {conditions(result['machine'])}",
            "",
            "![tokens a second by stage](data_pipeline.svg)",
        ]
    )


def shares(result: dict[str, Any]) -> str:
    """What the pipeline takes of a step, as Markdown."""
    lines = [
        "| model | a batch, ms of the processor | a step | the pipeline's share |",
        "| --- | --- | --- | --- |",
    ]
    for name, row in result["share_of_step"].items():
        share = row["batch_ms"] / (row["batch_ms"] + row["step_ms"])
        lines.append(f"| {name} | {row['batch_ms']:.2f} | {row['step_ms']:.0f} | {share:.2%} |")
    return "\n".join(lines)


def plot(result: dict[str, Any], path: Path) -> None:
    """Bars of the tokens a second, with the range of the rounds; a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = dict(reversed(result["stages"].items()))
    middle = [row["per_second"] for row in rows.values()]
    colours = ["0.7" if any(peer in name for peer in PEERS) else "C0" for name in rows]
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    names = [name.replace("`", "") for name in rows]
    axes.barh(names, middle, xerr=error_bars(rows.values()), color=colours)
    axes.set(xlabel="tokens a second", xscale="log")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)


def main() -> None:
    """Replaces what stands between the marks."""
    result = json.loads((HERE / "data_pipeline.json").read_text(encoding="utf-8"))
    replace_block(HERE / "README.md", "data pipeline", stages(result))
    replace_block(HERE / "README.md", "data share", shares(result))
    plot(result, HERE / "data_pipeline.svg")


if __name__ == "__main__":
    main()
