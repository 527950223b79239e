"""Labels of texts, read a whole column at a time."""

import ast
import json
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from bert_keras.errors import InputError
from bert_keras.tasks.reading.columns import LabelCells, quoted, shortened
from bert_keras.tasks.reading.sources import replace_bad

_logger = logging.getLogger("bert_keras")

LABEL_SEPARATOR = "|"
# Signs for a missing label, as SNLI, pandas and R write them.
_MISSING_MARKERS = ("-", "?", "NaN", "nan", "None", "null", "NULL", "NA", "N/A", "n/a", "<NA>")
_OTHER_SEPARATORS = (",", ";", LABEL_SEPARATOR)
_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_ON_OFF = {"": 0, "0": 0, "0.0": 0, "false": 0, "null": 0, "1": 1, "1.0": 1, "true": 1}
# A list as JSON or Python write it; Python would read 'a' 'b' as one string.
_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?[\d.]+(?:[eE]-?\d+)?|true|false|True|False)"""
_LIST = re.compile(rf"\[\s*(?:{_ITEM}\s*(?:,\s*{_ITEM}\s*)*)?,?\s*\]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """Rules by which labels are read.

    Attributes:
        kind: Whether an example has one class, several, or a number.
        names: The labels in the order of their numbers, where they are known: a list of 0 and 1
            is read by it.
        separator: The sign between several labels in a cell.
        ignored: Labels whose rows are left out; ``null`` and ``NaN`` are JSON's.

    The numbers 1 and 1.0 of JSON and of data sets are one label, as they are equal to Python and
    numpy: by the name in ``names``, else as a whole number where the data have one. Of texts, as a
    table's cells are, "1" and "1.0" are two.
    """

    kind: Literal["one", "several", "number"] = "several"
    names: tuple[str, ...] = ()
    separator: str = LABEL_SEPARATOR
    ignored: tuple[str, ...] = ()

    def ignores(self, cell: Any) -> bool:
        """Tell whether a row with such a label is left out."""
        if not self.ignored:
            return False
        return any(name in self.ignored for name in _names_in(cell, self))


def read_labels(cells: Sequence[Any], places: Sequence[str], rules: LabelRules) -> list[str | None]:
    """The labels of rows as strings; several are joined by ``|``, None means no label.

    Args:
        cells: Strings, numbers and lists of them, as in the data; a dict has the cell of each
            label's own column.
        places: Their rows, for messages.
        rules: How they are read.

    Raises:
        InputError: When one cannot be read; names the row.
    """
    values = [_parsed(*pair, rules) for pair in zip(cells, places, strict=True)]
    if rules.kind == "several" and _are_multi_hot(values, len(rules.names)):
        values = [
            _from_multi_hot(value, place, rules.names)
            if isinstance(value, list) and value
            else value
            for value, place in zip(values, places, strict=True)
        ]
        _logger.info("%s: lists of 0 and 1 are read as %s", places[0], shortened(rules.names))
    known = {*(rules.names or _whole_numbers(values))} if rules.kind != "number" else set()
    labels = [_label(*pair, rules, known) for pair in zip(values, places, strict=True)]
    if rules.kind != "number":
        written = [
            (label, place)
            for value, label, place in zip(values, labels, places, strict=True)
            if label and isinstance(value, str)
        ]
        _check_separators(written, rules)
    if not rules.names:  # others are refused, or are labels
        _note_unlikely(labels, places)
    return labels


def _names_in(cell: Any, rules: LabelRules) -> list[str]:
    """The labels in a cell, for a comparison."""
    items = list(cell.values()) if isinstance(cell, LabelCells) else _as_list(cell)
    if items is not None:
        return [name for item in items for name in _spellings(item)]
    parts = _written(cell).split(rules.separator) if rules.kind == "several" else []
    return [*_spellings(cell), *map(str.strip, parts)]


def _spellings(value: Any) -> list[str]:
    """A value as it is written; a whole number of JSON in its other spelling, too: 1 and 1.0."""
    name = _written(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [name]
    return [name, name.removesuffix(".0") if "." in name else f"{name}.0"]


def _written(value: Any) -> str:
    """A value of a table, JSON or TFDS as it is written."""
    if value is None:
        return "null"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return str(value).strip() if isinstance(value, str) else str(value).lower()


def _parsed(cell: Any, place: str, rules: LabelRules) -> Any:
    """The cell, or its list if it has one: in a string, or by a column for each label."""
    if isinstance(cell, LabelCells):
        return [name for name, value in cell.items() if _is_on(value, name, place)]
    items = _as_list(cell)
    if items is not None:
        return items
    if rules.kind == "several" and isinstance(cell, str) and re.fullmatch(r"\s*\[.*\]\s*", cell):
        raise InputError(
            f"{place}: several labels must be written as {rules.separator.join('ab')} or as a list "
            f'of JSON or Python, ["a", "b"]. Received: {cell.strip()!r:.80}'
        )
    return cell


def _as_list(cell: Any) -> list[Any] | None:
    """The list that a cell is, or that it holds as JSON or Python write it; else None."""
    if isinstance(cell, list):
        return cell
    if not isinstance(cell, str) or not _LIST.fullmatch(cell.strip()):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            items: list[Any] = read(cell.strip())
        except (ValueError, SyntaxError):
            continue
        return items
    return None


def _is_on(value: Any, column: str, place: str) -> bool:
    """Tell whether a label's own column says that a row has it."""
    written = _written(value).lower()
    if written not in _ON_OFF:
        raise InputError(
            f"{place}: the column {column!r} of data.label_columns must be 0 or 1. Received: "
            f"{value!r:.80}; data.ignore_labels = [{quoted(_written(value))}] leaves such rows out"
        )
    return bool(_ON_OFF[written])


