"""Text files and files of JSON lines, read as streams of paragraphs."""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bert_keras.corpus.decompress import PACKED_SUFFIXES, open_unpacked
from bert_keras.corpus.sentences import ends_sentence
from bert_keras.errors import InputError

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".rst"})
JSON_SUFFIX = ".jsonl"

# A paragraph is the list of its lines; None ends a document.
Paragraph = list[str]

_BLOCK = 1 << 18  # characters read at a time
_MAX_LINE = 1 << 18  # characters; longer lines of text are taken for several
_MAX_JSON_LINE = 1 << 26  # characters; a longer one is no JSON line
_MAX_PARAGRAPH = 1 << 18  # characters; longer paragraphs come in parts
_SAMPLE_BYTES = 1 << 16
_MAX_BAD_SHARE = 0.2
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAGIC = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"BZh": "bzip2 data; unpack it first",
    b"\xfd7zXZ\x00": "xz data; unpack it first",
    b"\xff\xfe": "UTF-16 text; convert it first, for instance with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it first, for instance with iconv -f UTF-16 -t UTF-8",
}


@dataclass
class ReadCounts:
    """What was met while reading.

    Attributes:
        bytes_done: Bytes read; of packed files the packed ones.
        replaced_bytes: Bytes that were not UTF-8 and became U+FFFD.
    """

    bytes_done: int = 0
    replaced_bytes: int = 0

    def replace_bad(self, text: str) -> str:
        """The text with U+FFFD for the lone surrogates that bad bytes were decoded to."""
        if text.isascii():
            return text
        text, bad = _LONE_SURROGATE.subn("\ufffd", text)
        self.replaced_bytes += bad
        return text


Advance = Callable[[int], None]


def text_kind(path: Path) -> str | None:
    """``"text"`` or ``"json"`` by a file's name, whether packed or not; None for any other name."""
    suffix = (path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path).suffix
    if suffix.lower() == JSON_SUFFIX:
        return "json"
    return "text" if suffix.lower() in TEXT_SUFFIXES else None


def read_text_file(
    path: Path, split: str, counts: ReadCounts, advance: Advance
) -> Iterator[Paragraph | None]:
    """Streams a file of text, or of JSON lines when its name says so.

    Raises:
        InputError: When it is not UTF-8 text, packed data are cut short or damaged, or a line is
            not a JSON object with a string named ``text``.
    """
    raw: io.BufferedReader = io.BufferedReader(io.FileIO(path), _SAMPLE_BYTES)
    with raw, open_text(path, raw) as file:
        if text_kind(path) != "json":
            lines = _lines(raw, file, counts, advance, _cut_at_space)
            yield from _documents(lines, split)
            return

        def refuse(line: str) -> tuple[str, str]:
            raise InputError(
                f"{path}: a line is longer than {_MAX_JSON_LINE:,} characters; every line must be "
                "a JSON object of its own"
            )

        lines = _lines(raw, file, counts, advance, refuse)
        for number, line in enumerate(lines, start=1):
            if line and not line.isspace():
                text = _json_text(f"{path}: line {number}", line)
                yield from read_text(counts.replace_bad(text), split)


def read_text(text: str, split: str) -> Iterator[Paragraph | None]:
    """The paragraphs of a document that is at hand as one string."""
    return _documents(text.split("\n"), split)


def _documents(lines: Iterable[str], split: str) -> Iterator[Paragraph | None]:
    """The paragraphs of a document's lines; None after each document, as ``split`` has it."""
    for paragraph in _paragraphs(lines):
        if paragraph is not None or split == "blank-line":
            yield paragraph
    if split == "file":
        yield None


def _paragraphs(lines: Iterable[str]) -> Iterator[Paragraph | None]:
    """The paragraphs, very long ones in parts; None after each one's end."""
    paragraph: Paragraph = []
    characters = 0
    inside = False
    for line in lines:
        line = line.strip()
        if line:
            paragraph.append(line)
            characters += len(line)
            inside = True
            # A part ends best at a sentence's end, if one comes in time.
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


