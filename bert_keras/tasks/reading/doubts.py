"""Signs that a column was mistaken: an id for a text, a text for a label."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.columns import SETTINGS, WAYS_OUT, Columns, plain, quoted
from bert_keras.tasks.reading.labels import LabelRules
from bert_keras.tasks.reading.sources import suffix_of

_logger = logging.getLogger("bert_keras")

# What a third text would be called.
_THIRDS = {
    "text_b": "text_c",
    "sentence2": "sentence3",
    "question2": "question3",
    "#2_string": "#3_string",
    "text2": "text3",
    "sentence_b": "sentence_c",
}
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)*\s*")
_ID = re.compile(r"\s*(?=\S*\d)\S+\s*")  # one word with a digit
_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL)  # read or refused as a list
_SOME = 4  # with fewer rows, lengths say nothing
_FEW = 10  # with fewer rows, the share of different values says nothing
_NEARLY_ALL = 0.9


def check_columns(
    source: str,
    columns: Columns,
    rows: Sequence[tuple[str, str, str | None, Any]],
    given: Columns,
    header: bool | None,
    labels: LabelRules | None,
) -> None:
    """Refuse columns that were guessed and look like others.

    Args:
        source: The table's name, for messages.
        columns: The columns that were found.
        rows: The place, the text, its partner and the label's cell of each row.
        given: The columns that the user named.
        header: What the user said of the header.
        labels: How labels are read; None when they are not.

    Raises:
        InputError: When a third text stands beside the two of a pair, the text looks like a number
            or an id, the label like a text, or the first row like a header.
    """
    if not (given.text or given.text_pair):
        _check_third(source, columns)
    rows = [row for row in rows if row[1].strip()]
    is_guess = bool(rows) and columns.are_numbers and not given.text
    if is_guess:
        _check_one_column(source, columns, [row[1] for row in rows])
        _check_texts(source, columns, [row[1] for row in rows], [row[2] for row in rows])
        if header is None and not given.names:
            _check_first_row([row[3] for row in rows], rows[0][0])
    if labels is None and is_guess:  # the column may hold numbers, which are not texts
        rows = [row for row in rows if _is_word(row[3])]
    elif labels is None or labels.kind == "number" or given.label:
        return
    both = [
        (text + (pair or ""), str(cell))
        for _, text, pair, cell in rows
        if cell and isinstance(cell, str | int | float) and not _LIST.fullmatch(str(cell))
    ]
    if both:
        _check_labels(source, columns, both, labels or LabelRules(kind="one"))


def _check_third(source: str, columns: Columns) -> None:
    """Raise where a third text stands beside the two of a pair: sentence1, sentence2, sentence3."""
    third = _THIRDS.get(plain(columns.text_pair))
    for name in columns.others:
        if plain(name) == third:
            names = listed((*columns.texts, name))
            raise InputError(
                f"{source} has three texts a row, {names}; a model reads one or two, which "
                "data.text_column and data.text_pair_column (--text-column, …) name"
            )


def _check_one_column(source: str, columns: Columns, texts: Sequence[str]) -> None:
    """Look for a table of one column that another sign would split into several.

    Raises:
        InputError: When it is a ``.csv``; lines of a ``.txt`` may be texts all the same.
    """
    if len(columns.names) + len(columns.others) > 1 or len(texts) < _SOME - 1:
        return
    for sign, way_out in WAYS_OUT.items():
        counts = {text.count(sign) for text in texts}
        if sign == "," or len(counts) > 1 or not min(counts):
            continue
        found = f"{source} is one column, but each row has {min(counts)} {sign!r}"
        if suffix_of(source) == ".csv":
            raise InputError(f"{found}: if it separates columns, {way_out}")
        if sign == "\t":
            _logger.warning("%s; data.text_column = '1' (--text-column) reads columns", found)


def _check_texts(
    source: str, columns: Columns, texts: Sequence[str], pairs: Sequence[str | None]
) -> None:
    """Refuse columns of a table without a header whose texts are numbers or ids.

    Raises:
        InputError: When nearly all of them are.
    """
    if not (columns.text_pair or columns.label):
        return
    both = [(columns.text, texts), (columns.text_pair, [pair for pair in pairs if pair])]
    for name, values in both:
        if name and len(values) > 1 and _share(_NUMBER, values) >= _NEARLY_ALL:
            raise InputError(
                f"{source}: {columns.title(name)}, read as a text, has numbers: "
                f"{_examples(values)}; {SETTINGS}"
            )
    is_id = len(texts) >= _FEW and len(set(texts)) == len(texts)
    if is_id and columns.text_pair and _share(_ID, texts) >= _NEARLY_ALL:
        raise InputError(
            f"{source}: {columns.title(columns.text)}, read as the text, looks like an id: "
            f"{_examples(texts)}; {SETTINGS}"
        )


def _check_labels(
    source: str, columns: Columns, rows: Sequence[tuple[str, str]], rules: LabelRules
) -> None:
    """Refuse a column of labels that looks like one of texts, ids or measurements.

    That is one in which nearly every label is different, or labels are longer than the texts and
    as different as these; unless most of them are known.

    Args:
        source: The table's name, for messages.
        columns: Its columns.
        rows: Text and label of each row that has one; the text with its partner.
        rules: How the labels are read.

    Raises:
        InputError: When it does.
    """
    texts, labels = zip(*rows, strict=True)
    single = list(labels)
    if rules.kind == "several":
        single = [name.strip() for label in labels for name in label.split(rules.separator)]
    if 2 * sum(name in rules.names for name in single) >= len(single):
        return
    count, different, texts_different = len(rows), len(set(labels)), len(set(texts))
    is_longer = sum(map(len, labels)) > sum(map(len, texts))
    is_text = (
        is_longer
        and count >= _SOME
        and (
            different > texts_different
            or different == texts_different < count
            or (count >= _FEW and count < 3 * different)
        )
    )
    is_other = count >= _FEW and (
        len(set(single)) >= _NEARLY_ALL * len(single) or different > texts_different
    )
    if not (is_text or is_other):
        return
    found = f"{source}: {columns.title(columns.label)}, read as the label, has {_examples(labels)}"
    if _share(_NUMBER, labels) >= _NEARLY_ALL:
        found += f": {different:,} different numbers in {len(rows):,} rows"
        found += "; data.task = 'regression' learns numbers"
    else:
        found += f": {different:,} different ones in {len(rows):,} rows"
        found += ", longer than the texts" if is_longer else ""
    raise InputError(f"{found}; {SETTINGS}")


def _check_first_row(labels: Sequence[Any], where: str) -> None:
    """Refuse a first row that was read as data where it looks like a header.

    Then no other row has its label, and every other label is frequent; or it alone is not a number.

    Raises:
        InputError: When it does.
    """
    if len(labels) < 3 or not all(isinstance(label, str) for label in labels):
        return
    first, *others = labels
    counts = Counter(others)
    is_alone = first not in counts and len(labels) >= _FEW and min(counts.values()) >= 3
    is_word = not _NUMBER.fullmatch(first) and all(map(_NUMBER.fullmatch, others))
    if first.strip() and (is_alone or is_word):
        raise InputError(
            f"{where} looks like a header: no other row has the label {quoted(first)}. "
            "data.header = true (--header) reads it as one, with data.text_column and "
            "data.label_column naming the columns; data.header = false (--no-header) reads it as "
            "data"
        )


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and not _NUMBER.fullmatch(cell)


def _share(pattern: re.Pattern[str], values: Sequence[str]) -> float:
    return sum(pattern.fullmatch(value) is not None for value in values) / len(values)


def _examples(values: Sequence[str]) -> str:
    return ", ".join(map(quoted, values[:2])) + ", …"
