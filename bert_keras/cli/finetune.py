"""``bert-keras finetune``: train a model on labeled examples."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import (
    MODEL_HELP,
    add_command,
    add_run_arguments,
    existing_model,
    name_of_data,
    note_on_precision,
    recipe_file,
)
from bert_keras.cli.console import console, errors, start_tensorflow

DATA_HELP = (
    "*.tsv, *.csv, *.jsonl, *.txt, CoNLL columns, SQuAD JSON, each also as .gz or .zst, "
    "*.parquet, tfds:NAME[:SPLIT], or hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT]"
)


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "finetune",
        run,
        "train a model on your own labels; the same command on the same work directory resumes",
        "  bert-keras finetune configs/finetune/sst2.toml --train train.tsv --dev dev.tsv \\\n"
        "      --model hf://google-bert/bert-base-uncased --workdir runs/sst2\n"
        "  bert-keras finetune configs/finetune/sst2.toml --model runs/first \\\n"
        "      --train reviews.csv --workdir runs/reviews --set data.dev_fraction=0.1",
    )
    add_run_arguments(parser)
    parser.add_argument("--model", type=Path, help=f"{MODEL_HELP} (default: model.init)")
    parser.add_argument(
        "--train", type=name_of_data, metavar="FILE", help=f"labeled examples: {DATA_HELP}"
    )
    parser.add_argument(
        "--dev",
        type=name_of_data,
        metavar="FILE",
        help="examples that choose the best model (default: data.dev)",
    )


def run(options: argparse.Namespace) -> None:
    """Train, or resume, the run in the work directory."""
    from bert_keras.config import FinetuneConfig, load_toml, naming_recipe

    recipe = recipe_file(options.config)
    config = load_toml(FinetuneConfig, recipe, options.set)
    start_tensorflow()
    from bert_keras.cli.progress import FinetuningProgress
    from bert_keras.tasks import finetune
    from bert_keras.tasks.registry import make_task

    with naming_recipe(recipe, options.set):
        make_task(config.data)
    start = existing_model(options.model, options.workdir) if options.model else None
    note_on_precision(config.train.precision)
    with FinetuningProgress() as bar:
        model = finetune(
            config,
            options.workdir,
            start,
            options.train,
            options.dev,
            callbacks=[bar],
            on_data=errors.print,
        )
    console.print(f"model: {model}\ncurves: {options.workdir / 'curves.png'}")
