"""``bert-keras plot``: the curves of a run."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command
from bert_keras.cli.console import console, start_tensorflow


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "plot",
        run,
        "draw a run's learning curves, and what guessing would reach",
        "  bert-keras plot runs/first",
    )
    parser.add_argument("workdir", type=Path, help="the work directory of a run, running or done")


def run(options: argparse.Namespace) -> None:
    """Draw the curves and print where they are."""
    start_tensorflow()
    import bert_keras.tasks  # noqa: F401 - says what the curves of fine-tuning are called
    from bert_keras.training.curves import plot_curves

    console.print(str(plot_curves(options.workdir)))
