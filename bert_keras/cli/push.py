"""``bert-keras push``: a model to Hugging Face's hub."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command, existing_model, name_of_data
from bert_keras.cli.console import console, start_tensorflow, table
from bert_keras.hub import HubName


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "push",
        run,
        "send a model and its card to Hugging Face's hub",
        "  bert-keras push runs/films org/films --license apache-2.0 --dry-run\n"
        "  bert-keras push runs/films org/films --license apache-2.0",
    )
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="a model directory, or a run's work directory, as of other commands; no hf:// name",
    )
    parser.add_argument(
        "name",
        type=name_of_data,
        metavar="ORG/NAME",
        help="the repository, made if it is not there",
    )
    parser.add_argument(
        "--license",
        type=name_of_data,
        metavar="NAME",
        help="the license, as the hub names it: apache-2.0, mit, other (default: the card's)",
    )
    parser.add_argument(
        "--public",
        action="store_true",
        help="let everybody read a new repository (default: it is private)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list what would be sent and deleted"
    )


def run(options: argparse.Namespace) -> None:
    """Send the files and print what was sent."""
    if HubName.of(options.model) is None:  # ``push`` refuses a name, and asks nobody
        existing_model(options.model)
    start_tensorflow()
    from bert_keras.saving import push

    pushed = push(
        options.model,
        options.name,
        options.license or "",
        public=options.public,
        dry_run=options.dry_run,
    )
    title = f"would be sent to {options.name}" if options.dry_run else f"sent to {options.name}"
    rows = ([name, f"{size:,}"] for name, size in pushed.files.items())
    console.print(table(title, ["file", "bytes"], rows))
    if pushed.deleted:
        title = "would be deleted there" if options.dry_run else "deleted there"
        console.print(table(title, ["file"], ([name] for name in pushed.deleted)))
    if pushed.url:
        console.print(pushed.url)
