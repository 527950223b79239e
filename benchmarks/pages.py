"""What rendering results takes: places on a page, the conditions, error bars."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def replace_block(page: Path, name: str, block: str) -> None:
    """Replaces what stands between ``<!-- name -->`` and ``<!-- end name -->``."""
    text = page.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- end {name} -->"
    if first not in text or last not in text:
        raise SystemExit(f"{page} has no marks {first} and {last}")
    replaced = re.sub(
        f"{first}.*{last}", lambda _: f"{first}\n{block}\n{last}", text, flags=re.DOTALL
    )
    page.write_text(replaced, encoding="utf-8")


def conditions(machine: Mapping[str, str]) -> str:
    """What it was measured on, from ``machine.environment()``: a sentence."""
    versions = [f"{name} {version}" for name, version in list(machine.items())[2:]]
    return f"{machine['processor']}, {machine['cores']} cores; {', '.join(versions)}."


def error_bars(rows: Iterable[Mapping[str, Any]], middle: str = "per_second") -> list[list[float]]:
    """How far ``least`` and ``most`` of each row lie from its middle, as matplotlib takes them."""
    rows = list(rows)
    return [[abs(row[edge] - row[middle]) for row in rows] for edge in ("least", "most")]
