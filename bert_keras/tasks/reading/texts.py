"""Texts and pairs of texts with a label: tables, JSON lines, lines of text, TFDS."""

import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bert_keras.errors import InputError
from bert_keras.tasks.reading.columns import LABELS, TEXTS, Columns, find_columns, listed
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    and_more,
    id_column,
    is_json_lines,
    is_tfds,
    open_source,
    read_objects,
    read_source_lines,
    replace_bad,
    row,
    suffix_of,
)

_logger = logging.getLogger("bert_keras")

LABEL_SEPARATOR = "|"
_BY_POSITION = {
    1: Columns("1", None, None),
    2: Columns("1", None, "2"),
    3: Columns("1", "2", "3"),
}
_MAX_CELL = 1 << 28  # characters
_RETURN = "\ud800"  # stands for a carriage return that ends no row; no file has it


@dataclass(frozen=True)
class TextExample:
    """A text or a pair.

    Attributes:
        text: The text.
        text_pair: Its partner, or None.
        label: What is to be predicted, as it is written in the data: a class, a number, or several
            classes joined by ``|`` (``""`` is none of them); None where the data have no label.
        where: The place in the data, for messages: "train.tsv, row 17".
    """

    text: str
    text_pair: str | None
    label: str | None
    where: str


def read_text_examples(
    source: str,
    text_column: str = "",
    text_pair_column: str = "",
    label_column: str = "",
    labelled: bool = True,
) -> list[TextExample]:
    """The examples of a source, in order.

    A table's first row is its header when it names a text or label column; else its columns are,
    by their number: text; text, label; text, partner, label. A row without text is passed over
    with a warning, where the examples are to be learned from or scored.

    Args:
        source: A file: ``.tsv`` (tabs, no quotes), ``.csv`` (commas, quotes), ``.jsonl`` (an
            object a line; a list is several labels), ``.txt`` (a text a line, or a table of tabs
            with a header), each also with ``.gz`` or ``.zst``; ``-`` for standard input, read as
            ``.txt``; or ``tfds:NAME[/CONFIG][:SPLIT]``.
        text_column: The text's column; by default the first with a usual name.
        text_pair_column: The column of its partner.
        label_column: The label's.
        labelled: Whether they are to be learned from or scored. Else labels are not read, and a
            row without text is an example, too.

    Raises:
        InputError: When a column is missing or there twice, a row is too short, the first row may
            be a header or data, or it is not UTF-8 text in its format; names the row.
    """
    given = Columns(text_column, text_pair_column, label_column)
    examples, empty = [], []
    for where, columns, values in _rows(source, given, labelled):
        for name in columns if labelled else columns[:2]:
            if name is not None and name not in values:  # JSON's rows may differ
                raise InputError(
                    f"{where} has no field {name!r}; its fields: {listed(list(values))}"
                )
        text, pair = (
            None if name is None else _text(values[name], name, where) for name in columns[:2]
        )
        assert text is not None
        if not labelled:
            examples.append(TextExample(text, pair, None, where))
            continue
        label = None if columns.label is None else _label(values[columns.label], where)
        if text.strip() and (pair is None or pair.strip()):
            examples.append(TextExample(text, pair, label, where))
        else:
            empty.append(where)
    if empty:
        more = and_more(len(empty) - 1)
        _logger.warning("%s: the text is empty; the row is passed over%s", empty[0], more)
    if not examples:
        raise InputError(f"{source} holds no examples")
    return examples


def _rows(
    source: str, given: Columns, labelled: bool
) -> Iterator[tuple[str, Columns, dict[str, Any]]]:
    """The place, the columns and the values of every row."""
    if is_tfds(source):
        data_set = DataSet(source)
        columns = _columns(data_set.fields, source, given)
        wanted = columns if labelled else (*columns[:2], id_column(data_set.fields))
        for where, values in data_set.read([name for name in wanted if name]):
            yield where, columns, values
    elif is_json_lines(source):
        yield from _json_rows(source, given)
    elif suffix_of(source) == ".csv":
        yield from _table(source, _csv_rows(source), given)
    elif suffix_of(source) == ".tsv":
        yield from _table(source, _tab_rows(read_source_lines(source)), given)
    elif suffix_of(source) == ".txt" or source == STANDARD_INPUT:
        yield from _line_rows(source, given)
    else:
        raise InputError(
            f"{source} must be a .tsv, .csv, .jsonl or .txt file, packed as .gz or .zst or not, "
            "- or tfds:NAME"
        )


def _line_rows(source: str, given: Columns) -> Iterator[tuple[str, Columns, dict[str, Any]]]:
    """Every line is a text, unless the first is a header."""
    lines = list(read_source_lines(source))
    names = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    if any(given) or (len(names) > 1 and find_columns(names, source, given)):
        yield from _table(source, _tab_rows(lines), given)
        return
    for number, line in enumerate(lines, start=1):
        yield row(source, number), _BY_POSITION[1], {"1": line}


