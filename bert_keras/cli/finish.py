"""``bert-keras finish``: a model of a run that was stopped."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command
from bert_keras.cli.console import console, start_tensorflow


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "finish",
        run,
        "end a run that was stopped: its best model so far, or its newest checkpoint, becomes "
        "model/ (until then, the command that trains the run resumes it)",
        "  bert-keras finish runs/first",
    )
    parser.add_argument("workdir", type=Path, help="the work directory of a run")


def run(options: argparse.Namespace) -> None:
    """Make the model and print where it is."""
    start_tensorflow()
    import bert_keras.tasks  # noqa: F401 - says what the curves of fine-tuning are called
    from bert_keras.training import finish

    console.print(f"model: {finish(options.workdir)}")
