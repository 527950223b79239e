"""A training step on a TPU, as its compiler predicts it; nothing here is measured on one.

    make bench-tpu TPU_ARGS="--only base-128 --keep-hlo hlo"

lowers each step by TensorFlow (``tpu_step.py``), compiles it by the TPU's own compiler in an
environment of its own (``tpu_compiler.py``), adds what follows by arithmetic, keeps all as
``tpu.json`` and renders it into README.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import environment
from tables import conditions, markdown, replace_block
from tpu_step import STEPS, Step

HERE = Path(__file__).parent
PARTS = ("arguments", "results", "temporary")
REST = "others"
MOST = 6  # operations without cycles that are named on the page
Row = dict[str, Any]


@dataclass(frozen=True)
class Chip:
    """A chip's data sheet.

    Attributes:
        rate: Operations a second of bfloat16 products.
        per_cycle: The same in a cycle.
        memory: Bytes.
        bandwidth: Bytes of its memory a second.
    """

    rate: float
    per_cycle: int
    memory: float
    bandwidth: float

    @property
    def clock(self) -> float:
        """Cycles a second."""
        return self.rate / self.per_cycle


# https://cloud.google.com/tpu/docs; a v5e has four units of 128 x 128 multipliers. For a product of
# two matrices of 8,192 the compilers predict 115,000, 369,000 and 118,000 operations a cycle. A v4
# has two cores, each a device to its compiler: these are a core's halves.
CHIPS = {
    "v5e": Chip(197e12, 4 * 2 * 128**2, 16e9, 819e9),
    "v6e": Chip(918e12, 4 * 2 * 256**2, 32e9, 1640e9),
    "v4": Chip(275e12 / 2, 4 * 2 * 128**2, 32e9 / 2, 1228e9 / 2),
}


def derived(step: Step, chip: Chip, found: Row) -> Row:
    """The numbers that follow from the compiler's cycles."""
    cycles = found["cycles"]
    return {
        "sequences_per_second": round(step.batch * chip.clock / cycles, 1),
        "share": round(step.operations() / (cycles * chip.per_cycle), 4),
        "memory_cycles": round(found["bytes"] * chip.clock / chip.bandwidth),
        # To write what the operations without cycles give: they cannot take less.
        "without_cycles": round(
            sum(size for _, size in found["without"].values()) * chip.clock / chip.bandwidth
        ),
    }


def chosen(options: argparse.Namespace) -> list[str]:
    """The names of the steps that are asked for; ``tiny`` is for the test alone."""
    return options.only or [name for name in STEPS if name != "tiny"]


def predict(options: argparse.Namespace) -> None:
    """Add each step that is asked for to the results, as soon as it is there."""
    if options.keep_hlo:
        options.keep_hlo.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen(options):
            hlo = (options.keep_hlo or Path(folder)) / f"{name}.hlo"
            command = [sys.executable, str(HERE / "tpu_step.py"), name, str(hlo)]
            subprocess.run(command, check=True)  # noqa: S603
            for chip in options.chips:
                found = compile_step(name, hlo, chip, options.compiler)
                print(
                    name,
                    chip,
                    json.dumps({k: found[k] for k in found if k != "without"}),
                    flush=True,
                )
                add(options.json, name, chip, found)


