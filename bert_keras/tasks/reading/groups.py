"""Texts that belong together: an anchor, its positive, and negatives where there are any."""

import json
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.files import atomic_file
from bert_keras.tasks.reading.columns import quoted, shortened
from bert_keras.tasks.reading.named import named_rows
from bert_keras.tasks.reading.sources import (
    Place,
    id_column,
    read_source_lines,
    row,
    shown_name,
    string_of,
    suffix_of,
)

_logger = logging.getLogger("bert_keras")

# The names of each role, in published data sets.
ANCHORS = ("anchor", "query", "question", "premise", "sentence1", "text_a", "text")
POSITIVES = (
    "positive",
    "pos",
    "answer",
    "passage",
    "entailment",
    "sentence2",
    "text_b",
    "document",
)
_LISTS = ("negatives", "neg")
_NEGATIVE = re.compile(r"(?:negative|contradiction|hard_neg)[ _-]?(\d{0,4})", re.ASCII)


@dataclass(frozen=True)
class GroupExample:
    """Texts that belong together.

    Attributes:
        anchor: The text that the others are compared with: a question, a sentence.
        positive: One that means the same, or answers it.
        negatives: Texts that are like these, and do not.
        where: The place in the data for messages: "train.csv, row 17".
    """

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    where: str

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, in that order."""
        return (self.anchor, self.positive, *self.negatives)


@dataclass(frozen=True)
class _Fields:
    """The fields of a row by their roles.

    Attributes:
        anchor: The anchor's.
        positive: The positive's.
        negatives: The one that has a list, or one for each negative.
        others: Those that are not read.
    """

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are read."""
        return (self.anchor, self.positive, *self.negatives)

    def describe(self) -> str:
        """The roles for the log."""
        parts = [f"anchor = {quoted(self.anchor)}, positive = {quoted(self.positive)}"]
        parts += [f"negatives = {shortened(self.negatives)}"] * bool(self.negatives)
        passed = f"; passed over: {shortened(self.others)}" if any(self.others) else ""
        return ", ".join(parts) + passed


def read_group_examples(source: str, ignored: tuple[str, ...] = ()) -> list[GroupExample]:
    """The examples of a source, in order. What was read as what is logged, with an example.

    A row has ``anchor`` or ``query``, ``positive``, and ``negatives``, a list, or in a table
    ``negative``, or ``negative_1``, ``negative_2`` and so on; rows may have different numbers of
    them, or none. In a ``.txt`` every line is a text and its own positive: the two differ by
    dropout alone (Gao et al. 2021, "SimCSE", unsupervised).

    Args:
        source: A ``.txt``, or what ``named_rows`` takes.
        ignored: The names of further columns or fields, which are passed over.

    Raises:
        InputError: When a name is unknown, missing or there twice, or a text is empty; names the
            row.
    """
    if suffix_of(source) == ".txt":
        return _lines(source, ignored)
    examples: list[GroupExample] = []
    left_out: set[str] = set()
    for where, fields, values in _rows(source, ignored):
        left_out.update(fields.others)
        examples.append(_example(values, fields, where))
        if len(examples) == 1:
            texts = " + ".join(map(quoted, examples[0].texts))
            _logger.info("%s: %s; %s", shown_name(source), fields.describe(), texts)
    if not examples:
        raise InputError(f"{shown_name(source)} holds no examples")
    absent = [name for name in ignored if name not in left_out]
    if absent:
        raise InputError(f"{shown_name(source)} has no {listed(absent)} to leave out")
    return examples


def write_group_examples(path: Path, examples: Iterable[GroupExample]) -> None:
    """Write examples as JSON lines with ``anchor``, ``positive`` and ``negatives``.

    Args:
        path: A new ``.jsonl``, which is written under a temporary name first.
        examples: The examples, in order.

    Raises:
        InputError: When the file exists.
    """
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for example in examples:
            values = {
                "anchor": example.anchor,
                "positive": example.positive,
                "negatives": example.negatives,
            }
            file.write(json.dumps(values, ensure_ascii=False) + "\n")


