"""The files that the inputs of a command name: files, folders, globs."""

import functools
import glob
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bert_keras.corpus.decompress import PACKED_SUFFIXES
from bert_keras.corpus.formats import FOLDER_SUFFIXES, is_text_by_name, suffix_of
from bert_keras.corpus.tfds import TFDS_PREFIX
from bert_keras.errors import InputError, listed, refuse_unreadable
from bert_keras.files import WRITTEN_FILE
from bert_keras.hub import DATA_PREFIX

_logger = logging.getLogger("bert_keras")

PYDOCS = "pydocs"
_SHOWN = 5  # names in a message

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


def resolve_inputs(
    inputs: Sequence[str | Path], remote_files: Callable[[str], list[str]] | None = None
) -> list[Path | str]:
    """The files that inputs name, in order, each once; ``"pydocs"`` and data sets' names stay.

    A link is the file that it leads to.

    Of a folder these are its ``.txt``, ``.text``, ``.md``, ``.rst``, ``.jsonl`` and ``.ndjson``
    files and WikiExtractor's (``wiki_00``), packed or not, those in folders below it too, sorted;
    a note counts the others. Of a glob they are the files it matches, sorted.

    Args:
        inputs: The names.
        remote_files: A function from a URL to the files that it names; without it a URL is the
            name of a file here.

    Raises:
        InputError: When an input names nothing, or a folder cannot be read.
    """
    found: dict[str, Path | str] = {}  # by real paths
    again: list[str] = []
    for name in map(str, inputs):
        if name == PYDOCS or name.startswith((TFDS_PREFIX, DATA_PREFIX)):
            found[name] = name
            continue
        if remote_files and "://" in name:
            found |= {file: file for file in remote_files(name)}
            continue
        for file in _files(name):
            if found.setdefault(os.path.realpath(file), file) != file:
                again.append(str(file))
    if not found:
        raise InputError(
            "no input: name a file, a folder, a glob, tfds:NAME, hf:ORG/NAME or pydocs"
        )
    if again:
        _logger.info("read once, though a file has several names: %s", listed(again, _SHOWN))
    return list(found.values())


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

        def is_left_out(path: Path) -> bool:
            return any(start in folder.parents and is_own(folder) for folder in path.parents)

        files = [file for file in files if file.is_file() and not is_left_out(file)]
        _check_folders(path, is_left_out)
        if not files:
            raise InputError(f"no file matches {name}")
        return files
    raise InputError(f"no such file or folder: {name}")


def _check_folders(pattern: Path, is_left_out: Callable[[Path], bool]) -> None:
    """Refuse a folder that a glob would look into but that cannot be read: it passes over it."""
    is_magic = [glob.has_magic(part) for part in pattern.parts]
    for place in range(is_magic.index(True), len(is_magic)):
        part = pattern.parts[place]
        above = Path(*pattern.parts[: place + (part == "**")])
        for folder in glob.glob(os.path.join(above, ""), recursive=True):
            try:
                if is_magic[place]:
                    os.scandir(folder).close()
                else:
                    os.lstat(os.path.join(folder, part))
            except FileNotFoundError:
                pass
            except OSError as error:
                if not is_left_out(Path(folder, part)):
                    refuse_unreadable(error)


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
    for name, folders, files in os.walk(folder, onerror=refuse_unreadable):
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
