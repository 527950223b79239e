"""Files of columns as in the CoNLL shared tasks, a word and its tag a line; CoNLL-U; raw text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bert_keras.errors import InputError
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    is_data_set,
    is_json_lines,
    read_objects,
    read_source_lines,
    suffix_of,
)
from bert_keras.tasks.reading.word_columns import CONLLU, ColumnFinder, GivenColumns, Row, header_of
from bert_keras.tasks.schemes import OUTSIDE, is_typed

WORDS = ("tokens", "words")  # the fields of words in JSON lines and data sets
NOTHING = "_"  # an empty cell of CoNLL-U
_DOCUMENT_START = "-DOCSTART-"
_DOCUMENT_EDGE = re.compile("#(begin|end) document")
_COMMENT = re.compile(r"#(\s|$)|#(begin|end) document")
_ID = re.compile(r"(\d+)([-.]\d+)?")
_TAG_OF_TEXT = re.compile(r"[A-Z][A-Z0-9+$:_-]*|[^\w\s]+")
_MOSTLY = 0.9


@dataclass(frozen=True)
class Columns:
    """The sentences of a file, and its columns.

    Attributes:
        sentences: The rows of each sentence.
        word: The number of the column of the words, from 0.
        tag: That of the tags; None where there is none.
        key: The key in the tag's column: CoNLL-U's MISC has several values in a cell.
        is_conllu: Whether the file is CoNLL-U.
        description: The columns with an example, for the log.
    """

    sentences: list[list[Row]]
    word: int
    tag: int | None
    key: str
    is_conllu: bool
    description: str


def has_words(source: str, word_column: str = "") -> bool:
    """Tell whether a source has its words split, and so is not raw text.

    All commands follow this rule. Raw are ``.csv`` files and, unless the column of the words is
    named, ``.txt`` files and standard input that are not columns by ``is_columns``, ``.tsv`` files
    most of whose rows have a cell of several words, and JSON lines and data sets without ``tokens``
    and ``words``.

    Raises:
        InputError: When a column of words is named in a ``.csv`` file, or a row of JSON lines has
            words and the rows before it do not.
    """
    if suffix_of(source) == ".csv" and not is_data_set(source):
        if word_column:
            raise InputError(
                f"{source} is read as raw text, as every .csv is, and word_column names a column "
                f"of words, {word_column!r}; write words and tags as a .conll file, with tabs, or "
                "name a column of raw text: text_column (--text-column)"
            )
        return False
    if word_column:
        return True
    if is_data_set(source):
        return any(name in DataSet(source).fields for name in WORDS)
    if is_json_lines(source):
        return _objects_have_words(source)
    if suffix_of(source) == ".txt" or source == STANDARD_INPUT:
        return is_columns(list(read_source_lines(source, warn=False)))
    if suffix_of(source) == ".tsv":
        lines = read_source_lines(source, warn=False)
        rows = [line.split("\t") for line in lines if "\t" in line.strip()]
        of_texts = sum(any(" " in cell.strip() for cell in cells) for cells in rows)
        return 2 * of_texts <= len(rows)
    return True


def _objects_have_words(source: str) -> bool:
    """Tell by the first of its rows whether JSON lines have words."""
    is_raw = False
    for where, record in read_objects(source, "with a text or tokens", warn=False):
        found = next((name for name in WORDS if name in record), None)
        if found and is_raw:
            raise InputError(
                f"{where} has the words {found!r}, but the rows before it are raw text; give every "
                "row the same fields, or name the one that is read: data.text_column or "
                "data.word_column (--text-column, --word-column)"
            )
        if found:
            return True
        is_raw = True
    return False


def read_columns(source: str, lines: Sequence[str], given: GivenColumns, labeled: bool) -> Columns:
    """The sentences of a file of columns.

    Args:
        source: Its name, for messages.
        lines: Its lines.
        given: The columns that the user named.
        labeled: Whether the tags are read.

    Raises:
        InputError: When a row has another number of columns than the first, or, where both columns
            are given by their numbers, not both of them; or a column has to be named. Names the
            row or the setting.
    """
    sentences = _sentences(lines)
    is_conllu = bool(sentences) and _is_conllu(sentences)
    passed_over = ""
    if is_conllu:
        sentences, passed_over = _without_ranges(sentences)
        names: Sequence[str] = CONLLU
    else:
        names = header_of(sentences, given) if sentences else ()
        if names:
            del sentences[0][0]
            sentences = [sentence for sentence in sentences if sentence]
    if not sentences:
        raise InputError(f"{source} holds no words")
    finder = ColumnFinder(source, sentences, names, given)
    if names or not (given.word and given.tag):
        finder.check_widths()
    word = finder.word()
    tag, key = finder.tag(word) if labeled else (None, "")
    finder.note_widths(word, tag)
    return Columns(
        sentences, word, tag, key, is_conllu, finder.describe(word, tag, key) + passed_over
    )


def is_columns(lines: Sequence[str]) -> bool:
    """Tell whether lines of a ``.txt`` file are words with tags in columns, and not texts.

    They are when they are CoNLL-U; when nearly every line ends in O or in a tag like ``B-PER``; or
    when all have the same number of columns, only the last has upper-case names or marks, some of
    them more than once, and a sentence has several lines.
    """
    sentences = _sentences(lines)
    if not sentences:
        return False
    if _is_conllu(sentences):
        return True
    rows = [row.cells for sentence in sentences for row in sentence]
    tags = [cells[-1] for cells in rows if len(cells) > 1]
    have_one_width = len({len(cells) for cells in rows}) == 1
    marked = sum(tag == OUTSIDE or is_typed(tag) for tag in tags)
    if marked >= _MOSTLY * len(rows):
        return any(map(is_typed, tags)) or (have_one_width and len(rows) > 1)
    return (
        have_one_width
        and len(tags) == len(rows) > 2
        and all(map(_TAG_OF_TEXT.fullmatch, tags))
        and len(set(tags)) < len(tags)
        and not all(cells[0].isupper() for cells in rows)
        and any(len(sentence) > 1 for sentence in sentences)
    )


def _cells_of(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.split("\t")]
    return re.split(" +", cells[0]) if len(cells) == 1 else cells


def _sentences(lines: Sequence[str]) -> list[list[Row]]:
    """The rows of each sentence, without comments and the marks of documents."""
    is_comment = _comment_test(lines)
    sentences: list[list[Row]] = [[]]
    for number, line in enumerate(lines, start=1):
        line = line.rstrip(" \t")
        cells = _cells_of(line)
        if not line or _DOCUMENT_START in cells[:2] or _DOCUMENT_EDGE.match(line):
            sentences.append([])
        elif sentences[-1] or not is_comment(line, cells):
            sentences[-1].append(Row(number, cells))
    return [sentence for sentence in sentences if sentence]


def _comment_test(lines: Sequence[str]) -> Callable[[str, list[str]], bool]:
    """A test that tells a comment before a sentence from a row whose word is "#".

    Such a row has as many columns as the others, and ends in a tag that they have too.
    """
    rows = [_cells_of(line.rstrip(" \t")) for line in lines if line.strip(" \t")]
    plain = [c for c in rows if not c[0].startswith("#") and _DOCUMENT_START not in c[:2]]
    plain = plain or rows[:1]
    width = len(plain[0]) if plain else 1
    last = {cells[-1] for cells in plain}
    numbered = bool(plain) and all(_ID.fullmatch(cells[0]) for cells in plain[:100])

    def is_comment(line: str, cells: list[str]) -> bool:
        if not _COMMENT.match(line):
            return False
        if numbered and width > 1:
            return True
        return len(cells) != width or not (
            width == 1 or cells[-1] in last or cells[-1] == OUTSIDE or is_typed(cells[-1])
        )

    return is_comment


def _is_conllu(sentences: list[list[Row]]) -> bool:
    return all(
        len(row.cells) == len(CONLLU) and _ID.fullmatch(row.cells[0]) for row in sentences[0]
    )


def _without_ranges(sentences: list[list[Row]]) -> tuple[list[list[Row]], str]:
    """The words of CoNLL-U without ranges (1-2) and empty nodes (8.1), and a note on those."""
    kept = [[row for row in s if row.cells[0].isdigit()] for s in sentences]
    left_out = sum(map(len, sentences)) - sum(map(len, kept))
    note = f"; {left_out:,} ranges and empty nodes (1-2, 8.1) passed over" if left_out else ""
    return [sentence for sentence in kept if sentence], note
