"""Vectors of many texts that are computed piece by piece, and kept until their file is written.

The vectors lie beside the file or index that is made of them, in the folder ``NAME.unfinished``:
``about.json`` says what they are made from, ``rows`` has them in float32. A process that was killed
leaves the folder, and the same call goes on behind the last whole piece.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from bert_keras.errors import InputError, errors_naming
from bert_keras.files import atomic_directory, remove_directory
from bert_keras.retrieval.exact import check_finite

_logger = logging.getLogger("bert_keras")

PIECE = 1024  # texts; their order decides which are computed together, and so the last bits

_KEY, _VERSION = "bert_keras_vectors", 1  # of about.json: no other program's file has it
_ABOUT, _ROWS, _LOCK = "about.json", "rows", ".lock"

Embed = Callable[[Sequence[str]], np.ndarray]


@contextmanager
def kept_rows(
    path: Path,
    texts: Sequence[str],
    embed: Embed,
    dimensions: int,
    about: Mapping[str, Any],
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """A block with the vectors of texts, which are dropped where the block ends well.

    Args:
        path: The file or directory that is made of them.
        texts: The texts.
        embed: Gives the vectors of up to ``PIECE`` texts, float32 [n, H]; the same for the same.
        dimensions: H.
        about: Their description; see ``describe``.
        on_progress: Called with the texts done so far, and their number.

    Yields:
        The vectors, float32 [N, H], on the disk.

    Raises:
        InputError: As ``check_own``; when vectors are not finite, or another process writes there.
    """
    unfinished = folder_of(path)
    if not check_own(path, about):
        with atomic_directory(unfinished) as folder:
            (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    is_finished = False
    with _locked(unfinished):
        try:
            with errors_naming(path, unfinished):
                yield _rows(unfinished / _ROWS, texts, embed, dimensions, on_progress)
            is_finished = True
        finally:
            if is_finished or not _size(unfinished / _ROWS):  # nothing is done, or all
                _clear(unfinished, path)


def drop_leftover(path: Path, about: Mapping[str, Any]) -> None:
    """Remove the vectors of a file that is written: a kill came before. Other work stays."""
    try:
        is_own = check_own(path, about)
    except InputError:
        return
    if is_own:
        with _locked(folder_of(path)):
            _clear(folder_of(path), path)


def describe(texts: Sequence[str], made_with: Mapping[str, Any]) -> dict[str, Any]:
    """The description of vectors, by which the same work is known again.

    Args:
        texts: The texts.
        made_with: What else the vectors depend on, as JSON has it: the model, a prompt.
    """
    identity = {"number": len(texts), "sha256": hash_texts(texts)}
    return {_KEY: _VERSION, "made_with": dict(made_with), "texts": identity}


def folder_of(path: Path) -> Path:
    """The folder of what is done, beside the file or directory that the vectors are for."""
    return path.with_name(f"{path.name}.unfinished")


def is_computed(path: Path, number: int, dimensions: int) -> bool:
    """Tell whether all vectors are there."""
    return _size(folder_of(path) / _ROWS) >= number * dimensions * 4


def _size(file: Path) -> int:
    """The bytes of a file, 0 without one."""
    return file.stat().st_size if file.is_file() else 0


def hash_texts(texts: Sequence[str]) -> str:
    """The SHA-256 of the texts, each behind its length."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def check_own(path: Path, about: Mapping[str, Any]) -> bool:
    """Tell whether these vectors have been begun; refuse other work in the folder.

    Raises:
        InputError: When the folder is not ours, or of other texts, another model or other settings.
    """
    unfinished = folder_of(path)
    try:
        unfinished.lstat()
    except FileNotFoundError:
        return False
    about = json.loads(json.dumps(about))
    try:
        there = json.loads((unfinished / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = None
    if not isinstance(there, dict) or there.get(_KEY) != _VERSION or unfinished.is_symlink():
        raise InputError(
            f"{unfinished} is not what this version of bert_keras leaves unfinished, and stays as "
            "it is; move it away, or choose another name"
        )
    for key in ("texts", "made_with"):
        if there.get(key) != about[key]:
            what = "other texts" if key == "texts" else _difference(there.get(key), about[key])
            raise InputError(
                f"{unfinished} is the unfinished work on {what}; finish that first, remove the "
                "folder, or choose another name"
            )
    return True


def _difference(there: Any, now: Mapping[str, Any]) -> str:
    """The first setting that differs, with both values where they are short."""
    there = there if isinstance(there, dict) else {}
    for name, value in now.items():
        before = there.get(name)
        if before != value:
            if isinstance(value, dict):
                return f"another {name}"
            return f"another {name} ({before!r:.40} there, {value!r:.40} here)"
    return "other settings"


@contextmanager
def _locked(unfinished: Path) -> Iterator[None]:
    """A block in which no other process may write there; a kill ends the lock too."""
    lock = FileLock(unfinished / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is writing {unfinished}; wait for it or choose another name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _clear(unfinished: Path, path: Path) -> None:
    """Remove the folder, unless somebody has put files into it."""
    if {file.name for file in unfinished.iterdir()} <= {_ABOUT, _ROWS, _LOCK}:
        remove_directory(unfinished, path)
    else:
        _logger.warning("%s holds files that bert_keras did not write, and stays", unfinished)


def _rows(
    file: Path,
    texts: Sequence[str],
    embed: Embed,
    dimensions: int,
    on_progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """The vectors of all texts, float32 [N, H] on the disk; those that are missing are computed."""
    with file.open("ab") as out:
        bytes_of_piece = PIECE * dimensions * 4
        whole = min(out.tell() // bytes_of_piece * PIECE, len(texts) // PIECE * PIECE)
        out.truncate(whole * dimensions * 4)
        if whole:
            _logger.info("%s is continued at text %s", file.parent, f"{whole + 1:,}")
        for start in range(whole, len(texts), PIECE):
            if on_progress:
                on_progress(start, len(texts))
            piece = texts[start : start + PIECE]
            _append(out, embed(piece), (len(piece), dimensions))
    if on_progress:
        on_progress(len(texts), len(texts))
    return np.memmap(file, "<f4", "r", shape=(len(texts), dimensions))


def _append(out: BinaryIO, vectors: np.ndarray, shape: tuple[int, int]) -> None:
    assert vectors.shape == shape
    check_finite(vectors)
    out.write(np.ascontiguousarray(vectors, "<f4").data)
    out.flush()
