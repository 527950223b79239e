"""Where text comes from: files, folders, globs, and the documentation of installed packages."""

import glob
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_keras.corpus.pydocs import pydocs_documents
from bert_keras.corpus.sentences import ends_sentence
from bert_keras.errors import InputError

PYDOCS = "pydocs"
SPLITS = ("file", "blank-line")
TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".rst"})

Progress = Callable[[int, int | None], None]
# A paragraph is the list of its lines; None ends a document.
Paragraph = list[str]

_MAX_LINE = 1 << 18  # characters; longer lines are read in pieces
_MAX_PARAGRAPH = 1 << 18  # characters; longer paragraphs come in parts
_SAMPLE_BYTES = 1 << 16
_MAX_BAD_SHARE = 0.2
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAGIC = {
    b"\x1f\x8b": "gzip data; decompress it first",
    b"\x28\xb5\x2f\xfd": "zstd data; decompress it first",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\xff\xfe": "UTF-16 text; convert it first, for instance with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it first, for instance with iconv -f UTF-16 -t UTF-8",
}


@dataclass
class ReadCounts:
    """What was met while reading.

    Attributes:
        bytes_done: Bytes read.
        replaced_bytes: Bytes that were not UTF-8 and became U+FFFD.
    """

    bytes_done: int = 0
    replaced_bytes: int = 0


def resolve_inputs(inputs: Sequence[str | Path]) -> list[Path | str]:
    """The files that inputs name, in order, each once; ``"pydocs"`` stays itself.

    A folder stands for its ``.txt``, ``.text``, ``.md`` and ``.rst`` files, those in folders
    below it too, sorted; a glob for the files it matches, sorted.

    Raises:
        InputError: When an input names nothing.
    """
    found: dict[Path | str, None] = {}
    for name in inputs:
        if str(name) == PYDOCS:
            found[PYDOCS] = None
        else:
            found.update(dict.fromkeys(_files(str(name))))
    if not found:
        raise InputError("no input: name a file, a folder, a glob or pydocs")
    return list(found)


def read_documents(
    inputs: Sequence[str | Path],
    split: str = "file",
    counts: ReadCounts | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Paragraph | None]:
    """Streams the paragraphs of all inputs; None comes after the last one of every document.

    A blank line ends a paragraph. Memory stays bounded: a very long paragraph comes in
    parts.

    Args:
        inputs: Files, folders, globs or ``"pydocs"``.
        split: ``"file"`` makes a file a document, ``"blank-line"`` every paragraph.
        counts: Filled while reading.
        on_progress: Called with the bytes read and the bytes in all (None when not known).

    Raises:
        InputError: When an input names nothing or is not UTF-8 text.
    """
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}. Received: {split!r}")
    counts = ReadCounts() if counts is None else counts
    sources = resolve_inputs(inputs)
    files = [source for source in sources if isinstance(source, Path)]
    total = sum(file.stat().st_size for file in files) if len(files) == len(sources) else None

    def advance(size: int) -> None:
        counts.bytes_done += size
        if on_progress is not None:
            on_progress(counts.bytes_done, total)

    for source in sources:
        if isinstance(source, Path):
            yield from _read_file(source, split, counts, advance)
            continue
        for paragraphs in pydocs_documents():
            for paragraph in paragraphs:
                yield [paragraph]
                if split == "blank-line":
                    yield None
            if split == "file":
                yield None
            advance(sum(len(paragraph.encode()) for paragraph in paragraphs))


def read_lines(inputs: Sequence[str | Path], on_progress: Progress | None = None) -> Iterator[str]:
    """Streams the lines of all inputs that are not blank, as ``learn_vocabulary`` wants them.

    Raises:
        InputError: When an input names nothing or is not UTF-8 text.
    """
    for paragraph in read_documents(inputs, on_progress=on_progress):
        yield from paragraph or ()


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in TEXT_SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not files:
            suffixes = ", ".join(sorted(TEXT_SUFFIXES))
            raise InputError(f"the folder {name} holds no text files ({suffixes})")
        return files
    if path.exists():
        return [path]
    if glob.has_magic(name):
        files = sorted(Path(match) for match in glob.glob(name, recursive=True))
        files = [file for file in files if file.is_file()]
        if not files:
            raise InputError(f"no file matches {name}")
        return files
    raise InputError(f"no such file or folder: {name}")


def _read_file(
    path: Path, split: str, counts: ReadCounts, advance: Callable[[int], None]
) -> Iterator[Paragraph | None]:
    _check_is_text(path)
    paragraph: Paragraph = []
    characters = position = 0
    # Surrogates keep every bad byte apart, so that they can be counted.
    with (
        path.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape") as file,
    ):
        while line := file.readline(_MAX_LINE):
            if not line.endswith("\n") and len(line) == _MAX_LINE:
                line = _to_last_space(line, file.readline)
            if not line.isascii():
                line, bad = _LONE_SURROGATE.subn("\ufffd", line)
                counts.replaced_bytes += bad
            line = line.strip()
            if line:
                paragraph.append(line)
                characters += len(line)
                # Best at a sentence's end, if one comes in time.
                if characters < _MAX_PARAGRAPH or not (
                    characters >= 2 * _MAX_PARAGRAPH or ends_sentence(line)
                ):
                    continue
            if paragraph:
                yield paragraph
                if split == "blank-line" and not line:
                    yield None
                paragraph, characters = [], 0
            now = raw.tell()
            if now != position:
                advance(now - position)
                position = now
        if paragraph:
            yield paragraph
        if split == "file" or paragraph:
            yield None
        advance(raw.tell() - position)


def _to_last_space(line: str, readline: Callable[[int], str]) -> str:
    """A line that was cut inside a word, with the rest of the word (up to a limit)."""
    pieces = [line]
    for _ in range(1_000):
        character = readline(1)
        pieces.append(character)
        if not character or character.isspace():
            break
    return "".join(pieces)


def _check_is_text(path: Path) -> None:
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
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
