"""The reliability diagram: the share of right answers by how sure the model is of them."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bert_keras.errors import InputError
from bert_keras.files import atomic_file
from bert_keras.tasks.evaluate import Evaluation
from bert_keras.tasks.metrics import Reliability

FORMATS = (".png", ".svg")


def plot_reliability(evaluation: Evaluation, path: str | Path) -> Path:
    """Draw a reliability diagram (Guo et al. 2017, figure 1) as a new file.

    Bars are the shares of right answers by confidence, dots the mean confidences; where both are
    the same, on the diagonal, the model is calibrated. Wide bars have many answers. For a model
    with a decision the bare logits are drawn beside it.

    Args:
        evaluation: What ``evaluate`` or ``calibrate`` gave.
        path: The file, ``*.png`` or ``*.svg``.

    Returns:
        The file.

    Raises:
        InputError: When the task gives no probabilities of labels, the name ends otherwise or there
            is such a file.
        OSError: When it cannot be written.

    Example:
        >>> evaluation = calibrate(load("run"), "hard.tsv")
        >>> plot_reliability(evaluation, "reliability.svg").name
        'reliability.svg'
    """
    path = diagram_file(path)
    if evaluation.reliability is None:
        raise InputError("a reliability diagram is of probabilities of labels, which are not given")
    before = evaluation.before
    sides = [("before", before.reliability)] if before and before.reliability else []
    sides.append(("after" if before else "", evaluation.reliability))
    figure = Figure(figsize=(5 * len(sides), 5), layout="constrained")
    for axes, (title, found) in zip(np.ravel(figure.subplots(1, len(sides))), sides, strict=True):
        _panel(axes, title, found)
    with atomic_file(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "bert-keras"}):
        # Without a date, so that the same answers are the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(temporary, format=path.suffix[1:], dpi=120, metadata=metadata)
    return path


def diagram_file(path: str | Path) -> Path:
    """The path of a diagram, if its name says how to draw it.

    Raises:
        InputError: When it does not.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"a diagram is a {' or a '.join(FORMATS)}. Received: {path}")
    return path


def _panel(axes: Axes, title: str, found: Reliability) -> None:
    edges = np.linspace(0.0, 1.0, len(found.counts) + 1)
    width = edges[1] * np.sqrt(found.counts / max(1, found.counts.max()))
    middle = (edges[:-1] + edges[1:]) / 2
    there = found.counts > 0
    axes.bar(middle, found.accuracy, width, alpha=0.6, label="share that is right")
    axes.plot(
        found.confidence[there], found.confidence[there], "o", markersize=4, label="confidence"
    )
    axes.plot([0, 1], [0, 1], ":", color="gray")
    error = f"expected calibration error {found.error:.4f}"
    axes.set_title(f"{title}: {error}" if title else error)
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
