"""Texts and pairs of texts with a label: tables, JSON lines, lines of text, data sets."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.columns import Columns, find_columns, quoted
from bert_keras.tasks.reading.doubts import check_columns
from bert_keras.tasks.reading.labels import LabelRules, read_labels
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    and_more,
    id_column,
    is_data_set,
    is_json_lines,
    is_json_object,
    read_objects,
    read_source_lines,
    row,
    shown_name,
    string_of,
    suffix_of,
)
from bert_keras.tasks.reading.tables import (
    Row,
    TableSettings,
    csv_rows,
    read_table,
    require_columns,
    tab_rows,
)

_logger = logging.getLogger("bert_keras")

_LINE = Columns(text="1", are_numbers=True)


@dataclass(frozen=True)
class TextExample:
    """A text or a pair.

    Attributes:
        text: The text.
        text_pair: Its partner, or None.
        label: What is to be predicted, as it is written in the data: a class, a number, or several
            classes joined by ``|`` (``""`` is none of them); None where the data have no label.
        where: The place in the data for messages: "train.tsv, row 17".
    """

    text: str
    text_pair: str | None
    label: str | None
    where: str


def check_pairs(examples: Sequence[TextExample], trained_on: str) -> None:
    """Refuse pairs where a model was trained on single texts, and single texts where on pairs.

    Args:
        examples: What the model is to read.
        trained_on: ``"texts"`` or ``"pairs"``; anything else takes both.

    Raises:
        InputError: It names the first example of the other kind.
    """
    for example in examples:
        if (trained_on, example.text_pair is None) == ("texts", False):
            raise InputError(
                f"{example.where} is a pair of texts, and the model was trained on single texts"
            )
        if (trained_on, example.text_pair is None) == ("pairs", True):
            raise InputError(
                f"{example.where} is a single text, and the model was trained on pairs"
            )


def read_text_examples(
    source: str,
    text_column: str = "",
    text_pair_column: str = "",
    label_column: str = "",
    label_columns: tuple[str, ...] = (),
    header: bool | None = None,
    labels: LabelRules | None = LabelRules(),  # noqa: B008 - it is frozen
    labeled: bool = True,
) -> list[TextExample]:
    """The examples of a source, in order. The columns are logged, with an example.

    A table's first row is its header when it names a text or label column; else its columns are,
    by their number: text; text, label; text, partner, label. Where the examples are to be learned
    from or scored, a row without text is skipped with a warning.

    Args:
        source: A file: ``.tsv`` (tabs, no quotes), ``.csv`` (commas, quotes), ``.jsonl`` (an
            object a line; a list is several labels), ``.txt`` (a text a line, or a table of tabs
            with a header), each also with ``.gz`` or ``.zst``; ``-`` for standard input, read as
            ``.txt``; or a data set, as ``DataSet`` takes it.
        text_column: The text's column, by name or, in a table without a header, by number from 1;
            by default the first with a usual name.
        text_pair_column: The column of its partner.
        label_column: The label's.
        label_columns: The columns of a table that has one of 0 and 1 for each label.
        header: Whether a table's first row is its header; None means that it is found out.
        labels: How labels are read; None ignores them.
        labeled: Whether they are to be learned from or scored. Else labels are not read, and a
            row without text is an example too.

    Raises:
        InputError: When a column is missing, there twice or looks like another one, a row is too
            short, the first row may be a header or data, a label cannot be read, or it is
            not UTF-8 text in its format; names the row. When a table of two columns without a
            header may have texts with labels or pairs, and labels are not to be learned from.
    """
    given = Columns(
        text=text_column, text_pair=text_pair_column, label=label_column, labels=label_columns
    )
    labels = labels if labeled else None
    per_column = labels.names if labels and labels.kind == "several" else ()
    columns, rows = _collect(source, TableSettings(given, header, per_column), labels, labeled)
    check_columns(shown_name(source), columns, rows, given, header, labels)
    is_pair_or_label = columns.are_numbers and columns.label and not (given.text or given.label)
    if labels is None and labeled and is_pair_or_label and not columns.text_pair:
        raise InputError(
            f"{shown_name(source)} has two columns and no header, and no label is read: data."
            "text_column = '1' (--text-column) reads the texts of the first alone, "
            "data.text_pair_column = '2' (--text-pair-column) with it the pairs of both"
        )
    found: list[str | None] = [None] * len(rows)
    if labels:
        found = read_labels([cell for *_, cell in rows], [where for where, *_ in rows], labels)
    examples = [
        TextExample(text, pair, label, where)
        for (where, text, pair, _), label in zip(rows, found, strict=True)
    ]
    example = next((e for e in examples if e.text.strip()), examples[0])
    _logger.info("%s", _described(source, columns, example, labels is not None))
    return examples


def _collect(
    source: str, settings: TableSettings, labels: LabelRules | None, labeled: bool
) -> tuple[Columns, list[tuple[str, str, str | None, Any]]]:
    """The columns, and the place, the text, its partner and the label's cell of every row."""
    columns = Columns()
    rows: list[tuple[str, str, str | None, Any]] = []
    empty, ignored = [], 0
    for where, columns, values in _rows(source, settings, labels is not None):
        for name in columns.names if labels else columns.texts:
            if name not in values:  # JSON's rows may differ
                raise InputError(
                    f"{where} has no field {name!r}; its fields: {listed(list(values))}"
                )
        text, *pair = (
            "" if values[name] is None else string_of(values[name], name, where)
            for name in columns.texts
        )
        cell = columns.label_of(values) if labels or columns.are_numbers else None
        if labels and labels.ignores(cell):
            ignored += 1
        elif not labeled or all(part.strip() for part in (text, *pair)):
            rows.append((where, text, pair[0] if pair else None, cell))
        else:
            empty.append(where)
    if empty:
        more = and_more(len(empty) - 1)
        _logger.warning("%s: the text is empty; the row is skipped%s", empty[0], more)
    if labels and labels.ignored:
        _logger.info("%s: data.ignore_labels leaves out %d of the rows", source, ignored)
    if not rows:
        raise InputError(f"{shown_name(source)} holds no examples")
    return columns, rows