def _are_multi_hot(values: Sequence[Any], names: int) -> bool:
    """Tell whether lists of numbers have a 0 or 1 for every label, and are not labels themselves.

    Floats and truth values are not labels; neither are 0 and 1 if one is twice in a list, or if
    all lists have the same length and nothing else.
    """
    lists = [v for v in values if isinstance(v, list) and v and all(map(_is_number, v))]
    if any(isinstance(item, bool | float) for numbers in lists for item in numbers):
        return True
    if not lists or any(item not in (0, 1) for numbers in lists for item in numbers):
        return False
    lengths = {len(numbers) for numbers in lists}
    is_twice = any(len(set(numbers)) < len(numbers) for numbers in lists)
    return is_twice or (len(lengths) == 1 and (lengths != {1} or names == 1))


def _is_number(item: Any) -> bool:
    return isinstance(item, bool | int | float)


def _from_multi_hot(numbers: list[Any], place: str, names: Sequence[str]) -> list[str]:
    """The labels whose places in a list have a 1."""
    if not names:
        raise InputError(
            f"{place}: the label is a list of numbers, {str(numbers)[:60]}: name the "
            f'{len(numbers)} labels in their order by data.labels = ["a", "b", …]; labels that '
            'are numbers themselves must be strings, ["0", "1"]'
        )
    bad = next((item for item in numbers if not _is_number(item) or item not in (0, 1)), None)
    if bad is not None:
        raise InputError(
            f"{place}: a list of numbers must have a 1 for each label of the text and a 0 for each "
            f"other. Received: {bad!r:.80}"
        )
    if len(numbers) != len(names):
        raise InputError(
            f"{place}: the list has {len(numbers)} numbers, but there are {len(names)} labels: "
            f"{shortened(names)} (data.labels)"
        )
    return [name for name, item in zip(names, numbers, strict=True) if item]


def _whole_numbers(values: Sequence[Any]) -> Iterator[str]:
    """The whole numbers among the values, and in their lists, as they are written."""
    for value in values:
        items = value if isinstance(value, list) else [value]
        yield from (str(item) for item in items if type(item) is int)


def _label(value: Any, place: str, rules: LabelRules, known: AbstractSet[str]) -> str | None:
    """The label as a string; JSON and TFDS have numbers and lists too.

    Of a number's spellings it is the one in ``known``, else its own.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        label = replace_bad(value.strip())
        if rules.kind != "several" or rules.separator == LABEL_SEPARATOR:
            return label
        value = [part for part in label.split(rules.separator) if part.strip()]
    if isinstance(value, bool | int | float):
        own, *others = _spellings(value)
        return next((name for name in (own, *others) if name in known), own)
    if not isinstance(value, list):
        raise InputError(
            f"{place}: a label must be a string, a number or a list. Received: "
            f"{type(value).__name__}"
        )
    if rules.kind == "one" and len(value) != 1:
        raise InputError(
            f"{place}: a list of {len(value)} labels where one is needed: data.task = "
            f"'multi_label' learns several. Received: {value!r:.100}"
        )
    labels = [
        None if isinstance(item, list) else _label(item, place, _ONE, known) for item in value
    ]
    if any(label is None or not label or LABEL_SEPARATOR in label for label in labels):
        raise InputError(
            f"{place}: the labels of a list must be strings or numbers without "
            f"{LABEL_SEPARATOR!r}. Received: {value!r:.100}"
        )
    return LABEL_SEPARATOR.join(map(str, labels))


_ONE = LabelRules(kind="one")


def _check_separators(labels: Sequence[tuple[str, str]], rules: LabelRules) -> None:
    """Warn of labels, or refuse them, that are others joined by another sign."""
    separator = LABEL_SEPARATOR if rules.kind == "several" else ""
    places: dict[str, str] = {}
    for label, place in labels:
        for part in label.split(separator) if separator else [label]:
            places.setdefault(part.strip(), place)
    singles = {*places, *rules.names}
    for sign in _OTHER_SEPARATORS:
        joined = [name for name in places if sign in name and sign != separator]
        sure = [n for n in joined if all(part.strip() in singles for part in n.split(sign))]
        if rules.kind == "several" and sure:
            raise InputError(
                f"{places[sure[0]]}: the label {sure[0]!r} is made of others joined by {sign!r}; "
                f"data.label_separator = {sign!r} reads it as several"
            )
        if rules.kind == "several" and joined:
            fix = f"data.label_separator = {sign!r} would read such labels as several"
        elif sure:
            fix = "data.task = 'multi_label' reads several labels"
        else:
            continue
        name = (sure or joined)[0]
        _logger.warning("%s: the label %s holds %r; %s", places[name], quoted(name), sign, fix)


def _note_unlikely(labels: Sequence[str | None], places: Sequence[str]) -> None:
    """Warn of labels that look like signs for a missing one."""
    counts = Counter(label for label in labels if label is not None)
    unlikely = [label for label in counts if label in _MISSING_MARKERS]
    below = [label for label in counts if re.fullmatch(r"-1(\.0*)?", label)]
    others = [label for label in counts if label not in (*below, *_MISSING_MARKERS)]
    if others and all(_NUMBER.fullmatch(label) and float(label) >= 0 for label in others):
        unlikely += below
    if not unlikely:
        return
    place = next(p for label, p in zip(labels, places, strict=True) if label in unlikely)
    _logger.warning(
        "%s: the label %s: does that mean no label? data.ignore_labels = [%s] leaves such rows out",
        place,
        ", ".join(f"{quoted(name)} ({counts[name]:,} rows)" for name in unlikely),
        ", ".join(map(quoted, unlikely)),
    )
