"""The columns of a file that hold the words and the tags."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from bert_keras.errors import InputError
from bert_keras.tasks.reading.columns import counted, shortened
from bert_keras.tasks.reading.sources import row, shown_name
from bert_keras.tasks.schemes import OUTSIDE, is_typed

_logger = logging.getLogger("bert_keras")

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_PLACEHOLDERS = {"-", "_", "*", ""}
_HEADER_WORDS = ("word", "words", "token", "tokens", "form")
_HEADER_TAGS = ("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "upos")


class GivenColumns(NamedTuple):
    """The columns that the user named; empty where none was."""

    word: str = ""
    tag: str = ""


class Row(NamedTuple):
    """A line of a sentence: its number in the file, from 1, and its cells."""

    number: int
    cells: list[str]


def header_of(sentences: list[list[Row]], given: GivenColumns) -> Sequence[str]:
    """The names of the columns where the first row has them, else none."""
    first = sentences[0][0].cells
    names = [cell.lower() for cell in first]
    asked = [name.lower() for name in given if name and not name.isdigit()]
    if asked and all(name.partition(":")[0] in names for name in asked):
        return first
    has_words = any(name in _HEADER_WORDS for name in names)
    has_tags = any(name in _HEADER_TAGS for name in names)
    return first if has_words and has_tags and len(set(names)) == len(names) else ()


def tag_of(cell: str, key: str) -> str:
    """The tag in a cell; in a cell of several values the key's, or O where the key is missing."""
    if not key:
        return cell
    values = dict(part.partition("=")[::2] for part in cell.split("|"))
    return values.get(key, OUTSIDE)


