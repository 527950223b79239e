"""The learning curves of a run, compared with guessing."""

import itertools
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bert_keras.errors import InputError
from bert_keras.files import atomic_file, write_text_atomic
from bert_keras.objectives.means import LOSS
from bert_keras.saving.mark import read_mark
from bert_keras.training.metrics import METRICS_FILE, read_metrics

CURVES_FILE = "curves.png"
MASKS_FILE = "filled_masks.json"
_LEAST_LINES = 12  # of the panel of filled masks


class _Description(NamedTuple):
    title: str
    unit: str


class FilledMask(NamedTuple):
    """A text with [MASK] and its likeliest words, each with its probability."""

    text: str
    candidates: list[tuple[str, float]]


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


def plot_curves(workdir: str | Path, masks: Sequence[FilledMask] = ()) -> Path:
    """Draw ``curves.png`` from ``metrics.jsonl``.

    A thin vertical line marks a change of the sequence length, with which the held-out examples and
    the accuracy of guessing change too. Where there are filled masks, a further column shows the
    lengths and them.

    Args:
        workdir: The run's work directory.
        masks: What was filled in; by default the rows of ``filled_masks.json``.

    Returns:
        The path of the picture.

    Raises:
        InputError: When the run has logged nothing yet, a ``curves.png`` is not of a run, or a
            ``filled_masks.json`` is not of ``write_filled_masks``.

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
    masks = masks or read_filled_masks(workdir)
    logged = dict.fromkeys(name for line in lines for name in line)
    found = [name.removesuffix(LOSS) for name in logged if name.endswith(LOSS)]
    columns = max(1, len(found))
    figure = Figure(figsize=(10 if not masks else 5 * columns + 5, 7), layout="constrained")
    panels = figure.subplots(2, columns + bool(masks), squeeze=False, sharex="all")
    for panel in panels[0]:
        panel.tick_params(labelbottom=True)
    for column, name in enumerate(found):
        title, unit = _DESCRIBED.get(name, _Description(name.replace("_", " "), "its unit"))
        baseline = f"{name}_baseline_accuracy"
        _panel(panels[0][column], lines, f"{name}{LOSS}", f"{title}: loss ({unit})", None)
        _panel(panels[1][column], lines, f"{name}_accuracy", f"{title}: accuracy", baseline)
    _metrics(panels[1][0], lines)
    if masks:
        _lengths(panels[0][-1], lines)
        _masks(panels[1][-1], masks)
    path = workdir / CURVES_FILE
    if path.exists() and read_mark(workdir) is None:
        raise InputError(f"{path} is not of a run, and stays as it is; move it, then plot again")
    with atomic_file(path, replace=True) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def write_filled_masks(workdir: Path, masks: Sequence[FilledMask]) -> None:
    """Write ``filled_masks.json``, which ``plot_curves`` draws.

    Args:
        workdir: The run's work directory.
        masks: What was filled in, in the order of the picture.

    Raises:
        InputError: When there is such a file that is not of this function.
    """
    read_filled_masks(workdir)
    rows = [mask._asdict() for mask in masks]
    text = json.dumps({"filled_masks": rows}, indent=1, ensure_ascii=False) + "\n"
    write_text_atomic(workdir / MASKS_FILE, text, replace=True)


def read_filled_masks(workdir: Path) -> list[FilledMask]:
    """The rows of ``filled_masks.json``; none where there is no such file.

    Raises:
        InputError: When it is not of ``write_filled_masks``.
    """
    path = workdir / MASKS_FILE
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["filled_masks"]
        return [
            FilledMask(str(row["text"]), [(str(word), float(p)) for word, p in row["candidates"]])
            for row in rows
        ]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path} is not a list of filled masks, and stays as it is; move it, then plot again"
        ) from None


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


def _lengths(axes: Axes, lines: list[dict[str, Any]]) -> None:
    """The tokens of the training examples."""
    train = [line for line in lines if line["split"] == "train" and "max_seq_length" in line]
    steps, lengths = ([line[name] for line in train] for name in ("step", "max_seq_length"))
    if steps:
        axes.step([0, *steps], [lengths[0], *lengths], where="pre")
    axes.set_title("Length of the examples (tokens)")
    axes.set_xlabel("step")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def _masks(axes: Axes, masks: Sequence[FilledMask]) -> None:
    """Texts with their masks, each above its likeliest words."""
    axes.set_title("Masked words, filled in")
    axes.axis("off")
    height = 1 / max(_LEAST_LINES, 2 * len(masks))
    for number, mask in enumerate(masks):
        words = ", ".join(f"{word} {probability:.2f}" for word, probability in mask.candidates)
        for line, (text, color) in enumerate([(mask.text, "black"), (f"    {words}", "C0")]):
            # Words are of any script, and a dollar is no formula.
            shown = text.encode("latin-1", "backslashreplace").decode("latin-1")
            axes.text(
                0,
                1 - height * (2 * number + line + 0.5),
                shown,
                transform=axes.transAxes,
                va="center",
                fontsize=9,
                color=color,
                parse_math=False,
            )


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
