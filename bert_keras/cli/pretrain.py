"""``bert-keras pretrain``: train BERT on a corpus."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import (
    MODEL_HELP,
    add_command,
    add_run_arguments,
    existing_model,
    note_on_precision,
    recipe_file,
)
from bert_keras.cli.console import console, start_tensorflow


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "pretrain",
        run,
        "pre-train BERT on a corpus; the same command on the same work directory resumes",
        "  bert-keras pretrain configs/pretrain/tiny-quickstart.toml \\\n"
        "      --corpus corpus --workdir runs/first\n"
        "  bert-keras pretrain recipe.toml --corpus corpus --workdir runs/second \\\n"
        "      --set train.steps=20000 --set optimizer.learning_rate=5e-4",
    )
    add_run_arguments(parser)
    parser.add_argument("--corpus", type=Path, help="the corpus (default: data.corpus)")
    parser.add_argument("--init", type=Path, metavar="MODEL", help=f"start from {MODEL_HELP}")


def run(options: argparse.Namespace) -> None:
    """Train the run in the work directory, or resume it."""
    from bert_keras.config import PretrainConfig, load_toml

    config = load_toml(PretrainConfig, recipe_file(options.config), options.set)
    start_tensorflow()
    from bert_keras.cli.progress import PretrainingProgress
    from bert_keras.training import pretrain

    init = existing_model(options.init, options.workdir) if options.init else None
    note_on_precision(config.train.precision)
    with PretrainingProgress() as bar:
        model = pretrain(config, options.workdir, options.corpus, init, callbacks=[bar])
    console.print(f"model: {model}\ncurves: {options.workdir / 'curves.png'}")
