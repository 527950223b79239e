"""Files opened as UTF-8 text; others are refused, a few bad bytes are replaced and counted."""

import codecs
import dataclasses
import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bert_keras.corpus.decompress import open_unpacked
from bert_keras.corpus.encodings import byte_order, conversion, guess_encoding
from bert_keras.errors import InputError

SAMPLE_BYTES = 1 << 16
REPLACEMENT = "\ufffd"
BYTE_ORDER_MARK = "\ufeff"

_logger = logging.getLogger("bert_keras")

_BLOCK = 1 << 18  # characters read at a time
_FEW = 8  # bad bytes that any sample may have
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FOREIGN = re.compile("[\udc80-\udcfd]")  # a bad byte but FE and FF, which hardly any text has
_UTF16 = {b"\xff\xfe\0\0": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UNPACK_FIRST = "unpack it first"
_EXPORT_TEXT = "save it as text first"
_JSON_LINES_FIRST = "write its rows as JSON lines first, in pandas with to_json(lines=True)"
_MAGIC = {
    b"PK\x03\x04": ("a zip archive", _UNPACK_FIRST),
    b"BZh": ("bzip2 data", _UNPACK_FIRST),
    b"\xfd7zXZ\x00": ("xz data", _UNPACK_FIRST),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK_FIRST),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK_FIRST),
    b"%PDF-": ("a PDF", "take its text out first, for instance with pdftotext"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Office document", _EXPORT_TEXT),
    b"PAR1": ("a Parquet file", _JSON_LINES_FIRST),
    b"ARROW1": ("an Arrow file", _JSON_LINES_FIRST),
    b"\x89HDF": ("HDF5 data", _JSON_LINES_FIRST),
    b"SQLite format 3\x00": ("an SQLite database", _JSON_LINES_FIRST),
}
_IN_ZIP = {  # what a zip archive's first entries are called, or hold
    b"word/": ("a Word document", _EXPORT_TEXT),
    b"xl/": ("an Excel workbook", "save its sheet as CSV first"),
    b"ppt/": ("a PowerPoint file", _EXPORT_TEXT),
    b"application/epub": ("an EPUB", "turn it into text first, with pandoc -t plain"),
    b"application/vnd.oasis.opendocument": ("an OpenDocument file", _EXPORT_TEXT),
}


@dataclass
class ReadCounts:
    """Counts made while reading.

    Attributes:
        bytes_done: Bytes read; of packed files the packed ones.
        replaced_bytes: Bytes that were not UTF-8 and became U+FFFD.
        first_replaced: The place of the first of them: "a.txt, line 17".
        lost_characters: Characters that were U+FFFD already: an earlier conversion lost them.
        first_lost: The place of the first of them.
    """

    bytes_done: int = 0
    replaced_bytes: int = 0
    first_replaced: str = ""
    lost_characters: int = 0
    first_lost: str = ""

    def replace_bad(self, text: str, where: str = "") -> str:
        """The text with U+FFFD for the lone surrogates that bad bytes were decoded to."""
        if text.isascii():
            return text
        text, bad = _LONE_SURROGATE.subn(REPLACEMENT, text)
        if bad:
            self.replaced_bytes += bad
            self.first_replaced = self.first_replaced or where
        return text

    def add(self, other: "ReadCounts") -> None:
        """Add the counts of what was read after this."""
        for name, value in dataclasses.asdict(other).items():
            mine = getattr(self, name)
            setattr(self, name, mine or value if isinstance(value, str) else mine + value)

    def warn(self) -> None:
        """Warn of replaced bytes, and of characters that an earlier conversion had replaced."""
        if self.replaced_bytes:
            _logger.warning(
                "%s not UTF-8 and became U+FFFD, the first in %s",
                _counted(self.replaced_bytes, "byte is", "bytes are"),
                self.first_replaced,
            )
        if self.lost_characters:
            _logger.warning(
                "%s U+FFFD, which stands for what an earlier conversion lost, the first in %s",
                _counted(self.lost_characters, "character is", "characters are"),
                self.first_lost,
            )