def _lines(source: str, ignored: tuple[str, ...]) -> list[GroupExample]:
    """The lines of a file, each its own positive."""
    if ignored:
        raise InputError(f"{source} has no columns to leave out: each line of it is a text")
    examples = [
        GroupExample(line, line, (), row(source, number))
        for number, line in enumerate(read_source_lines(source), start=1)
        if line.strip()
    ]
    if not examples:
        raise InputError(f"{source} holds no examples")
    _logger.info(
        "%s: each line is a text and its own positive, under another dropout mask (SimCSE): %s",
        source, quoted(examples[0].anchor),
    )  # fmt: skip
    return examples


def _rows(source: str, ignored: Collection[str]) -> Iterator[tuple[Place, _Fields, dict[str, Any]]]:
    """The place, the fields and the values of every row."""
    return named_rows(
        source,
        "with 'anchor' and 'positive'",
        lambda names, where: _fields_of(names, where, ignored),
        lambda fields: fields.names,
    )


def _fields_of(names: Sequence[str], where: str, ignored: Collection[str]) -> _Fields:
    """The roles of a row's names.

    Raises:
        InputError: When one is missing, there twice or unknown.
    """
    plain = {name.strip().lower(): name for name in names if name not in ignored}
    anchor = _one_of(plain, ANCHORS, where)
    positive = _one_of(plain, POSITIVES, where)
    lists = [plain[name] for name in _LISTS if name in plain]
    numbered = sorted(
        (int(match[1] or 0), name)
        for each, name in plain.items()
        if (match := _NEGATIVE.fullmatch(each))
    )
    if len(lists) > 1 or (lists and numbered):
        found = [*lists, *(name for _, name in numbered)]
        raise InputError(f"{where} has its negatives twice, as {listed(found)}; leave one out")
    fields = (anchor, positive, *lists, *(name for _, name in numbered))
    others = tuple(name for name in names if name not in fields)
    unknown = [name for name in others if not (name in ignored or id_column([name]))]
    if unknown:
        raise InputError(
            f"{where} has {listed(unknown)}, which is not known beside an anchor and its positive; "
            "rename it to 'anchor', 'positive' or 'negative', or leave it out: --ignore-column "
            f"{unknown[0]!r} or, in a recipe, data.ignore_columns = [{quoted(unknown[0])}]"
        )
    return _Fields(anchor, positive, fields[2:], others)


def _one_of(plain: Mapping[str, str], role: Sequence[str], where: str) -> str:
    """The one name that a role has."""
    found = [plain[name] for name in role if name in plain]
    if len(found) > 1:
        raise InputError(f"{where} has {listed(found)}, which say the same; leave one out")
    if not found:
        raise InputError(
            f"{where} has no {role[0]} (or {listed(role[1:], len(role))}); it has "
            f"{listed(list(plain.values()))}"
        )
    return found[0]


def _example(values: Mapping[str, Any], fields: _Fields, where: Place) -> GroupExample:
    """The example of a row."""
    anchor, positive = (
        string_of(values[name], name, where) for name in (fields.anchor, fields.positive)
    )
    of_name = _negatives(values, fields.negatives, where)
    negatives = tuple(of_name.values())
    named = {fields.anchor: anchor, fields.positive: positive, **of_name}
    empty = [name for name, text in named.items() if not text.strip()]
    if empty:
        raise InputError(f"{where}: {listed(empty, 1)} is empty")
    if positive in negatives:
        raise InputError(f"{where}: {quoted(positive)} is the positive and a negative, too")
    return GroupExample(anchor, positive, negatives, where)


def _negatives(values: Mapping[str, Any], names: Sequence[str], where: Place) -> dict[str, str]:
    """The negatives of a row by their names; without the empty cells at the end of a table's."""
    found = {name: "" if values[name] is None else values[name] for name in names}
    if len(names) == 1 and isinstance(values[names[0]], list):
        found = {f"{names[0]} {n}": text for n, text in enumerate(values[names[0]], start=1)}
        return {name: string_of(text, name, where) for name, text in found.items()}
    texts = {name: string_of(text, name, where) for name, text in found.items()}
    while texts and not texts[name := next(reversed(texts))].strip():
        del texts[name]
    return texts
