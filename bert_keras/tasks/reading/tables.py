"""Tables as rows of named cells, with their header and columns recognized."""

import csv
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.columns import (
    LABELS,
    SETTINGS,
    TEXTS,
    WAYS_OUT,
    Columns,
    are_numbers,
    counted,
    find_columns,
    number_columns,
)
from bert_keras.tasks.reading.sources import (
    Place,
    id_column,
    open_source,
    row,
    suffix_of,
)

_logger = logging.getLogger("bert_keras")

_MAX_CELL = 1 << 28  # characters
_RETURN = "\ud800"  # replaces a carriage return inside a cell; no file has this character
_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)  # Excel's own


@dataclass(frozen=True)
class TableSettings:
    """The columns that were given, whether there is a header, and labels with a column each."""

    given: Columns
    header: bool | None
    labels: tuple[str, ...]


Row = tuple[Place, Columns, dict[str, Any]]


def tab_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of lines, with their row's number; quotes have no meaning."""
    return ((number, line.split("\t")) for number, line in enumerate(lines, start=1))


def csv_rows(source: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of a file of commas and quotes, with their row's number.

    Another sign separates the cells where the first line is Excel's ``sep=;``. Spaces after it do
    not count, unless it is a tab: a quote after them opens a quoted cell.

    Raises:
        InputError: When it is not valid CSV.
    """
    csv.field_size_limit(_MAX_CELL)  # Python's own limit is 131,072 characters
    number = 0
    with open_source(source) as file:
        lines = (_with_marked_returns(line) for line in file)
        first = next(lines, "")
        named = _SEPARATOR_LINE.fullmatch(first)
        if named:
            number = 1
            _logger.info("%s: %r separates the cells, as the first line says", source, named[1])
        try:
            sign = named[1] if named else ","
            table = csv.reader(
                lines if named else chain([first], lines),
                delimiter=sign,
                skipinitialspace=sign != "\t",
                strict=True,
            )
            for number, cells in enumerate(table, 2 if named else 1):
                yield number, [cell.replace(_RETURN, "\r") for cell in cells] or [""]
        except csv.Error as error:
            where = row(source, number + 1)
            raise InputError(
                f"{where} is not valid CSV: {error}; a quote within a cell is doubled"
            ) from None


def _with_marked_returns(line: str) -> str:
    r"""A line that ends in ``\n``, and whose other carriage returns do not end a row."""
    line, end = line.removesuffix("\n"), "\n" if line.endswith("\n") else ""
    return line.removesuffix("\r").replace("\r", _RETURN) + end


def read_table(
    source: str, rows: Iterator[tuple[int, list[str]]], settings: TableSettings
) -> Iterator[Row]:
    """The place, the columns and the values of every row of a table.

    Args:
        source: The table's name.
        rows: The number and the cells of every row, a header among them.
        settings: The columns as the user described them.

    Raises:
        InputError: When a column is missing or there twice, a row has more or fewer cells than
            the first, or the first row may be a header or data.
    """
    blank: list[tuple[int, list[str]]] = []
    for number, first in rows:
        if any(cell.strip() for cell in first):
            break
        blank.append((number, first))
    else:
        return
    names = [cell.strip() for cell in first]
    if len(names) == 1:
        _check_separator(source, row(source, number), first[0], settings)
    columns = _header(source, row(source, number), names, settings)
    if columns is None:  # no header, so the first row is data
        columns = number_columns(len(names), source, settings.given)
        if columns is None:
            raise InputError(
                f"{row(source, number)} has {len(first)} columns and no known name among them; "
                f"{SETTINGS}"
            )
        names = [str(position + 1) for position in range(len(first))]
        rows = chain(blank, [(number, first)], rows)
    _check_unique(source, names, columns)
    # Without a header, the first row's label may be a known name as well: "question".
    is_doubtful = (
        settings.header is None
        and not settings.given.text
        and len(names) > 1
        and len(columns.names) == 1
    )
    id_name = id_column(name for name in names if name not in columns.names)
    for number, cells in rows:
        if len(cells) == 1 < len(names) and not cells[0].strip():
            continue  # a blank line; of a table of one column it is a row with an empty cell
        if len(cells) != len(names):
            raise InputError(
                f"{row(source, number)} has {counted(len(cells))}, the first row has "
                f"{len(names)}{_way_out(source, first)}"
            )
        values = dict(zip(names, cells, strict=True))
        if is_doubtful and values[columns.text].strip() == columns.text:
            raise InputError(
                f"{row(source, number)} has {columns.text!r} as in the first row: is that a "
                "header? data.header = true (--header) says so, data.header = false (--no-header) "
                "says that it is data"
            )
        yield row(source, number, values, id_name), columns, values


def _check_unique(source: str, names: Sequence[str], columns: Columns) -> None:
    """Refuse a name that several columns have, where it is read."""
    twice = next((name for name in columns.names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{source} has several columns {twice!r}; rename all but one")


def _check_separator(source: str, where: str, first: str, settings: TableSettings) -> None:
    """Refuse a table of one column that has known or given columns by another separator."""
    asked = any(name not in ("1", first.strip()) for name in settings.given.names)
    for sign in ("\t", ",", ";"):
        names = [name.strip() for name in first.split(sign)]
        if len(names) > 1 and (asked or find_columns(names, source, Columns(), settings.labels)):
            raise InputError(
                f"{where} is one column, but {len(names)} if {sign!r} separates them: "
                f"{WAYS_OUT[sign]}. Received: {first!r:.80}"
            )


def _way_out(source: str, first: Sequence[str]) -> str:
    """A hint for a table whose rows differ in their columns."""
    sign = next((sign for sign in ("\t", ";") if len(first) == 1 and sign in first[0]), "")
    if sign:
        return f"; if {sign!r} separates the columns, {WAYS_OUT[sign]}"
    is_csv = suffix_of(source) == ".csv"
    return "; a cell with commas must stand in double quotes" if is_csv else ""


def _header(source: str, where: str, names: list[str], settings: TableSettings) -> Columns | None:
    """The columns that a table's first row names; None when it is not a header."""
    given, header = settings.given, settings.header
    if header is False or (header is None and are_numbers(given, names, where)):
        return None
    columns = find_columns(names, source, given, settings.labels)
    if columns is None and (header or given.names or any(name.lower() in LABELS for name in names)):
        return require_columns(names, source, settings)  # refused: no text column is among them
    return columns


def require_columns(names: Sequence[str], source: str, settings: TableSettings) -> Columns:
    """The columns among these names.

    Raises:
        InputError: When none is for a text.
    """
    columns = find_columns(names, source, settings.given, settings.labels)
    if columns is None:
        raise InputError(
            f"{source} has no column with one of the names {', '.join(TEXTS)}; data.text_column "
            f"(--text-column) must name the one with the text; its columns: {listed(names)}"
        )
    return columns