def _counted(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


class TextFile:
    """The text of an open file, once from its start to its end.

    Each byte that is not UTF-8 comes as U+FFFD. When the end is reached and more bytes were bad
    than there are good characters beyond ASCII, the file is in another encoding; what does not
    count is a character cut at the end and the bytes FE and FF, which are damage in any encoding.

    Args:
        path: The file's name, for messages.
        file: The file, decoded with ``surrogateescape``.
        start: Its first characters.
        counts: Added to while reading.
        on_block: Called after each block of text.

    Raises:
        InputError: While reading, at the end: when the file is not UTF-8.
    """

    def __init__(
        self,
        path: Path,
        file: TextIO,
        start: str,
        counts: ReadCounts,
        on_block: Callable[[], None] | None = None,
    ) -> None:
        self.path, self.start, self.counts = path, start, counts
        self._file, self._on_block = file, on_block or (lambda: None)
        self._line, self._is_begun = 1, False
        self._good = self._bad = self._foreign = 0
        self._first_bad, self._sample, self._end = 0, b"", ""

    def blocks(self) -> Iterator[str]:
        """The text in pieces of any length."""
        while block := self._file.read(_BLOCK):
            if not self._is_begun:
                self._is_begun = True
                block = block.lstrip(BYTE_ORDER_MARK)  # files that were joined have several
            if not block.isascii():
                self._end = block[-3:]
                block = self._replace_bad(block)
            else:
                self._end = ""
            self._line += block.count("\n")
            yield block
            self._on_block()
        self._judge()

    def __iter__(self) -> Iterator[str]:
        """The lines, each with its end."""
        rest = ""
        for block in self.blocks():
            lines = _lines(rest + block)
            rest = lines.pop()
            yield from lines
        if rest:
            yield rest

    def read(self) -> str:
        """All of the text."""
        return "".join(self.blocks())

    def _replace_bad(self, block: str) -> str:
        beyond = len(block) - len(block.encode("ascii", "ignore"))
        lost = block.find(REPLACEMENT)
        if lost >= 0:
            self.counts.lost_characters += block.count(REPLACEMENT)
            self.counts.first_lost = self.counts.first_lost or self._place(
                self._line_of(block, lost)
            )
        first = _LONE_SURROGATE.search(block)
        if first is None:
            self._good += beyond
            return block
        before = self.counts.replaced_bytes
        line = self._line_of(block, first.start())
        if not self._bad:
            self._first_bad = line
            self._sample = block.encode("utf-8", "surrogateescape")
        self._foreign += len(_FOREIGN.findall(block))
        block = self.counts.replace_bad(block, self._place(line))
        bad = self.counts.replaced_bytes - before
        self._bad += bad
        self._good += beyond - bad
        return block

    def _line_of(self, block: str, position: int) -> int:
        return self._line + block.count("\n", 0, position)

    def _place(self, line: int) -> str:
        return f"{self.path}, line {line:,}"

    def _judge(self) -> None:
        if self._foreign - _cut_at_end(self._end) > self._good:
            raise _not_utf8(self.path, self._bad, self._good, self._first_bad, self._sample)


def _lines(text: str) -> list[str]:
    """The lines, each with its end; last of all the text after the last end."""
    *lines, rest = text.split("\n")
    return [*(f"{line}\n" for line in lines), rest]


def _cut_at_end(text: str) -> int:
    """The number of bytes at a text's end that begin a character; 0 for a single byte."""
    length = len(text) - len(text.rstrip("".join(map(chr, range(0xDC80, 0xDD00)))))
    tail = text[len(text) - length :].encode("utf-8", "surrogateescape")
    try:
        codecs.utf_8_decode(tail, "strict", False)
    except UnicodeDecodeError:
        return 0
    return length if length > 1 else 0


def _not_utf8(path: Path, bad: int, good: int, line: int, sample: bytes) -> InputError:
    encoding = guess_encoding(sample)
    if encoding is None:
        way = f"convert it from its own encoding: {conversion(path, None)}"
    elif encoding in ("LATIN1", "WINDOWS-1252"):
        way = f"if its text is Western European, convert it: {conversion(path, encoding)}"
    else:
        way = f"it looks like {encoding}; convert it: {conversion(path, encoding)}"
    what = _counted(bad, "byte is", "bytes are")
    if good:
        what += f" not and only {_counted(good, 'character', 'characters')} beyond ASCII"
        way += f"; or drop those bytes: {conversion(path, 'UTF-8', ' -c')}"
    else:
        what += " not"
    return InputError(f"{path} is not UTF-8 text: {what}, the first in line {line:,}; {way}")


@contextmanager
def open_text(
    path: Path,
    raw: io.BufferedReader,
    counts: ReadCounts,
    newline: str | None = None,
    on_block: Callable[[], None] | None = None,
) -> Iterator[TextFile]:
    """The text in an open file, packed or not.

    Args:
        path: The file's name, for messages.
        raw: The file, open at its start; it is closed in the end.
        counts: Added to while reading.
        newline: As in Python's ``open``.
        on_block: Called after each block of text.

    Raises:
        InputError: When it is not UTF-8 text; while reading, when packed data are cut short or
            damaged.
    """
    data = open_unpacked(path, raw)
    start = _decoded_sample(path, data.peek(SAMPLE_BYTES))
    with io.TextIOWrapper(data, "utf-8-sig", "surrogateescape", newline) as file:
        yield TextFile(path, file, start, counts, on_block)


def _decoded_sample(path: Path, sample: bytes) -> str:
    """A file's first characters, when they are text."""
    for magic, (what, way) in _MAGIC.items():
        if sample.startswith(magic):
            inside = (found for name, found in _IN_ZIP.items() if name in sample[:4096])
            what, way = next(inside, (what, way)) if magic.startswith(b"PK") else (what, way)
            raise InputError(f"{path} is {what}, not text; {way}")
    if sample[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive, not text; {_UNPACK_FIRST}")
    utf16 = next((name for mark, name in _UTF16.items() if sample.startswith(mark)), None)
    if utf16 or b"\0" in sample:
        utf16 = utf16 or byte_order(sample)
        if utf16 is None:
            raise InputError(f"{path} is not text: it holds zero bytes; only UTF-8 text is read")
        raise InputError(f"{path} is {utf16} text; convert it: {conversion(path, utf16)}")
    # Without the character that the sample's end may cut.
    text, _ = codecs.utf_8_decode(sample, "surrogateescape", False)
    if text.isascii():
        return text
    bad = len(_LONE_SURROGATE.findall(text))
    good = len(text) - bad - len(text.encode("ascii", "ignore"))
    if len(_FOREIGN.findall(text)) > max(good, _FEW):
        first = _LONE_SURROGATE.search(text)
        assert first is not None
        raise _not_utf8(path, bad, good, text.count("\n", 0, first.start()) + 1, sample)
    return text.lstrip(BYTE_ORDER_MARK)