class ColumnFinder:
    """The search for the columns of the words and of the tags."""

    def __init__(
        self, source: str, sentences: list[list[Row]], names: Sequence[str], given: GivenColumns
    ) -> None:
        self.source, self.sentences, self.given = source, sentences, given
        self.names = [name.lower() for name in names]
        self.shown = list(names)
        self.width = len(names) or len(sentences[0][0].cells)

    def check_widths(self) -> None:
        """Refuse a row with more or fewer columns than the first."""
        for sentence in self.sentences:
            for number, cells in sentence:
                if len(cells) != self.width:
                    raise InputError(
                        f"{row(self.source, number)} has {counted(len(cells))}, the first row has "
                        f"{self.width}. Received: {' '.join(cells)!r:.80}"
                    )

    def note_widths(self, word: int, tag: int | None) -> None:
        """Warn where rows differ in their columns, as in CoNLL-2012, or where a word has a space.

        The example shows which of the two it is.
        """
        widths = [len(cells) for sentence in self.sentences for _, cells in sentence]
        if min(widths) == max(widths):
            return
        rows = (row for sentence in self.sentences for row in sentence)
        number, cells = next(row for row in rows if len(row.cells) != self.width)
        _logger.warning(
            "%s: rows have %d to %d columns, which are counted from the left: row %d has the word "
            "%.40r%s", shown_name(self.source), min(widths), max(widths), number, cells[word],
            "" if tag is None else f" and the tag {cells[tag]!r:.40}",
        )  # fmt: skip

    def word(self) -> int:
        """The column of the words: the first that neither numbers them nor is constant."""
        if self.given.word:
            return self._named(self.given.word, "data.word_column")
        if "form" in self.names:
            return self.names.index("form")
        named = [n for n, name in enumerate(self.names) if name in _HEADER_WORDS]
        candidates = [*named, *range(self.width)]
        return next(
            (c for c in candidates if not self._numbers_words(c) and not self._is_constant(c)), 0
        )

    def tag(self, word: int) -> tuple[int | None, str]:
        """The column of the tags, by default the last, and the key in it."""
        if self.given.tag:
            name, _, key = self.given.tag.partition(":")
            column = self._named(name, "data.tag_column")
            if key:
                self._check_key(column, key)
            return column, key
        if self.shown == list(CONLLU):
            upos = CONLLU.index("UPOS")
            if self._values(upos) <= _PLACEHOLDERS:
                raise InputError(
                    f"{self.source} has no UPOS; name the column of the tags: data.tag_column = "
                    "'XPOS', say, or 'MISC:KEY'"
                )
            return upos, ""
        others = [c for c in range(self.width) if c != word and not self._numbers_words(c)]
        others = [c for c in others if not self._values(c) <= _PLACEHOLDERS]
        if not others:
            return None, ""
        named = [c for c in others if self.names and self.names[c] in _HEADER_TAGS]
        last = named[-1] if named else others[-1]
        marked = [c for c in others if self._is_marked(c)]
        if marked and last not in marked:
            raise InputError(
                f"{self.source}: column {marked[-1] + 1} has {self._example(marked[-1])!r}, and "
                f"the last, {last + 1}, {self._example(last)!r}; name the one with the tags: "
                f"data.tag_column = '{marked[-1] + 1}'"
            )
        return last, ""

    def _check_key(self, column: int, key: str) -> None:
        """Refuse a key that no cell has: without it every tag would be O."""
        parts = (part for cell in self._cells(column) for part in cell.split("|"))
        keys = list(dict.fromkeys(part.partition("=")[0] for part in parts if "=" in part))
        if key not in keys:
            found = f"its keys: {shortened(keys)}" if keys else "none has a key, as in KEY=VALUE"
            raise InputError(
                f"{self.source}: no cell of {self._name(column)} has the key {key!r} "
                f"(data.tag_column); {found}"
            )

    def describe(self, word: int, tag: int | None, key: str) -> str:
        """A line on the columns that were found, for the log."""
        parts = [f"word = {self._name(word)} ({self.sentences[0][0].cells[word]!r:.40})"]
        if tag is not None:
            tags = (tag_of(cell, key) for cell in self._cells(tag))
            example = next((value for value in tags if value != OUTSIDE), OUTSIDE)
            shown = self._name(tag) + (f":{key}" if key else "")
            parts.append(f"tag = {shown} ({example!r:.40})")
            others = [
                f"{self._name(c)} ({self._example(c)!r:.40})"
                for c in range(self.width)
                if c not in (word, tag) and self._is_marked(c)
            ]
            misc = self._keys_of_misc() if not key else []
            if others or misc:
                parts.append(f"others that data.tag_column may name: {', '.join(others + misc)}")
        return ", ".join(parts)

    def _name(self, column: int) -> str:
        return self.shown[column] if self.shown else f"column {column + 1}"

    def _named(self, name: str, setting: str) -> int:
        rows = (row for sentence in self.sentences for row in sentence)
        number, cells = min(rows, key=lambda row: len(row.cells))
        narrowest = len(cells)
        if name.lower() in self.names:
            return self.names.index(name.lower())
        if name.isdigit() and 1 <= int(name) <= narrowest:
            return int(name) - 1
        known = f", {', '.join(self.shown)}" if self.shown else ""
        where = self.source if self.names else row(self.source, number)
        raise InputError(
            f"{where} has no column {name!r} ({setting}); its columns: 1 to {narrowest}{known}"
        )

    def _cells(self, column: int) -> Iterator[str]:
        return (row.cells[column] for s in self.sentences for row in s if column < len(row.cells))

    def _values(self, column: int) -> set[str]:
        return set(self._cells(column))

    def _example(self, column: int) -> str:
        return next((v for v in self._cells(column) if v not in (OUTSIDE, *_PLACEHOLDERS)), OUTSIDE)

    def _numbers_words(self, column: int) -> bool:
        """Tell whether a column numbers the words: within each sentence, or through all."""
        if self.width == 1 or sum(map(len, self.sentences)) < 2:
            return False
        if not all(cell.isdecimal() and len(cell) < 10 for cell in self._cells(column)):
            return False
        values = [[int(row.cells[column]) for row in sentence] for sentence in self.sentences]
        through = [number for sentence in values for number in sentence]
        return _is_run(through) or (
            {sentence[0] for sentence in values} in ({0}, {1}) and all(map(_is_run, values))
        )

    def _is_constant(self, column: int) -> bool:
        """Tell whether a column has one value in each sentence, such as a document's name."""
        if self.width < 3 or all(len(sentence) == 1 for sentence in self.sentences):
            return False
        return all(len({row.cells[column] for row in s}) == 1 for s in self.sentences)

    def _is_marked(self, column: int) -> bool:
        values = self._values(column) - {OUTSIDE}
        return bool(values) and all(map(is_typed, values))

    def _keys_of_misc(self) -> list[str]:
        """The keys of CoNLL-U's MISC whose values are tags of entities."""
        if self.shown != list(CONLLU):
            return []
        found: Counter[str] = Counter()
        for cell in self._cells(CONLLU.index("MISC")):
            for part in cell.split("|"):
                name, _, value = part.partition("=")
                found[name] += is_typed(value)
        return [f"MISC:{name}" for name, count in found.items() if count]


def _is_run(numbers: Sequence[int]) -> bool:
    """Tell whether each number is one more than the one before."""
    return all(after - before == 1 for before, after in pairwise(numbers))
