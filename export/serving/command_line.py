"""The input and output of ``rest_client.py``, ``grpc_client.py`` and ``load.py`` as commands.

The texts come from the command line, or as JSON lines; the answers to each row are a line of JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Said = Callable[[BaseException], str]  # what went wrong, in one line


def whole(text: str) -> int:
    """A number from 1 on."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def seconds(text: str) -> float:
    """A time that is no nothing and no eternity."""
    try:
        if 0 < float(text) <= 1e6:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"must be a number of seconds above 0, 1000000 at most. Received: {text!r}"
    )


def named(pair: str) -> tuple[str, str]:
    """The name and the text of NAME=TEXT."""
    name, equals, text = pair.partition("=")
    if not name or not equals:
        raise ValueError
    return name, text


# argparse names them: "argument --batch: invalid whole number from 1 on value: '0'".
whole.__name__, named.__name__ = "whole number from 1 on", "NAME=TEXT"


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that all commands have."""
    parser.add_argument(
        "--timeout", type=seconds, default=10.0, metavar="SECONDS", help="to wait for an answer"
    )


def command(description: str) -> argparse.ArgumentParser:
    """The options of both clients."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    add = parser.add_argument
    add("texts", nargs="*", help="texts, for models that take one each")
    add("--input", action="append", default=[], type=named, metavar="NAME=TEXT",
        help="an input by its name; the same name again for the next row")  # fmt: skip
    add("--rows", metavar="FILE", help='JSON lines, {"NAME": "TEXT"} a row; - for standard input')
    add("--model", required=True)
    add("--signature", default="serving_default")
    add("--batch", type=whole, default=32, metavar="N", help="rows of a request at most")
    add_timeout(parser)
    return parser


def run(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    client: Any,
    said: Said,
    **more: Any,
) -> int:
    """Print the answers, a line of JSON for each row.

    Args:
        parser: What read the options.
        options: Those of ``command``.
        client: Whose ``batches`` are asked.
        said: Puts an error into one line.
        **more: For ``batches``.

    Returns:
        The exit code: 1 after an error, which is said in one line.
    """
    if bool(options.texts) + bool(options.input) + bool(options.rows) != 1:
        parser.error("give texts, or --input NAME=TEXT for each input, or --rows FILE")
    done = 0
    try:
        for answers in client.batches(_inputs(options), options.signature, **more):
            done += _print_rows(answers)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        after = f" (after {done} answers)" if done else ""
        print(f"{parser.prog}: {said(error) or type(error).__name__}{after}", file=sys.stderr)
        return 1
    return 0


def _inputs(options: argparse.Namespace) -> dict[str, list[Any]]:
    rows = rows_of(options.rows) if options.rows else []
    inputs = {"text": options.texts} if options.texts else {}
    for name, value in [*options.input, *(item for row in rows for item in row.items())]:
        inputs.setdefault(name, []).append(value)
    return inputs


def rows_of(path: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines, all with the same names; ``-`` is standard input.

    Each value is a text or the ids of one.

    Raises:
        ValueError: When a line is something else, or there is none.
        OSError: When the file cannot be read.
    """
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: is no JSON in UTF-8: {error}") from None
        if not isinstance(row, dict) or not row or not all(map(_text_or_ids, row.values())):
            raise ValueError(
                f'{where}: must be {{"NAME": "TEXT", ...}}, or of ids {{"NAME": [2, 60, 3], ...}}. '
                f"Received: {row!r:.80}"
            )
        if rows and row.keys() != rows[0].keys():
            raise ValueError(
                f"{where}: must have {', '.join(rows[0])} as the first row. "
                f"Received: {', '.join(row)}"
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{path}: there is no row in it")
    return rows


def _text_or_ids(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(number, int) for number in value)
    return isinstance(value, str)


def without_notes() -> None:
    """Drop what the C++ of TensorFlow and gRPC logs; Python's own errors are still shown."""
    if "tensorflow" not in sys.modules:
        sys.stderr = open(os.dup(2), "w", errors="backslashreplace")  # noqa: SIM115 - to the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _print_rows(answers: dict[str, list[Any]]) -> int:
    """Print the answers of a request, and say of how many rows they are."""
    names = sorted(answers)
    rows = list(zip(*(answers[name] for name in names), strict=True))
    lines = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        for line in lines:
            print(json.dumps(line, ensure_ascii=False))
        sys.stdout.flush()
    except OSError:  # a full disk, or a reader that has gone: what is left has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
    return len(rows)


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: an array as lists, UTF-8 as text."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value
