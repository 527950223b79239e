"""Puts rendered results where a page has marks for them."""

import re
from collections.abc import Mapping
from pathlib import Path


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