def _json_rows(source: str, given: Columns) -> Iterator[tuple[str, Columns, dict[str, Any]]]:
    columns = None
    for where, values in read_objects(source, "with a text and a label"):
        columns = columns or _columns(list(values), where, given)
        yield where, columns, values


def _columns(names: Sequence[str], source: str, given: Columns) -> Columns:
    columns = find_columns(names, source, given)
    if columns is None:
        raise InputError(
            f"{source} has no column with one of the names {', '.join(TEXTS)}; name the one with "
            f"the text; its columns: {listed(names)}"
        )
    return columns


def _tab_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in enumerate(lines, start=1))


def _csv_rows(source: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_CELL)  # Python's own limit is 131,072 characters
    number = 0
    with open_source(source) as file:
        lines = (_with_marked_returns(replace_bad(line)) for line in file)
        try:
            for number, cells in enumerate(csv.reader(lines, strict=True), 1):
                yield number, [cell.replace(_RETURN, "\r") for cell in cells] or [""]
        except csv.Error as error:
            where = row(source, number + 1)
            raise InputError(f"{where} is not valid CSV: {error}; quotes are doubled") from None


def _with_marked_returns(line: str) -> str:
    r"""A line whose end is ``\n`` and whose other carriage returns end no row of a table."""
    line, end = line.removesuffix("\n"), "\n" if line.endswith("\n") else ""
    return line.removesuffix("\r").replace("\r", _RETURN) + end


def _table(
    source: str, rows: Iterator[tuple[int, list[str]]], given: Columns
) -> Iterator[tuple[str, Columns, dict[str, Any]]]:
    blank: list[tuple[int, list[str]]] = []
    for number, first in rows:
        if any(cell.strip() for cell in first):
            break
        blank.append((number, first))
    else:
        return
    names = [cell.strip() for cell in first]
    columns = find_columns(names, source, given)
    if columns is None:  # no header, so the first row is data
        if any(given) or any(name.lower() in LABELS for name in names):
            _columns(names, source, given)
        if len(first) not in _BY_POSITION:
            raise InputError(
                f"{row(source, number)} has {len(first)} columns and no known name among them: "
                "give the file a header that names text and label"
            )
        columns = _BY_POSITION[len(first)]
        names = [str(position + 1) for position in range(len(first))]
        rows = chain(blank, [(number, first)], rows)
    twice = next((name for name in columns if name and names.count(name) > 1), None)
    if twice:
        raise InputError(f"{source} has several columns {twice!r}; rename all but one")
    # The label of a first row without a header may be such a name, too: "question".
    is_doubtful = len(names) > 1 and not (given.text or columns.text_pair or columns.label)
    id_name = id_column(name for name in names if name not in columns)
    for number, cells in rows:
        if len(cells) == 1 < len(names) and not cells[0].strip():
            continue  # a blank line; of a table of one column it is a row with an empty cell
        if len(cells) != len(names):
            raise InputError(
                f"{row(source, number)} has {_counted(len(cells))}, the first row has {len(names)}"
            )
        values = dict(zip(names, cells, strict=True))
        if is_doubtful and values[columns.text].strip() == columns.text:
            raise InputError(
                f"{row(source, number)} has {columns.text!r} where the first row has it: is that a "
                "header? Give the file one that names text and label, or name the text's column"
            )
        yield row(source, number, values, id_name), columns, values


def _counted(columns: int) -> str:
    return f"{columns} column{'s' if columns > 1 else ''}"


def _text(value: Any, column: str, where: str) -> str:
    if value is None:  # JSON's null
        return ""
    if not isinstance(value, str):
        raise InputError(
            f"{where}: the field {column!r} must be a string. Received: {type(value).__name__}"
        )
    return replace_bad(value)


def _label(value: Any, where: str) -> str | None:
    """The label as a string: JSON and TFDS have numbers and lists, too."""
    if value is None or isinstance(value, str):
        return value if value is None else replace_bad(value.strip())
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if not isinstance(value, list):
        raise InputError(
            f"{where}: a label must be a string, a number or a list. Received: "
            f"{type(value).__name__}"
        )
    labels = [_label(item, where) if not isinstance(item, list) else None for item in value]
    if any(label is None or not label or LABEL_SEPARATOR in label for label in labels):
        raise InputError(
            f"{where}: the labels of a list must be strings or numbers without "
            f"{LABEL_SEPARATOR!r}. Received: {value!r:.100}"
        )
    return LABEL_SEPARATOR.join(map(str, labels))
