"""``bert-keras evaluate``: a model's score on labeled examples, and where it goes wrong."""

import argparse
import json
from typing import Any

from bert_keras.cli.arguments import (
    add_command,
    add_label_arguments,
    add_model,
    add_task_arguments,
    name_of_data,
    open_model,
    task_settings,
)
from bert_keras.cli.console import console, short, table
from bert_keras.cli.finetune import DATA_HELP

MISTAKES = 10


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "evaluate",
        run,
        "score a fine-tuned model on labeled examples; show its most confident mistakes",
        "  bert-keras evaluate runs/sst2 --data test.tsv\n"
        "  bert-keras evaluate runs/sst2 --data test.tsv --json",
    )
    add_model(parser)
    parser.add_argument("--data", type=name_of_data, metavar="FILE", required=True, help=DATA_HELP)
    add_task_arguments(parser)
    add_label_arguments(parser)
    parser.add_argument(
        "--strict-entities",
        action="store_true",
        default=None,
        help="tagging: tags that do not follow their scheme mark no entity, as in seqeval's strict "
        "mode",
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as one JSON object")


def run(options: argparse.Namespace) -> None:
    """Evaluate the model and print its metrics and mistakes."""
    model = open_model(options.model, packed=True)
    from bert_keras.tasks import evaluate
    from bert_keras.tasks.reading import shown_name

    result = evaluate(model, options.data, options.batch_size, **task_settings(options))
    if options.json:
        print(json.dumps(result.metrics))
        return
    rows = [[name, f"{value:.4f}"] for name, value in result.metrics.items()]
    console.print(table(shown_name(options.data), ["metric", "value"], rows))
    if result.confusion is not None:
        labels, counts = result.confusion
        rows = [[label, *map(str, row)] for label, row in zip(labels, counts, strict=True)]
        console.print(table("\nright labels (rows), given labels (columns)", ["", *labels], rows))
    if result.mistakes:
        rows = [
            [short(m.text), m.expected, m.predicted, f"{m.confidence:.3f}"]
            for m in result.mistakes[:MISTAKES]
        ]
        title = f"\n{len(rows)} of {len(result.mistakes)} mistakes, by {result.confidence}"
        console.print(table(title, ["text", "right", "given", result.confidence], rows))
