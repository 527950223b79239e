"""The learning curves of a run, compared with guessing."""

import itertools
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bert_keras.errors import InputError
from bert_keras.files import atomic_file
from bert_keras.objectives.means import LOSS
from bert_keras.saving.mark import read_mark
from bert_keras.training.metrics import METRICS_FILE, read_metrics

CURVES_FILE = "curves.png"


class _Description(NamedTuple):
    title: str
    unit: str


# By the prefix of the names of a loss and an accuracy, in the order of their panels; and the
# metrics on the dev examples, which share the panel of an accuracy.
_DESCRIBED: dict[str, _Description] = {}
_METRICS: set[str] = set()


def describe_curves(
    objective: str, title: str, unit: str = "nats", metrics: Sequence[str] = ()
) -> None:
    """Set the titles of an objective's curves in all pictures.

    Args:
        objective: The prefix of the names of its loss and its accuracy; a second call for it does
            not change its title.
        title: Its name.
        unit: The unit of the loss.
        metrics: Those of fine-tuning on the dev examples that are drawn; ``*`` stands for anything.
    """
    _DESCRIBED.setdefault(objective, _Description(title, unit))
    _METRICS.update(metrics)


def plot_curves(workdir: str | Path) -> Path:
    """Draw ``curves.png`` from ``metrics.jsonl``.

    A thin vertical line marks a change of the sequence length, with which the held-out examples and
    the accuracy of guessing change too.

    Args:
        workdir: The run's work directory.

    Returns:
        The path of the picture.

    Raises:
        InputError: When the run has logged nothing yet, or a ``curves.png`` is not of a run.

    Example:
        >>> plot_curves("run").as_posix()
        'run/curves.png'
    """
    workdir = Path(workdir)
    lines = read_metrics(workdir)
    if not lines:
        raise InputError(
            f"{workdir} has no {METRICS_FILE} with a finished step; is it a work directory?"
        )
    figure = Figure(figsize=(10, 7), layout="constrained")
    logged = dict.fromkeys(name for line in lines for name in line)
    found = [name.removesuffix(LOSS) for name in logged if name.endswith(LOSS)]
    panels = figure.subplots(2, max(1, len(found)), squeeze=False)
    for column, name in enumerate(found):
        title, unit = _DESCRIBED.get(name, _Description(name.replace("_", " "), "its unit"))
        baseline = f"{name}_baseline_accuracy"
        _panel(panels[0][column], lines, f"{name}{LOSS}", f"{title}: loss ({unit})", None)
        _panel(panels[1][column], lines, f"{name}_accuracy", f"{title}: accuracy", baseline)
    _metrics(panels[1][0], lines)
    path = workdir / CURVES_FILE
    if path.exists() and read_mark(workdir) is None:
        raise InputError(f"{path} is not of a run, and stays as it is; move it, then plot again")
    with atomic_file(path, replace=True) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _length_changes(lines: list[dict[str, Any]]) -> list[int]:
    """The steps after which the sequence length changed."""
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
    _legend(axes)


def _metrics(axes: Axes, lines: list[dict[str, Any]]) -> None:
    """Add the dev examples' metrics to the panel of the accuracy."""
    drawn = (name for line in lines for name in line if any(fnmatchcase(name, m) for m in _METRICS))
    for name in dict.fromkeys(drawn):
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=f"dev {name}")
            axes.set_title(axes.get_title().replace(": accuracy", ": metrics"))
    _legend(axes)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
