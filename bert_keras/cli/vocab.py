"""``bert-keras vocab``: learn a WordPiece vocabulary."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command, add_inputs, at_least, casing, start_tensorflow_for
from bert_keras.cli.console import console, progress
from bert_keras.files import refuse_existing


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "vocab",
        run,
        "learn a WordPiece vocabulary from text",
        "  bert-keras vocab texts/ --out vocab.txt\n"
        "  bert-keras vocab 'news/*.txt' --out vocab.txt --size 8000 --cased",
    )
    add_inputs(parser)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument(
        "--size",
        type=at_least(11),
        default=30522,
        help="entries at most (default: 30522, as in BERT)",
    )


def run(options: argparse.Namespace) -> None:
    """Learn the vocabulary and write it, but never over another file."""
    refuse_existing(options.out)
    start_tensorflow_for(options.inputs)
    learn(options.inputs, options.out, options.size, options.cased, options.text_column)


def learn(inputs: list[str], out: Path, size: int, cased: bool, text_column: str = "text") -> None:
    """Learn at most ``size`` word pieces from the inputs and write them to ``out``."""
    from bert_keras.corpus.sources import read_lines
    from bert_keras.tokenization import learn_vocabulary, write_vocabulary

    with progress("reading", unit="bytes") as advance:
        lines = read_lines(inputs, on_progress=advance, text_column=text_column)
        vocabulary = learn_vocabulary(lines, size, casing(argparse.Namespace(cased=cased)))
    write_vocabulary(out, vocabulary)
    console.print(f"{out}: {len(vocabulary):,} word pieces")
