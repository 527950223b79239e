"""Where text comes from: files, folders, globs, TFDS, the documentation of installed packages."""

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bert_keras.corpus.decompress import PACKED_SUFFIXES
from bert_keras.corpus.pydocs import pydocs_documents
from bert_keras.corpus.textfiles import (
    JSON_SUFFIX,
    TEXT_SUFFIXES,
    Paragraph,
    ReadCounts,
    read_text,
    read_text_file,
    text_kind,
)
from bert_keras.corpus.tfds import TFDS_PREFIX, tfds_texts
from bert_keras.errors import InputError

PYDOCS = "pydocs"
SPLITS = ("file", "blank-line")

Progress = Callable[[int, int | None], None]


def resolve_inputs(inputs: Sequence[str | Path]) -> list[Path | str]:
    """The files that inputs name, in order, each once; ``"pydocs"`` and ``"tfds:..."`` stay.

    A folder stands for its ``.txt``, ``.text``, ``.md``, ``.rst`` and ``.jsonl`` files, packed
    or not, those in folders below it too, sorted; a glob for the files it matches, sorted.

    Raises:
        InputError: When an input names nothing.
    """
    found: dict[Path | str, None] = {}
    for name in inputs:
        if str(name) == PYDOCS or str(name).startswith(TFDS_PREFIX):
            found[str(name)] = None
        else:
            found.update(dict.fromkeys(_files(str(name))))
    if not found:
        raise InputError("no input: name a file, a folder, a glob, tfds:NAME or pydocs")
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
        inputs: Files, folders, globs, ``"tfds:NAME[:SPLIT[:FIELD]]"`` or ``"pydocs"``.
        split: ``"file"`` makes a file (or a JSON line, an example, a module) a document,
            ``"blank-line"`` every paragraph.
        counts: Filled while reading.
        on_progress: Called with the bytes read and the bytes in all (None when not known).

    Raises:
        InputError: When an input names nothing or cannot be read as text.
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
            yield from read_text_file(source, split, counts, advance)
            continue
        texts = tfds_texts(source) if source.startswith(TFDS_PREFIX) else _pydocs()
        for text in texts:
            text = counts.replace_bad(text)
            yield from read_text(text, split)
            advance(len(text.encode()))


def _pydocs() -> Iterator[str]:
    return ("\n\n".join(paragraphs) for paragraphs in pydocs_documents())


def read_lines(inputs: Sequence[str | Path], on_progress: Progress | None = None) -> Iterator[str]:
    """Streams the lines of all inputs that are not blank, as ``learn_vocabulary`` wants them.

    Raises:
        InputError: When an input names nothing or is not UTF-8 text.
    """
    for paragraph in read_documents(inputs, on_progress=on_progress):
        yield from paragraph or ()


def _files(name: str) -> list[Path]:
    if not name.strip():
        raise InputError("an input is an empty name; is a shell variable unset?")
    path = Path(name)
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if text_kind(file) is not None
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not files:
            suffixes = ", ".join(sorted(TEXT_SUFFIXES | {JSON_SUFFIX}))
            packed = " or ".join(sorted(PACKED_SUFFIXES))
            raise InputError(
                f"the folder {name} holds no text files ({suffixes}, or these with {packed})"
            )
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
