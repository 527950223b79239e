"""``bert-keras``: the subcommands, and how their errors reach the user."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from bert_keras import __version__
from bert_keras.cli import (
    convert,
    doctor,
    evaluate,
    export,
    fill_mask,
    finetune,
    finish,
    plot,
    predict,
    prepare,
    pretrain,
    quickstart,
    vocab,
)
from bert_keras.cli.arguments import CommandParser
from bert_keras.cli.console import notes_shown
from bert_keras.errors import Diverged, InputError, Interrupted, WorkerLost
from bert_keras.signals import Stopped, listening

# In the order of their use. None of these modules imports TensorFlow before its command runs.
COMMANDS = (
    quickstart,
    vocab,
    prepare,
    pretrain,
    fill_mask,
    finetune,
    evaluate,
    predict,
    convert,
    export,
    finish,
    plot,
    doctor,
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="bert-keras",
        description="Pre-train BERT on your own text, fine-tune it on your own labels, serve it.",
        epilog="first time? try:  bert-keras quickstart",
    )
    parser.add_argument("--version", action="version", version=f"bert-keras {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 128 + the signal's number when one ended it.
    """
    for stream in (sys.stdout, sys.stderr):  # what they have no character for is no failure
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = build_parser().parse_args(arguments)
        with listening() as request, request.heeded(), notes_shown():
            options.run(options)
    except (InputError, Diverged, WorkerLost) as error:
        return _fail(str(error))
    except Interrupted as error:
        _fail(str(error))
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt as error:
        _fail("interrupted")
        return error.exit_code if isinstance(error, Stopped) else 128 + signal.SIGINT
    return 0


def _fail(message: str) -> int:
    print(f"bert-keras: {' '.join(message.split())}", file=sys.stderr)
    return 1
