"""Rows whose every field has a name: tables with a header, JSON lines, data sets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.columns import counted
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    Place,
    id_column,
    is_data_set,
    is_json_lines,
    read_objects,
    read_source_lines,
    row,
    suffix_of,
)
from bert_keras.tasks.reading.tables import csv_rows, tab_rows

Fields = TypeVar("Fields")


def named_rows(
    source: str,
    needed: str,
    fields_of: Callable[[Sequence[str], str], Fields],
    names_of: Callable[[Fields], Sequence[str]],
) -> Iterator[tuple[Place, Fields, dict[str, Any]]]:
    """The place, the fields and the values of every row.

    Args:
        source: ``.csv`` or ``.tsv`` with a header, or ``.jsonl``, each also with ``.gz`` or
            ``.zst``; ``-``, JSON lines on standard input; or a data set, as ``DataSet`` takes it.
        needed: The fields that a JSON object must have, for messages.
        fields_of: The roles of a row's names, by these and the place for messages.
        names_of: The names that roles are read from.

    Raises:
        InputError: When it is none of these files, a row has another number of cells than the
            first, or a name is there twice.
    """
    if is_data_set(source):
        data_set = DataSet(source)
        fields = fields_of(data_set.fields, source)
        for where, values in data_set.read([name for name in names_of(fields) if name]):
            yield where, fields, values
        return
    if is_json_lines(source) or source == STANDARD_INPUT:
        header, rows = "", read_objects(source, needed)
    elif suffix_of(source) == ".csv":
        header, rows = _table(source, csv_rows(source))
    elif suffix_of(source) == ".tsv":
        header, rows = _table(source, tab_rows(read_source_lines(source)))
    else:
        raise InputError(
            f"{source} must be a .jsonl, .csv or .tsv file, packed as .gz or .zst or not, "
            ".parquet, -, tfds:NAME or hf:ORG/NAME"
        )
    known: dict[tuple[str, ...], Fields] = {}
    for where, values in rows:
        names = tuple(values)
        if names not in known:
            known[names] = fields_of(names, header or where)
        yield where, known[names], values


def _table(
    source: str, rows: Iterator[tuple[int, list[str]]]
) -> tuple[str, Iterator[tuple[Place, dict[str, str]]]]:
    """The place of a table's header, for messages, and its rows by the names there."""
    filled = (pair for pair in rows if any(cell.strip() for cell in pair[1]))
    first = next(filled, None)
    if first is None:
        return "", iter(())
    names = [cell.strip() for cell in first[1]]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(f"{source} has several columns {listed(twice)}; rename all but one")
    where = f"{row(source, first[0])}, its header,"
    return where, _rows_below(source, names, filled)


def _rows_below(
    source: str, names: list[str], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[Place, dict[str, str]]]:
    """The rows below a header, by its names."""
    id_name = id_column(names)
    for number, cells in rows:
        if len(cells) != len(names):
            raise InputError(
                f"{row(source, number)} has {counted(len(cells))}, the first row has {len(names)}"
            )
        values = dict(zip(names, cells, strict=True))
        yield row(source, number, values, id_name), values
