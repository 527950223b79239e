"""``bert-keras``, also ``python -m bert_keras``: its commands, and how they end.

What takes long to import is imported where a signal is already listened to.
"""

import argparse
import atexit
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from bert_keras._version import __version__
from bert_keras.signals import Stopped, listening
from bert_keras.temporary import TemporaryFiles, choose_folder


def main() -> int:
    """Run the command line of this process; a signal ends it in one line, its imports too.

    Returns:
        The exit code.
    """
    temporary_files = TemporaryFiles()
    errors = -1
    with suppress(OSError):  # standard error may be closed
        errors = os.dup(2)  # while TensorFlow is imported, nobody sees what goes to 2

    def leave(signal_number: int) -> NoReturn:
        temporary_files.remove()
        with suppress(OSError):
            os.write(errors, b"bert-keras: interrupted\n")
        os._exit(128 + signal_number)

    with listening() as request:
        request.leave = leave
        try:
            with request.heeded():
                choose_folder()
                code = run()
        except Stopped as stopped:
            print("bert-keras: interrupted", file=sys.stderr)
            code = stopped.exit_code
        if request.signal_number:
            # Python's own exit would free all memory first, and wait for threads of libraries or
            # crash them. The functions that others registered for the end are called.
            atexit._run_exitfuncs()
            temporary_files.remove()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Those of the command line; by default those of this process.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 128 + the signal's number when one ended it.
    """
    from bert_keras.cli.console import notes_shown
    from bert_keras.errors import Diverged, InputError, Interrupted, WorkerLost

    for stream in (sys.stdout, sys.stderr):  # a missing character must not end the command
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
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        return _fail(
            "out of memory; take fewer sequences at a time (train.batch_size, --batch-size; "
            "train.accumulation_steps keeps the update of the whole batch) or shorter ones "
            "(data.max_seq_length, --max-length)"
        )
    except KeyboardInterrupt as error:
        _fail("interrupted")
        return error.exit_code if isinstance(error, Stopped) else 128 + signal.SIGINT
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    from bert_keras.cli import COMMANDS
    from bert_keras.cli.arguments import CommandParser

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


def _is_out_of_memory(error: BaseException) -> bool:
    tensorflow = sys.modules.get("tensorflow")  # only what ran can have failed
    exhausted = (tensorflow.errors.ResourceExhaustedError,) if tensorflow else ()
    return isinstance(error, (MemoryError, *exhausted))


def _fail(message: str) -> int:
    print(f"bert-keras: {' '.join(message.split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
