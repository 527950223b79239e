"""The sources of text: files, folders, globs, TFDS, the documentation of installed packages."""

import functools
import glob
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bert_keras.corpus.decoding import ReadCounts
from bert_keras.corpus.decompress import PACKED_SUFFIXES
from bert_keras.corpus.formats import (
    FOLDER_SUFFIXES,
    NO_TEXT,
    TEXT,
    TEXT_COLUMN,
    Recognized,
    is_text_by_name,
    log_formats,
    suffix_of,
)
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
from bert_keras.files import WRITTEN_FILE

_logger = logging.getLogger("bert_keras")

PYDOCS = "pydocs"
SPLITS = ("file", "blank-line")

Progress = Callable[[int, int | None], None]


# A file in each kind of folder that the program writes, and what stands in it: corpora, runs,
# models, exports and the folder of quickstart. A model of another program is not text either.
_SIGNS = {
    "corpus.json": '"format_version"',
    "run.json": '"bert_keras_run"',
    WRITTEN_FILE: '"written"',
    "export_report.json": '"bert_keras"',
    ".quickstart": "bert-keras",
}
_MODEL = {"config.json", "model.safetensors"}


def resolve_inputs(inputs: Sequence[str | Path]) -> list[Path | str]:
    """The files that inputs name, in order, each once; ``"pydocs"`` and ``"tfds:..."`` stay.

    Of a folder these are its ``.txt``, ``.text``, ``.md``, ``.rst``, ``.jsonl`` and ``.ndjson``
    files and WikiExtractor's (``wiki_00``), packed or not, those in folders below it too, sorted;
    a note counts the others. Of a glob they are the files it matches, sorted.

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
        inputs: Files, folders, globs, ``"tfds:NAME[:SPLIT[:FIELD]]"`` or ``"pydocs"``.
        split: ``"file"`` makes a file (or a record, an example, a module) a document,
            ``"blank-line"`` every paragraph.
        counts: Filled while reading.
        on_progress: Called with the bytes read and the bytes in all (None when not known).
        text_column: The field or column that holds the text of JSON, tables and TFDS examples.
        others: Files that the command is given as something else, such as the vocabulary: where
            they lie among the inputs, they are left out.

    Raises:
        InputError: When an input names nothing or cannot be read as text.
    """
    check_split(split)
    counts = ReadCounts() if counts is None else counts
    sources = recognize_sources(resolve_inputs(inputs), text_column, others)
    files = [source for source in sources if isinstance(source, Path)]
    total = sum(file.stat().st_size for file in files) if len(files) == len(sources) else None

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
    if isinstance(source, Path):
        yield from read_text_file(source, split, counts, advance, text_column)
        return
    is_tfds = source.startswith(TFDS_PREFIX)
    for text in tfds_texts(source, text_column) if is_tfds else _pydocs():
        text = counts.replace_bad(text, source)
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


def _files(name: str) -> list[Path]:
    if not name.strip():
        raise InputError("an input is an empty name; is a shell variable unset?")
    path = Path(name)
    if path.is_dir():
        return _files_below(path)
    if path.exists():
        return [path]
    if glob.has_magic(name):
        files = sorted(Path(match) for match in glob.glob(name, recursive=True))
        start = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        is_own = functools.cache(_is_own)
        files = [
            file
            for file in files
            if file.is_file()
            and not any(start in folder.parents and is_own(folder) for folder in file.parents)
        ]
        if not files:
            raise InputError(f"no file matches {name}")
        return files
    raise InputError(f"no such file or folder: {name}")


def _files_below(folder: Path) -> list[Path]:
    """The files of a folder that hold text by their names; what is skipped is logged."""
    files: list[Path] = []
    others: Counter[str] = Counter()
    for path in sorted(_walk(folder)):
        if not path.is_file():
            others["(a link to a folder)" if path.is_dir() else "(no file)"] += 1
        elif is_text_by_name(path):
            files.append(path)
        else:
            others[suffix_of(path) or "without a suffix"] += 1
    skipped = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common())
    if not files:
        suffixes = ", ".join(sorted(FOLDER_SUFFIXES))
        packed = " or ".join(sorted(PACKED_SUFFIXES))
        raise InputError(
            f"the folder {folder} holds no text files ({suffixes}, or these with {packed})"
            + (f"; it holds {skipped}: name those to read, or a glob" if others else "")
        )
    if others:
        _logger.info("%s: skipped %s; name those that are text, or a glob", folder, skipped)
    return files


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, without hidden ones and those in folders of the program."""
    for name, folders, files in os.walk(folder):
        if Path(name) != folder and _is_own(Path(name)):
            folders.clear()
            continue
        folders[:] = [child for child in folders if not child.startswith(".")]
        links = [child for child in folders if os.path.islink(Path(name, child))]
        yield from (Path(name, file) for file in (*files, *links) if not file.startswith("."))


def _is_own(folder: Path) -> bool:
    """Tell whether the program made a folder, or it is a model's, and log what it holds."""
    found = [name for name, sign in _SIGNS.items() if _begins(folder / name, sign)]
    if not found and all((folder / name).is_file() for name in _MODEL):
        found = sorted(_MODEL)
    if found:
        _logger.warning("left out %s: it is not text, it holds %s", folder, " and ".join(found))
    return bool(found)


def _begins(path: Path, sign: str) -> bool:
    """Tell whether a file has a sign in its first characters."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return sign in file.read(1 << 12)
    except OSError:
        return False