def _described(source: str, columns: Columns, example: TextExample, is_labeled: bool) -> str:
    """A line on the columns and the first example of a source, for the log."""
    text = " + ".join(map(quoted, filter(None, (example.text, example.text_pair))))
    label = "" if example.label is None else f" -> {quoted(example.label)}"
    where = example.where.removeprefix(f"{source}, ").removeprefix("standard input, ")
    return f"{shown_name(source)}: {columns.describe(is_labeled)}; {where}: {text}{label}"


def _rows(source: str, settings: TableSettings, is_labeled: bool) -> Iterator[Row]:
    """The place, the columns and the values of every row."""
    if is_data_set(source):
        data_set = DataSet(source)
        columns = require_columns(data_set.fields, source, settings)
        names = columns.names if is_labeled else (*columns.texts, id_column(data_set.fields))
        for where, values in data_set.read([name for name in names if name]):
            yield where, columns, values
    elif is_json_lines(source):
        yield from _json_rows(source, settings, is_labeled)
    elif suffix_of(source) == ".csv":
        yield from read_table(source, csv_rows(source), settings)
    elif suffix_of(source) == ".tsv":
        yield from read_table(source, tab_rows(read_source_lines(source)), settings)
    elif suffix_of(source) == ".txt" or source == STANDARD_INPUT:
        yield from _line_rows(source, settings)
    else:
        is_json = suffix_of(source) == ".json"
        raise InputError(
            f"{source} must be a .tsv, .csv, .jsonl or .txt file, packed as .gz or .zst or not, "
            ".parquet, -, tfds:NAME or hf:ORG/NAME"
            + ("; a .jsonl has a JSON object a line" if is_json else "")
        )


def _line_rows(source: str, settings: TableSettings) -> Iterator[Row]:
    """The rows of lines: each is a text, unless the first is a header."""
    lines = list(read_source_lines(source))
    names = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    if lines and is_json_object(lines[0]):
        raise InputError(
            f"{row(source, 1)} is a JSON object, but lines of this file are texts; save it as a "
            ".jsonl file, which is read by its fields"
        )
    is_table = bool(settings.header or settings.given.names)
    if settings.header is None and not is_table and len(names) > 1:
        is_table = find_columns(names, source, settings.given, settings.labels) is not None
    if is_table:
        yield from read_table(source, tab_rows(lines), settings)
        return
    for number, line in enumerate(lines, start=1):
        yield row(source, number), _LINE, {"1": line}


def _json_rows(source: str, settings: TableSettings, is_labeled: bool) -> Iterator[Row]:
    """The rows of JSON lines; the first has the columns, later ones may have further fields."""
    columns, known = Columns(), set[str]()
    for where, values in read_objects(source, "with a text and a label"):
        new = [name for name in values if name not in known]
        if not known:
            columns = require_columns(new, where, settings)
        elif new:
            names = [*dict.fromkeys((*columns.names, *values))]
            _check_further(where, names, new, settings, is_labeled)
            columns = replace(columns, others=(*columns.others, *new))
        known.update(new)
        yield where, columns, values


def _check_further(
    where: str, names: Sequence[str], new: Sequence[str], settings: TableSettings, is_labeled: bool
) -> None:
    """Refuse a row's new fields that would be read if the first row had them.

    Args:
        where: The row.
        names: Its fields, and those that are read.
        new: Those of its fields that no row before it has.
        settings: The columns as the user described them.
        is_labeled: Whether labels are read.

    Raises:
        InputError: When one of them would be a text or a label.
    """
    found = require_columns(names, where, settings)
    read = [name for name in (found.names if is_labeled else found.texts) if name in new]
    if read:
        raise InputError(
            f"{where} has {listed(read)}, which would be read, but the rows before it do not; give "
            "every row the same fields, or name those that are read: data.text_column, "
            "data.text_pair_column and data.label_column (--text-column, …)"
        )
