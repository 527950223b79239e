"""The columns of a table that hold the text, its partner and the label."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bert_keras.errors import InputError, listed

# Their names in published data sets, in lower case; the first one found counts.
PAIRS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("#1 string", "#2 string"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("sentence_a", "sentence_b"),
    ("query", "document"),
    ("query", "passage"),
    ("text", "text_pair"),
)
_USUAL = ("text", "sentence", "review", "content", "comment", "tweet", "document", "question")
TEXTS = tuple(dict.fromkeys((*_USUAL, *(first for first, _ in PAIRS))))
LABELS = (
    "label",
    "labels",
    "gold_label",
    "class",
    "category",
    "score",
    "quality",
    "is_duplicate",
    "sentiment",
    "stars",
    "rating",
    "target",
)


# The columns of a table without a header, by their number; which is which follows from the width.
_BY_POSITION = {1: ("1", "", ""), 2: ("1", "", "2"), 3: ("1", "2", "3")}
SETTINGS = (
    "data.text_column, data.text_pair_column and data.label_column (--text-column, …) name the "
    "columns or, without a header, give their numbers"
)
# What to do where the columns are separated by another sign than the file's name says.
WAYS_OUT = {
    "\t": "call it .tsv",
    ",": "call it .csv",
    ";": "a first line 'sep=;' in a .csv file says that it does",
}
_SHOWN = 60  # characters of a text in a message
_LISTED = 8  # names of columns in one


class LabelCells(dict[str, Any]):
    """The cell of each label that has a column of its own, by the label's name."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of a table's columns; empty where there is none, or none was given.

    Attributes:
        text: The column of the text.
        text_pair: That of its partner.
        label: That of the label.
        labels: The columns of a table that has one of 0 and 1 for each label.
        others: The columns that are not read.
        are_numbers: Whether the columns have no names, only numbers from 1.
    """

    text: str = ""
    text_pair: str = ""
    label: str = ""
    labels: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    are_numbers: bool = False

    def label_of(self, values: Mapping[str, Any]) -> Any:
        """The label of a row: a cell, ``LabelCells``, or None."""
        if self.labels:
            return LabelCells({name: values[name] for name in self.labels})
        return values[self.label] if self.label else None

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of the texts."""
        return tuple(filter(None, (self.text, self.text_pair)))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (*self.texts, *filter(None, (self.label, *self.labels)))

    def title(self, name: str) -> str:
        """A column's name for a message."""
        return f"column {name}" if self.are_numbers else f"column {json.dumps(name)}"

    def describe(self, is_labeled: bool) -> str:
        """The roles of the columns for a message: ``text = column "review", label = …``."""
        roles = {"text": self.text, "second text": self.text_pair}
        others = self.others
        if is_labeled:
            roles |= {"label": self.label}
        else:
            others = tuple(filter(None, (self.label, *self.labels, *others)))
        parts = [f"{role} = {self.title(name)}" for role, name in roles.items() if name]
        if is_labeled and self.labels:
            parts.append(f"a label each = columns {shortened(self.labels)}")
        elif is_labeled and not self.label:
            parts.append("no label")
        if self.are_numbers and self.names == ("1",) and not others:
            return "a text a line"
        words = ", ".join(parts) + (", without a header" if self.are_numbers else "")
        if others:
            names = ", ".join(others) if self.are_numbers else shortened(others)
            words += f"; passed over: {names}"
        return words


def find_columns(
    names: Sequence[str], source: str, given: Columns, labels: Sequence[str] = ()
) -> Columns | None:
    """The columns of a table, by the names that were given, else by the usual ones.

    Case, spaces and hyphens make no difference, unless they distinguish two names.

    Args:
        names: The table's columns.
        source: The table's name, for messages.
        given: The names that were given; empty where none was.
        labels: The labels that may have a column each.

    Returns:
        The columns, or None when no name of a text column is among them.

    Raises:
        InputError: When a column that was given is not there.
    """
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(plain(name), name)
    text, text_pair, label = (
        _named(name, names, source) for name in (given.text, given.text_pair, given.label)
    )
    columns = tuple(_named(name, names, source) for name in given.labels)
    if not text:
        firsts = {first for first, second in PAIRS if text_pair == known.get(plain(second))}
        if not text_pair:
            text, text_pair = next(
                (
                    (known[plain(first)], known[plain(second)])
                    for first, second in PAIRS
                    if plain(first) in known and plain(second) in known
                ),
                ("", ""),
            )
        text = text or _first(known, (*firsts, *TEXTS), (text_pair, label, *columns))
    if not text:
        return None
    found = Columns(text=text, text_pair=text_pair, label=label, labels=columns)
    if not label and not columns:
        found = _with_label(found, names, known, source, labels)
    return replace(found, others=tuple(name for name in names if name not in found.names))


