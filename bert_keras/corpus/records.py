"""Texts out of JSON lines, other JSON, tables and what WikiExtractor writes."""

import csv
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bert_keras.contents import KeyTwiceError, json_object, once
from bert_keras.corpus.decoding import TextFile
from bert_keras.corpus.formats import CSV
from bert_keras.errors import InputError

_MAX_CELL = 1 << 28  # characters
_MAX_VALUE = 1 << 26  # characters; a longer one is not a record
_SPACE, _COMMAS = re.compile(r"\s*"), re.compile(r"[\s,]*")
_WIKI_START = re.compile(r'<doc id="[^"]*"[^>]*?(?: title="(?P<title>.*)")?[^">]*>\s*')
_WIKI_END = "</doc>"
# WikiExtractor escapes these three, and these alone.
_ESCAPED = re.compile("&(?:lt|gt|amp);")


def json_line_texts(lines: Iterable[str], file: TextFile, column: str) -> Iterator[str]:
    """The text of each line that is not blank, which must be a JSON object.

    Raises:
        InputError: When one is not, or has no string of that name.
    """
    for number, line in enumerate(lines, start=1):
        if line and not line.isspace():
            where = f"{file.path}: line {number}"
            yield _text(where, json_object(where, line, f"with the field {column!r}"), column, file)


def json_texts(file: TextFile, column: str) -> Iterator[str]:
    """The texts of an array of JSON objects, or of objects one after another over several lines.

    Strings in an array are texts, too.

    Raises:
        InputError: When it is not JSON of that kind, or an object has no string of that name.
    """
    for number, value in enumerate(_json_values(file), start=1):
        where = f"{file.path}: record {number}"
        if isinstance(value, str):
            yield file.counts.replace_bad(value, where)
            continue
        if not isinstance(value, dict):
            raise InputError(
                f"{where} must be a JSON object with the field {column!r}. Received: {_kind(value)}"
            )
        yield _text(where, value, column, file)


def _json_values(file: TextFile) -> Iterator[Any]:
    """The values of an array, or those that follow one another, read as they are needed."""
    blocks = file.blocks()
    text, at = next(blocks, ""), 0
    decode = json.JSONDecoder(object_pairs_hook=once).raw_decode
    in_array = text.lstrip()[:1] == "["
    if in_array:
        at = text.index("[") + 1
    while True:
        found = (_COMMAS if in_array else _SPACE).match(text, at)
        assert found is not None  # they match nothing, too
        at = found.end()
        if in_array and text.startswith("]", at):
            in_array, at = False, at + 1
            continue
        if at == len(text):
            text, at = next(blocks, ""), 0
            if not text:
                break
            continue
        try:
            value, at = decode(text, at)
        except KeyTwiceError as error:
            raise InputError(f"{file.path} is not clear: {error}") from None
        except (ValueError, RecursionError) as error:
            # The value may continue in what is not read yet; twice as much is read each time.
            text, at = text[at:], 0
            more = _next_characters(blocks, len(text)) if len(text) <= _MAX_VALUE else ""
            if not more:
                reason = error if isinstance(error, ValueError) else "too deeply nested"
                raise InputError(f"{file.path} is not valid JSON: {reason}") from None
            text += more
        else:
            yield value
    if in_array:
        raise InputError(f"{file.path} is not valid JSON: its array has no end; is it cut short?")


def _next_characters(blocks: Iterator[str], least: int) -> str:
    found: list[str] = []
    size = 0
    for block in blocks:
        found.append(block)
        size += len(block)
        if size >= least:
            break
    return "".join(found)


def table_texts(file: TextFile, column: str, kind: str) -> Iterator[str]:
    """The texts of a column of a table: CSV (commas, quotes) or TSV (tabs, no quotes).

    The first row is the header, unless ``column`` is a column's number instead, from 1.

    Raises:
        InputError: When there is no such column, a row has more or fewer columns than the first,
            or it is not valid CSV.
    """
    rows = _csv_rows(file) if kind == CSV else _tab_rows(file)
    number, first = next(rows, (1, []))
    if not first:
        return
    names = [name.strip() for name in first]
    position = _column(file, names, column)
    if column not in names:
        yield first[position]
    for number, cells in rows:
        if len(cells) != len(names):
            raise InputError(
                f"{file.path}, row {number} has {len(cells)} columns, the first row has "
                f"{len(names)}"
            )
        yield cells[position]


def _column(file: TextFile, names: list[str], column: str) -> int:
    if names.count(column) > 1:
        raise InputError(f"{file.path} has several columns {column!r}; rename all but one")
    if column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1
    listed = ", ".join(repr(name[:40]) for name in names)
    raise InputError(
        f"{file.path} has no column {column!r}; its columns: {listed}. Name one with --text-column "
        "(text_column), by its number where the first row is not a header"
    )


def _csv_rows(file: TextFile) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_CELL)  # Python's own limit is 131,072 characters
    number = 0
    try:
        rows = csv.reader(file, strict=True, skipinitialspace=True)
        for number, cells in enumerate(rows, start=1):
            if cells:
                yield number, cells
    except csv.Error as error:
        raise InputError(
            f"{file.path}, row {number + 1} is not valid CSV: {error}; quotes are doubled"
        ) from None


def _tab_rows(file: TextFile) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line.rstrip("\r\n").split("\t")


def _kind(value: Any) -> str:
    return type(value).__name__


def _text(where: str, record: dict[str, Any], column: str, file: TextFile) -> str:
    if column not in record:
        there = ", ".join(map(repr, record)) or "none"
        raise InputError(
            f"{where} has no field {column!r}; its fields: {there}. Name the text's with "
            "--text-column (text_column)"
        )
    text = record[column]
    if not isinstance(text, str):
        raise InputError(f"{where}: the field {column!r} must be a string. Received: {_kind(text)}")
    return file.counts.replace_bad(text, where)


def wiki_documents(lines: Iterable[str], path: Path) -> Iterator[list[str]]:
    """The lines of each document of WikiExtractor: <doc id="..." url="..." title="..."> ... </doc>.

    The tags are left out, and so is the title that WikiExtractor repeats before the text: its
    ``--json`` output of the same page does not have it.

    Args:
        lines: The file's lines without their ends.
        path: The file's name, for messages.

    Raises:
        InputError: When text lies outside of a document, or a document within another.
    """
    document: list[str] | None = None
    title = None
    for number, line in enumerate(lines, start=1):
        start = _WIKI_START.fullmatch(line)
        if start:
            if document is not None:
                raise InputError(
                    f"{path}, line {number}: a document begins before {_WIKI_END} has ended the "
                    "last one"
                )
            document, title = [], start["title"]
        elif line.rstrip() == _WIKI_END and document is not None:
            yield document
            document = None
        elif document is None:
            if line.strip():
                raise InputError(
                    f"{path}, line {number}: text outside of <doc ...> and {_WIKI_END}. Received: "
                    f"{line!r:.60}"
                )
        elif line.strip() and title is not None and not any(document):
            if html.unescape(line).strip() != html.unescape(title).strip():
                document.append(_unescaped(line))
            title = None
        else:
            document.append(_unescaped(line))
    if document is not None:  # the file was cut
        yield document


def _unescaped(line: str) -> str:
    return _ESCAPED.sub(lambda match: html.unescape(match[0]), line) if "&" in line else line
