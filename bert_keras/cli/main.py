"""``bert-keras``: the subcommands, and how their errors reach the user."""

import argparse
import sys
from collections.abc import Sequence

from bert_keras import __version__
from bert_keras.cli import doctor, fill_mask, plot, prepare, pretrain, quickstart, vocab
from bert_keras.errors import InputError

# In the order of their use. None of these modules imports TensorFlow before its command runs.
COMMANDS = (quickstart, vocab, prepare, pretrain, fill_mask, plot, doctor)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="bert-keras",
        description="Pre-train BERT on your own text, with Keras 3 on TensorFlow.",
        epilog="first time? try:  bert-keras quickstart",
    )
    parser.add_argument("--version", action="version", version=f"bert-keras {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        _fail("interrupted")
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"bert-keras: {' '.join(message.split())}", file=sys.stderr)
    return 1
