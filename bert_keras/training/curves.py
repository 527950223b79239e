"""The learning curves of a run, beside what guessing would reach."""

import itertools
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bert_keras.errors import InputError
from bert_keras.training.metrics import METRICS_FILE, read_metrics

CURVES_FILE = "curves.png"

_TASKS = {"mlm": "Masked words", "nsp": "Next sentence"}


def plot_curves(workdir: str | Path) -> Path:
    """Draws ``curves.png`` from ``metrics.jsonl``.

    A thin vertical line marks where the run went on to longer sequences; the held-out pairs, and
    what guessing reaches on them, are others from there on.

    Returns:
        The path of the picture.

    Raises:
        InputError: When the run has logged nothing yet.
    """
    workdir = Path(workdir)
    lines = read_metrics(workdir)
    if not lines:
        raise InputError(
            f"{workdir} has no {METRICS_FILE} with a finished step; is it a work directory?"
        )
    figure = Figure(figsize=(10, 7), layout="constrained")
    tasks = [task for task in _TASKS if any(f"{task}_loss" in line for line in lines)]
    panels = figure.subplots(2, len(tasks), squeeze=False)
    for column, task in enumerate(tasks):
        title = _TASKS[task]
        _panel(panels[0][column], lines, f"{task}_loss", f"{title}: loss (nats)", None)
        _panel(
            panels[1][column],
            lines,
            f"{task}_accuracy",
            f"{title}: accuracy",
            f"{task}_baseline_accuracy",
        )
    path = workdir / CURVES_FILE
    temporary = path.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=120)
    temporary.replace(path)
    return path


def _length_changes(lines: list[dict[str, Any]]) -> list[int]:
    """The steps at which the run went on to another sequence length."""
    train = [line for line in lines if line["split"] == "train"]
    return [
        before["step"]
        for before, after in itertools.pairwise(train)
        if before.get("max_seq_length") != after.get("max_seq_length")
    ]


def _panel(
    axes: Axes, lines: list[dict[str, Any]], name: str, title: str, baseline: str | None
) -> None:
    for split, style in (("train", {"alpha": 0.5}), ("eval", {"marker": "o", "markersize": 3})):
        points = [
            (line["step"], line[name])
            for line in lines
            if line["split"] == split and line.get(name) is not None
        ]
        if points:
            label = {"train": "training", "eval": "held out"}[split]
            axes.plot(*zip(*points, strict=True), label=label, **style)
    guesses = [(line["step"], line[baseline]) for line in lines if baseline and baseline in line]
    if guesses:
        axes.plot(*zip(*guesses, strict=True), ":", color="gray", label="always the most frequent")
    for step in _length_changes(lines):
        axes.axvline(step, color="gray", linewidth=0.5)
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
