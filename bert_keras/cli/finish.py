"""``bert-keras finish``: a run ends where it stands."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command
from bert_keras.cli.console import console, start_tensorflow


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "finish",
        run,
        "end a run that was stopped: its best model so far or newest checkpoint becomes model/ "
        "(without which the command that trains it goes on)",
        "  bert-keras finish runs/first",
    )
    parser.add_argument("workdir", type=Path, help="the work directory of a run")


def run(options: argparse.Namespace) -> None:
    """Makes the model and says where it is."""
    start_tensorflow()
    import bert_keras.tasks  # noqa: F401 - says what the curves of fine-tuning are called
    from bert_keras.training import finish

    console.print(f"model: {finish(options.workdir)}")