def _lines(
    raw: io.BufferedReader,
    file: TextIO,
    counts: ReadCounts,
    advance: Advance,
    cut: Callable[[str], tuple[str, str]],
) -> Iterator[str]:
    """The lines of an open file without their ends; ``cut`` parts those that are too long."""
    limit = _MAX_LINE if cut is _cut_at_space else _MAX_JSON_LINE
    rest = ""
    position = 0
    while block := file.read(_BLOCK):
        lines = (rest + counts.replace_bad(block)).split("\n")
        rest = lines.pop()
        yield from lines
        while len(rest) > limit:
            line, rest = cut(rest)
            yield line
        if raw.seekable():  # a pipe has no position
            now = raw.tell()
            advance(now - position)
            position = now
    if rest:
        yield rest


def _cut_at_space(line: str) -> tuple[str, str]:
    end = line.rfind(" ", _MAX_LINE // 2, _MAX_LINE) + 1 or _MAX_LINE
    return line[:end], line[end:]


def json_object(where: str, line: str, wanted: str) -> dict[str, Any]:
    """The JSON object that a line holds.

    Args:
        where: The line's place, for messages.
        line: The line.
        wanted: What the object must have, for messages: "with the field 'text'".

    Raises:
        InputError: When it is no JSON object.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        # Its own text would call this line 1.
        raise InputError(
            f"{where} is not valid JSON: {error.msg} (character {error.colno})"
        ) from None
    except ValueError as error:
        raise InputError(f"{where} is not valid JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{where} is not valid JSON: too deeply nested") from None
    if not isinstance(record, dict):
        raise InputError(
            f"{where} must be a JSON object {wanted}. Received: {type(record).__name__}"
        )
    return record


def _json_text(where: str, line: str) -> str:
    record = json_object(where, line, "with the field 'text'")
    if "text" not in record:
        there = ", ".join(map(repr, record)) or "none"
        raise InputError(f"{where} has no field 'text'; its fields: {there}")
    text = record["text"]
    if not isinstance(text, str):
        raise InputError(
            f"{where}: the field 'text' must be a string. Received: {type(text).__name__}"
        )
    return text


@contextmanager
def open_text(path: Path, raw: io.BufferedReader, newline: str | None = None) -> Iterator[TextIO]:
    """The text in an open file, packed or not; lone surrogates keep every bad byte apart.

    Args:
        path: The file's name, for messages.
        raw: The file, open at its start; it is closed in the end.
        newline: As in Python's ``open``.

    Raises:
        InputError: When it is not UTF-8 text; while reading, when packed data are cut short or
            damaged.
    """
    data = open_unpacked(path, raw)
    _check_is_text(path, data.peek(_SAMPLE_BYTES))
    with io.TextIOWrapper(data, "utf-8-sig", "surrogateescape", newline) as file:
        yield file


def _check_is_text(path: Path, sample: bytes) -> None:
    for magic, what in _MAGIC.items():
        if sample.startswith(magic):
            raise InputError(f"{path} is {what}")
    if b"\0" in sample:
        raise InputError(f"{path} is not text: it holds zero bytes; only UTF-8 text is read")
    decoded = sample.decode("utf-8", errors="surrogateescape")
    bad = len(_LONE_SURROGATE.findall(decoded))
    if bad > 8 and bad > _MAX_BAD_SHARE * len(sample):
        raise InputError(
            f"{path} is not UTF-8 text: {bad} of its first {len(sample)} bytes are not; convert "
            f"it first, for instance with iconv -f {_likely_encoding(sample)} -t UTF-8"
        )


def _likely_encoding(sample: bytes) -> str:
    for encoding in ("GB18030", "BIG5", "SHIFT_JIS"):
        for cut in range(4):  # the sample may end inside a character
            try:
                sample[: len(sample) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            return encoding
    return "LATIN1"