def add(path: Path, name: str, chip: str, found: dict[str, Any]) -> None:
    """Put one prediction into the file of all."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"steps": {}}
    results |= {"machine": environment(), "compiler": found.pop("versions")}
    step = results["steps"].setdefault(name, {"chips": {}})
    step |= asdict(STEPS[name]) | {"operations": STEPS[name].operations()}
    step["chips"][chip] = found
    order = [known for known in STEPS if known in results["steps"]]
    results["steps"] = {known: results["steps"][known] for known in order}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compile_step(name: str, hlo: Path, chip: str, compiler: str) -> Row:
    """One step for one chip."""
    command = [compiler, str(HERE / "tpu_compiler.py"), str(hlo), "--chip", chip]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    found = json.loads(done.stdout.splitlines()[-1])
    return found | (derived(STEPS[name], CHIPS[chip], found) if found["compiles"] else {})


def table(results: Row) -> str:
    """A row for each step and chip."""
    header = [
        "step", "chip", "memory, GB", "program, MB", "compiled in, s", "million cycles",
        "without cycles, at least", "all bytes, million cycles", "sequences/s",
        "share of the chip's rate",
    ]  # fmt: skip
    rows = []
    for name, step in results.items():
        for chip, found in step["chips"].items():
            if not found["compiles"]:
                rows.append([name, chip, f"does not compile: {found['error']}", *[""] * 7])
                continue
            program, *others = (found["memory"][part] for part in ("program", *PARTS))
            rows.append([
                name, chip, f"{sum(others) / 1e9:.1f} of {CHIPS[chip].memory / 1e9:.0f}",
                f"{program / 1e6:.0f}", found["seconds"], f"{found['cycles'] / 1e6:.1f}",
                f"{found['without_cycles'] / 1e6:.1f}",
                f"{found['memory_cycles'] / 1e6:.1f}", f"{found['sequences_per_second']:,.0f}",
                f"{found['share']:.1%}",
            ])  # fmt: skip
    return markdown(header, rows)


def profiles(results: Row) -> dict[str, dict[str, float]]:
    """The share of each kind of operation in the cycles of each step on a v5e."""
    shares = {
        name: {kind: cycles / found["cycles"] for kind, cycles in found["kinds"].items()}
        for name, step in results.items()
        if (found := step["chips"].get("v5e")) and found["compiles"]
    }
    sums = Counter[str]()
    for profile in shares.values():
        sums.update(profile)
    named = [
        kind
        for kind, _ in sums.most_common()
        if any(p.get(kind, 0) >= 0.01 for p in shares.values())
    ]
    named = [kind for kind in named if kind != REST]
    return {
        name: {kind: profile.get(kind, 0.0) for kind in named}
        | {REST: sum(share for kind, share in profile.items() if kind not in named)}
        for name, profile in shares.items()
    }


def profile_table(results: Row) -> str:
    """A row for each kind of operation."""
    found = profiles(results)
    kinds = next(iter(found.values()))
    rows = [[kind, *(f"{profile[kind]:.1%}" for profile in found.values())] for kind in kinds]
    return markdown(["of the cycles on a v5e", *found], rows)


def unseen(results: Row) -> str:
    """The large operations without cycles of each step on a v5e."""
    lines = []
    for name, step in results.items():
        found = step["chips"].get("v5e", {})
        without = found.get("without", {})
        named = [
            f"{times} × `{text}` ({size / 1e6:,.0f} MB)" for text, (times, size) in without.items()
        ]
        if named:
            rest = f" and {len(named) - MOST} smaller ones" if len(named) > MOST else ""
            lines.append(f"- {name}: {', '.join(named[:MOST])}{rest}")
    return "\n".join(lines)


def plot(results: Row, path: Path) -> None:
    """Bars of the million cycles by kind for each step, divided by its sequences."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = dict(reversed(profiles(results).items()))
    size = (9, max(3.6, 1.2 + 0.5 * len(found)))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    colors = pyplot.get_cmap("tab20")
    lefts = dict.fromkeys(found, 0.0)
    for number, kind in enumerate(next(iter(found.values()))):
        widths = [profile[kind] for profile in found.values()]
        axes.barh([*found], widths, left=[*lefts.values()], label=kind, color=colors(number))
        lefts = {
            name: left + width for (name, left), width in zip(lefts.items(), widths, strict=True)
        }
    axes.set(xlabel="share of the cycles that the compiler of a v5e predicts", xlim=(0, 1))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    figure.savefig(path)


def render(results: Row) -> None:
    """Replace what stands between the marks of README.md, and plot."""
    steps = results["steps"]
    versions = ", ".join(f"{name} {text}" for name, text in results["compiler"].items())
    plot(steps, HERE / "tpu.svg")
    block = "\n\n".join([
        table(steps),
        f"Predicted by the compiler of {versions}, not measured. {conditions(results['machine'])}",
        profile_table(steps),
        "![the cycles by kind of operation, as predicted](tpu.svg)",
        "The largest operations for which the compiler gives no cycles, with all that they write:",
        unseen(steps),
    ])  # fmt: skip
    replace_block(HERE / "README.md", "tpu", block)


def main() -> None:
    """Predict, write, render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--compiler", help="a Python that has jax and libtpu (.venv-tpu/bin/python)"
    )
    parser.add_argument("--only", nargs="+", choices=STEPS, help="these steps; by default all")
    parser.add_argument("--chips", nargs="+", choices=CHIPS, default=["v5e"])
    parser.add_argument("--keep-hlo", type=Path, metavar="DIR", help="keep each step's HLO there")
    parser.add_argument("--json", type=Path, default=HERE / "tpu.json")
    parser.add_argument("--render", action="store_true", help="only render the last results")
    options = parser.parse_args()
    if not options.render:
        if not options.compiler or not shutil.which(options.compiler):
            parser.error("--compiler is needed: a Python that has jax and libtpu")
        kept = [options.keep_hlo / f"{name}.hlo" for name in chosen(options) if options.keep_hlo]
        if there := ", ".join(str(path) for path in kept if path.exists()):
            parser.error(f"{there} exists: remove it, or name another folder")
        predict(options)
    if options.json == HERE / "tpu.json":
        render(json.loads(options.json.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
