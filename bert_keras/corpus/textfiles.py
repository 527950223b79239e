"""Files of any format that holds text, read as streams of paragraphs."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bert_keras.corpus.decoding import SAMPLE_BYTES, ReadCounts, TextFile, open_text
from bert_keras.corpus.formats import (
    JSON,
    JSON_LINES,
    NO_TEXT,
    TEXT,
    TEXT_COLUMN,
    VOCABULARY,
    WIKI,
    Recognized,
    recognize,
)
from bert_keras.corpus.records import (
    json_line_texts,
    json_texts,
    table_texts,
    wiki_documents,
)
from bert_keras.corpus.sentences import ends_sentence
from bert_keras.errors import InputError

# A paragraph is the list of its lines; None ends a document.
Paragraph = list[str]

_MAX_LINE = 1 << 18  # characters; longer lines of text are cut into several
_MAX_JSON_LINE = 1 << 26  # characters; a longer one is not a JSON line
_MAX_PARAGRAPH = 1 << 18  # characters; longer paragraphs are cut into several

Advance = Callable[[int], None]
Cut = Callable[[str, Path], tuple[str, str]]


def recognize_file(path: Path, text_column: str) -> Recognized:
    """The format of a file and, where it holds records, the first one's text.

    Raises:
        InputError: When it is not text that can be read, or its first record has no such column.
    """
    with _opened(path, ReadCounts(), lambda size: None) as file:
        found = recognize(path, file.start, text_column)
        if found.format in (TEXT, WIKI, *NO_TEXT):
            return found
        return found._replace(example=next(_record_texts(file, found.format, text_column), ""))


def read_text_file(
    path: Path, split: str, counts: ReadCounts, advance: Advance, text_column: str = TEXT_COLUMN
) -> Iterator[Paragraph | None]:
    """The paragraphs of a file of text, JSON, WikiExtractor's documents or a table, as a stream.

    Raises:
        InputError: When it is not UTF-8 text, packed data are cut short or damaged, or it is not
            what its format asks for, such as a string named ``text_column``.
    """
    with _opened(path, counts, advance) as file:
        kind = recognize(path, file.start, text_column).format
        if kind in (TEXT, VOCABULARY):
            yield from _documents(_lines(file, _cut_at_space), split)
        elif kind == WIKI:
            for lines in wiki_documents(_lines(file, _cut_at_space), path):
                yield from _documents(lines, split)
        elif kind in NO_TEXT:  # of a pipe or another machine's, which nobody looked at before
            raise InputError(f"{path} is {kind}, not text; leave it out")
        else:
            for text in _record_texts(file, kind, text_column):
                yield from read_text(text, split)


def _record_texts(file: TextFile, kind: str, text_column: str) -> Iterator[str]:
    if kind == JSON_LINES:
        return json_line_texts(_lines(file, _refuse_long), file, text_column)
    if kind == JSON:
        return json_texts(file, text_column)
    return table_texts(file, text_column, kind)


@contextmanager
def _opened(path: Path, counts: ReadCounts, advance: Advance) -> Iterator[TextFile]:
    raw: io.BufferedReader = io.BufferedReader(io.FileIO(path), SAMPLE_BYTES)
    position = 0

    def on_block() -> None:
        nonlocal position
        if raw.seekable():  # a pipe has no position
            now = raw.tell()
            advance(now - position)
            position = now

    with raw, open_text(path, raw, counts, on_block=on_block) as file:
        yield file


def read_text(text: str, split: str) -> Iterator[Paragraph | None]:
    """The paragraphs of a document that is given as one string."""
    return _documents(text.split("\n"), split)


def _documents(lines: Iterable[str], split: str) -> Iterator[Paragraph | None]:
    """The paragraphs of a document's lines; None after each document, as ``split`` has it."""
    for paragraph in _paragraphs(lines):
        if paragraph is not None or split == "blank-line":
            yield paragraph
    if split == "file":
        yield None


def _paragraphs(lines: Iterable[str]) -> Iterator[Paragraph | None]:
    """The paragraphs, very long ones cut into several; None after each one's end."""
    paragraph: Paragraph = []
    characters = 0
    inside = False
    for line in lines:
        line = line.strip()
        if line:
            paragraph.append(line)
            characters += len(line)
            inside = True
            # It is best cut at a sentence's end, if one comes in time.
            if characters < _MAX_PARAGRAPH or not (
                characters >= 2 * _MAX_PARAGRAPH or ends_sentence(line)
            ):
                continue
        if paragraph:
            yield paragraph
            paragraph, characters = [], 0
        if inside and not line:
            yield None
            inside = False
    if paragraph:
        yield paragraph
    if inside:
        yield None


def _lines(file: TextFile, cut: Cut) -> Iterator[str]:
    """The lines of an open file without their ends; ``cut`` divides those that are too long."""
    limit = _MAX_LINE if cut is _cut_at_space else _MAX_JSON_LINE
    rest = ""
    for block in file.blocks():
        lines = (rest + block).split("\n")
        rest = lines.pop()
        yield from lines
        while len(rest) > limit:
            line, rest = cut(rest, file.path)
            yield line
    if rest:
        yield rest


def _cut_at_space(line: str, path: Path) -> tuple[str, str]:
    end = line.rfind(" ", _MAX_LINE // 2, _MAX_LINE) + 1 or _MAX_LINE
    return line[:end], line[end:]


def _refuse_long(line: str, path: Path) -> tuple[str, str]:
    raise InputError(
        f"{path}: a line is longer than {_MAX_JSON_LINE:,} characters; every line must be a JSON "
        "object of its own"
    )
