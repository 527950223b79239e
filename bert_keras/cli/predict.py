"""``bert-keras predict``: a model's answers to texts."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import (
    MODEL_HELP,
    add_command,
    add_task_arguments,
    existing_model,
    task_settings,
    utf8_text,
)
from bert_keras.cli.console import console, progress, short, start_tensorflow, table
from bert_keras.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "predict",
        run,
        "answer texts with a fine-tuned model: labels, entities or answers",
        "  bert-keras predict runs/sst2 'a fine film' 'a waste of time'\n"
        "  bert-keras predict runs/mrpc 'He left.' --pair 'He went away.'\n"
        "  bert-keras predict runs/squad 'Who left?' --pair 'Anna left, Bert stayed.'\n"
        "  bert-keras predict runs/sst2 --input reviews.tsv --json > answers.json\n"
        "  cat reviews.txt | bert-keras predict runs/sst2 --input -",
    )
    parser.add_argument("model", type=Path, help=MODEL_HELP)
    parser.add_argument(
        "texts", nargs="*", type=utf8_text, metavar="TEXT", help="texts, or questions"
    )
    parser.add_argument(
        "--pair",
        action="append",
        type=utf8_text,
        metavar="TEXT",
        help="the second text of each TEXT, in their order: the one a question is about",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="*.txt, a text a line; *.tsv, *.csv or *.jsonl, labels passed over; '-' reads lines",
    )
    add_task_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    """Answers the texts and prints the answers."""
    if bool(options.texts) == bool(options.input):
        raise InputError("predict takes texts, or --input FILE; give one of the two")
    if options.pair and len(options.pair) != len(options.texts):
        raise InputError(
            f"give a --pair for each TEXT. Received: {len(options.texts)} texts, "
            f"{len(options.pair)} pairs"
        )
    directory = existing_model(options.model)
    start_tensorflow()
    from bert_keras.checkpoints import load
    from bert_keras.tasks import answer, task_of

    model = load(directory, packed=True)
    task = task_of(model, **task_settings(options))
    if options.input:
        examples = task.read_texts(options.input)
    else:
        pairs = options.pair or [None] * len(options.texts)
        examples = [task.from_text(*row) for row in zip(options.texts, pairs, strict=True)]
    with progress("answering", "steps") as advance:
        predictions = answer(model, task, examples, options.batch_size, advance)
    if options.json:
        # Readable where the characters can be written; escaped by JSON's own rules elsewhere.
        is_utf8 = (sys.stdout.encoding or "utf-8").lower() in ("utf-8", "utf8")
        print(json.dumps({"predictions": predictions}, ensure_ascii=not is_utf8))
        return
    rows = [task.row(*pair) for pair in zip(examples, predictions, strict=True)]
    console.print(table("", task.columns, [[short(text), *rest] for text, *rest in rows]))
