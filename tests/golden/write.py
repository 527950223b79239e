"""Writes the golden values anew, of all groups or of those that are named.

python -m tests.golden.write [GROUP...]
"""

import argparse
import json
import math
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.golden.exports import mobile_values, quantized_values, serving_values
from tests.golden.files import files_values
from tests.golden.runs import runs_values
from tests.golden.sampling import corpus_values, sampling_values
from tests.golden.tokens import tokens_values
from tests.golden.training import outputs_values, pretraining_values, tasks_values

FILE = Path(__file__).with_name("values.json")
GROUPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "corpus": corpus_values,
    "sampling": sampling_values,
    "tokens": tokens_values,
    "files": files_values,
    "outputs": outputs_values,
    "pretraining": pretraining_values,
    "tasks": tasks_values,
    "runs": runs_values,
    "serving": serving_values,
    "mobile": mobile_values,
    "quantized": quantized_values,
}
_WRITTEN_WITH = ("tensorflow", "keras", "numpy", "tokenizers", "safetensors", "tensorflow-text")


def compute(group: str) -> dict[str, Any]:
    """What today's code gives for a group, as it is stored."""
    with tempfile.TemporaryDirectory() as folder:
        return {key: _rounded(value) for key, value in GROUPS[group](Path(folder)).items()}


def stored() -> dict[str, Any]:
    """The file: ``written_with`` and ``values`` by group and key."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"values": {}}


def main() -> None:
    """Writes the groups that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    names = parser.parse_args().groups or list(GROUPS)
    if odd := set(names) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(odd))}; there are {', '.join(GROUPS)}")
    found = stored()["values"]
    found |= {group: compute(group) for group in names}
    versions = {name: version(name) for name in _WRITTEN_WITH} | {
        "python": platform.python_version(),
        "processor": platform.machine(),
    }
    # A line a key, so that a change shows what it moved.
    groups = [f"{_text(name)}: {_block(found[name], '  ')}" for name in GROUPS if name in found]
    values = "{\n  " + ",\n  ".join(groups) + "\n }"
    FILE.write_text(
        f'{{\n "written_with": {_text(versions)},\n "values": {values}\n}}\n', encoding="utf-8"
    )


def _block(values: dict[str, Any], indent: str) -> str:
    lines = [f"{indent} {_text(key)}: {_text(value)}" for key, value in values.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _rounded(value: Any) -> Any:
    """Floats to eight digits, more than float32 has; the rest as it is."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        assert math.isfinite(value)
        return float(f"{value:.8g}")
    return value


if __name__ == "__main__":
    main()
