"""Renders serving.json into the tables of README.md.

python benchmarks/serving_table.py
"""

import json
from pathlib import Path
from typing import Any

from pages import conditions, replace_block

HERE = Path(__file__).parent


def speeds(result: dict[str, Any]) -> str:
    """A row for each contestant, as Markdown."""
    lines = [
        "| | computes in | threads | batch 1, median ms | range of rounds | least | processor ms "
        "| batch 32, sentences/s | processor ms | a batch a core, sentences/s "
        "| largest difference |",
        "|" + " --- |" * 11,
    ]
    for row in result["contestants"]:
        one, many = row["batch_1"], row["batch_32"]
        difference = row.get("largest_difference")
        at_once = row.get("at_once", {"sentences_per_second": "", "range": []})
        cells = [
            row["name"], row["dtype"], row["threads"], one["median_ms"],
            "–".join(map(str, one["range_ms"])), one["least_ms"], one["processor_ms"],
            many["sentences_per_second"], many["processor_ms"], at_once["sentences_per_second"],
            "" if difference is None else f"{difference:.0e}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    loads = " before and ".join(f"{load:.1f}" for load in result["load"])
    measured_on = f"The load was {loads} after. {conditions(result['environment'])}"
    return "\n".join([*lines, "", measured_on])


def first_requests(result: dict[str, Any]) -> str:
    """The first request's time over the same one's later, by batch size."""
    rows = [row for row in result["contestants"] if "first_request" in row]
    sizes = list(rows[0]["first_request"])
    lines = [
        f"| | {' | '.join(f'batch {size}: first, largest' for size in sizes)} | tokens/s |",
        "| --- |" + " --- |" * (len(sizes) + 1),
    ]
    for row in rows:
        cells = [f"{row['name']}, {row['dtype']}, {row['threads']} threads"]
        cells += [f"{part['first']}, {part['largest']}" for part in row["first_request"].values()]
        cells += [f"{row['tokens_per_second'] / 1e6:.2f} M"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Replaces what stands between the marks."""
    result = json.loads((HERE / "serving.json").read_text(encoding="utf-8"))
    replace_block(HERE / "README.md", "serving speeds", speeds(result))
    replace_block(HERE / "README.md", "serving first requests", first_requests(result))


if __name__ == "__main__":
    main()