def _with_label(
    found: Columns, names: Sequence[str], known: dict[str, str], source: str, labels: Sequence[str]
) -> Columns:
    """The columns with the labels': one for each known label, or one of a usual name."""
    present = tuple(name for name in labels if name in names and name not in found.names)
    label = _first(known, LABELS, (found.text, found.text_pair))
    if present and (len(present) == len(labels) or not label):
        missing = [name for name in labels if name not in present]
        if missing:
            raise InputError(
                f"{source} has a column for {listed(present)} but none for {listed(missing)}; its "
                f"columns: {listed(names)}"
            )
        return replace(found, labels=present)
    return replace(found, label=label)


def number_columns(width: int, source: str, given: Columns) -> Columns | None:
    """The columns of a table without a header.

    Those that were not given keep the order text, label or text, partner, label.

    Args:
        width: How many columns there are.
        source: The table's name, for messages.
        given: The numbers that were given, empty where none was.

    Returns:
        The columns, or None when there are too many to know them without their numbers.

    Raises:
        InputError: When a number that was given is not one of a column.
    """
    numbers = [str(number + 1) for number in range(width)]
    if given.labels:
        raise InputError(
            f"{source} has no header, which data.label_columns needs: it names the labels"
        )
    for name in given.names:
        if name not in numbers:
            raise InputError(
                f"{source} has no column {name!r}: it is read as one without a header, and its "
                f"columns are 1 to {width}; data.header = true (--header) says that it has one"
            )
    free = [number for number in numbers if number not in given.names]
    _, usual_pair, usual_label = _BY_POSITION.get(width, ("", "", ""))
    text, text_pair, label = given.text, given.text_pair, given.label
    if not text:
        if width not in _BY_POSITION or not free:
            return None
        text = free.pop(0)
        if not text_pair and usual_pair and free:
            text_pair = free.pop(0)
    label = label or (usual_label if usual_label in free else "")
    found = Columns(text=text, text_pair=text_pair, label=label, are_numbers=True)
    return replace(found, others=tuple(number for number in numbers if number not in found.names))


def are_numbers(given: Columns, first: Sequence[str], where: str) -> bool:
    """Tell whether the given columns are numbers in a table without a header.

    Args:
        given: The names that were given.
        first: The cells of the table's first row.
        where: That row's name, for messages.

    Raises:
        InputError: When they may be numbers or names in that row.
    """
    numbers = [str(number + 1) for number in range(len(first))]
    if not given.names or not all(name in numbers for name in given.names):
        return False
    if all(name in first for name in given.names) and list(first) != numbers:
        raise InputError(
            f"{where} has {listed(given.names)} among its cells: is that row a header? "
            "data.header = true (--header) says so; data.header = false (--no-header) says that "
            "it is data, and the columns are numbers"
        )
    return list(first) != numbers


def counted(columns: int) -> str:
    """A number of columns for a message."""
    return f"{columns} column{'s' if columns > 1 else ''}"


def shortened(names: Sequence[str]) -> str:
    """The first of the names for a message, in double quotes."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in names[:_LISTED]) + more


def quoted(text: str) -> str:
    """The beginning of a text as one line in double quotes; what cannot be printed is escaped."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return f'"{line}"' if len(line) <= _SHOWN else f'"{line[: _SHOWN - 1]}…"'


def _named(name: str, names: Sequence[str], source: str) -> str:
    """The column that was given by a name; "" when none was."""
    if not name or name in names:
        return name
    similar = [other for other in names if plain(other) == plain(name)]
    if len(similar) != 1:
        raise InputError(f"{source} has no column {name!r}; its columns: {listed(names)}")
    return similar[0]


def plain(name: str) -> str:
    """A column's name without its case and the kind of its spaces."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _first(known: dict[str, str], names: Sequence[str], taken: Sequence[str]) -> str:
    return next(
        (
            column
            for name in names
            if (column := known.get(plain(name), "")) and column not in taken
        ),
        "",
    )
