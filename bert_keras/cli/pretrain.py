"""``bert-keras pretrain``: train BERT on a corpus."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command, model_directory, recipe_file
from bert_keras.cli.console import console, errors, start_tensorflow
from bert_keras.cli.doctor import cpu_has_bfloat16


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
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
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the recipe")
    parser.add_argument("--workdir", type=Path, required=True, help="where the run lives")
    parser.add_argument("--corpus", type=Path, help="the corpus (default: data.corpus)")
    parser.add_argument("--init", type=Path, metavar="MODEL", help="start from a saved model")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="change one value of the recipe; may be repeated",
    )


def run(options: argparse.Namespace) -> None:
    """Trains, or goes on with, the run in the work directory."""
    from bert_keras.config import PretrainConfig, load_toml

    config = load_toml(PretrainConfig, recipe_file(options.config), options.set)
    start_tensorflow()
    from bert_keras.cli.progress import TrainingProgress
    from bert_keras.training import pretrain

    init = model_directory(options.init) if options.init else None
    if config.train.precision == "mixed_bfloat16" and not cpu_has_bfloat16():
        errors.print("note: this CPU does not multiply bfloat16; without a GPU or TPU, float32 is")
        errors.print("      faster: --set train.precision=float32")
    with TrainingProgress() as bar:
        model = pretrain(config, options.workdir, options.corpus, init, callbacks=[bar])
    console.print(f"model: {model}\ncurves: {options.workdir / 'curves.png'}")
