"""Documents as a stream, of files, of data sets and of installed packages' documentation."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bert_keras.corpus.arrow import PARQUET, is_parquet, table_texts
from bert_keras.corpus.decoding import ReadCounts
from bert_keras.corpus.formats import NO_TEXT, TEXT, TEXT_COLUMN, Recognized, log_formats
from bert_keras.corpus.inputs import resolve_inputs
from bert_keras.corpus.pydocs import pydocs_documents
from bert_keras.corpus.textfiles import (
    Advance,
    Paragraph,
    read_text,
    read_text_file,
    recognize_file,
)
from bert_keras.corpus.tfds import TFDS_PREFIX, tfds_texts
from bert_keras.errors import InputError
from bert_keras.hub import DATA_PREFIX

_logger = logging.getLogger("bert_keras")

SPLITS = ("file", "blank-line")

Progress = Callable[[int, int | None], None]


def recognize_sources(
    sources: Sequence[Path | str],
    text_column: str = TEXT_COLUMN,
    others: Sequence[str | Path] = (),
) -> list[Path | str]:
    """The sources that hold text, the formats of all of them recognized and logged before reading.

    Args:
        sources: Of ``resolve_inputs``.
        text_column: As in ``read_documents``.
        others: Likewise.

    Returns:
        The sources without vocabularies, logs, answers and the other files of the command; a
        warning names these.

    Raises:
        InputError: When a file cannot be read, nothing is left, or no input has columns of which
            ``text_column`` could be one.
    """
    kept: list[Path | str] = []
    formats: list[tuple[str, Recognized]] = []
    left_out: dict[str, list[str]] = {}
    for source in sources:
        if isinstance(source, Path) and source.is_file():  # a pipe can be opened only once
            if any(os.path.exists(other) and source.samefile(other) for other in others):
                left_out.setdefault("given to the command as something else, too", []).append(
                    str(source)
                )
                continue
            if is_parquet(source):
                example = next(table_texts(str(source), text_column), "")
                found = Recognized(PARQUET, example=example)
            else:
                found = recognize_file(source, text_column)
            if found.format in NO_TEXT:
                left_out.setdefault(found.format, []).append(str(source))
                continue
            formats.append((str(source), found))
        kept.append(source)
    for what, names in left_out.items():
        _logger.warning("left out, as it is %s: %s", what, ", ".join(names))
    if not kept:
        what, (name, *_) = next(iter(left_out.items()))
        raise InputError(f"no input is left: {name} is {what}")
    is_all_text = len(formats) == len(kept) and all(found.format == TEXT for _, found in formats)
    if text_column != TEXT_COLUMN and is_all_text:
        raise InputError(
            f"--text-column (text_column) is {text_column!r}, but {formats[0][0]} is plain text"
            f"{f', and so are {len(kept) - 1:,} more files' if len(kept) > 1 else ''}; a table is "
            "told by its name: .csv or .tsv"
        )
    log_formats(formats, text_column)
    return kept


def read_documents(
    inputs: Sequence[str | Path],
    split: str = "file",
    counts: ReadCounts | None = None,
    on_progress: Progress | None = None,
    text_column: str = TEXT_COLUMN,
    others: Sequence[str | Path] = (),
) -> Iterator[Paragraph | None]:
    """The paragraphs of all inputs as a stream; None after the last one of every document.

    A blank line ends a paragraph. Memory stays bounded: a very long paragraph is cut into several.
    The formats of the files are logged before, bad bytes in the end.

    Args:
        inputs: Files, folders, globs, ``"tfds:NAME[:SPLIT[:FIELD]]"``,
            ``"hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT[:COLUMN]]"`` or ``"pydocs"``.
        split: ``"file"`` makes a file (or a record, an example, a module) a document,
            ``"blank-line"`` every paragraph.
        counts: Filled while reading.
        on_progress: Called with the bytes read and the bytes in all (None when not known).
        text_column: The field or column that holds the text of JSON, tables and data sets.
        others: Files that the command is given as something else, such as the vocabulary: where
            they lie among the inputs, they are left out.

    Raises:
        InputError: When an input names nothing or cannot be read as text.
    """
    check_split(split)
    counts = ReadCounts() if counts is None else counts
    sources = recognize_sources(resolve_inputs(inputs), text_column, others)
    files = [source for source in sources if isinstance(source, Path)]
    is_known = len(files) == len(sources) and not any(map(is_parquet, files))
    total = sum(file.stat().st_size for file in files) if is_known else None

    def advance(size: int) -> None:
        counts.bytes_done += size
        if on_progress is not None:
            on_progress(counts.bytes_done, total)

    for source in sources:
        yield from read_source(source, split, counts, advance, text_column)
    counts.warn()


def check_split(split: str) -> None:
    """Refuse a way of making documents that does not exist, by an ``InputError``."""
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}. Received: {split!r}")


def read_source(
    source: Path | str, split: str, counts: ReadCounts, advance: Advance, text_column: str
) -> Iterator[Paragraph | None]:
    """The paragraphs of one source of ``resolve_inputs``; see ``read_documents``."""
    if isinstance(source, Path) and not is_parquet(source):
        yield from read_text_file(source, split, counts, advance, text_column)
        return
    name = str(source)
    if name.startswith(TFDS_PREFIX):
        texts = tfds_texts(name, text_column)
    elif name.startswith(DATA_PREFIX) or is_parquet(name):
        texts = table_texts(name, text_column)
    else:
        texts = _pydocs()
    for text in texts:
        text = counts.replace_bad(text, name)
        yield from read_text(text, split)
        advance(len(text.encode()))


def _pydocs() -> Iterator[str]:
    return ("\n\n".join(paragraphs) for paragraphs in pydocs_documents())


def read_lines(
    inputs: Sequence[str | Path],
    on_progress: Progress | None = None,
    text_column: str = TEXT_COLUMN,
) -> Iterator[str]:
    """The lines of all inputs that are not blank, as a stream for ``learn_vocabulary``.

    Raises:
        InputError: When an input names nothing or is not UTF-8 text.
    """
    for paragraph in read_documents(inputs, on_progress=on_progress, text_column=text_column):
        yield from paragraph or ()
