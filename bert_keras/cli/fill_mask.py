"""``bert-keras fill-mask``: what a model puts in the place of [MASK]."""

import argparse
import json
from typing import Any

from bert_keras.cli.arguments import add_command, add_model, at_least, open_model, utf8_text
from bert_keras.cli.console import console, table


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "fill-mask",
        run,
        "fill each [MASK] of a text with the likeliest words",
        "  bert-keras fill-mask runs/first 'The capital of France is [MASK].'\n"
        "  bert-keras fill-mask model/ 'We [MASK] it.' --top 10 --json",
    )
    add_model(parser)
    parser.add_argument("text", type=utf8_text, help="text with one [MASK] or more")
    parser.add_argument("--top", type=at_least(1), default=5, help="candidates each (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    """Fill the masks and print the candidates."""
    model = open_model(options.model)
    from bert_keras.tasks import fill_mask

    masks = fill_mask(model, options.text, options.top)
    if options.json:
        print(json.dumps({"masks": [[c._asdict() for c in mask] for mask in masks]}))
        return
    for number, mask in enumerate(masks, start=1):
        title = options.text if len(masks) == 1 else f"[MASK] {number} of: {options.text}"
        rows = [[candidate.token, f"{candidate.score:.3f}"] for candidate in mask]
        console.print(table(title, ["word piece", "probability"], rows))
