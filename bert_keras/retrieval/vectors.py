"""The vectors of many texts in a ``.npy`` file, written piece by piece.

What is done lies in a folder beside it, ``NAME.npy.unfinished``: ``about.json``, what the vectors
are made from, and ``rows``, float32. A process that was killed leaves the folder, and the same call
goes on behind the last whole piece.
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

from bert_keras.config.checks import one_of
from bert_keras.errors import InputError, errors_naming
from bert_keras.files import (
    atomic_directory,
    atomic_file,
    clear_left_behind,
    refuse_existing,
    remove_directory,
)
from bert_keras.retrieval.exact import check_finite
from bert_keras.retrieval.precision import PRECISIONS, dtype_of, width_of, with_precision

_logger = logging.getLogger("bert_keras")

PIECE = 1024  # texts; their order decides which are computed together, and so the last bits

_KEY, _VERSION = "bert_keras_vectors", 1  # of about.json: no other program's file has it
_ABOUT, _ROWS, _LOCK = "about.json", "rows", ".lock"

Embed = Callable[[Sequence[str]], np.ndarray]


def write_vectors(
    path: Path,
    texts: Sequence[str],
    embed: Embed,
    dimensions: int,
    precision: str = "float32",
    made_with: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the vectors of texts into a new ``.npy`` file, a row for each text.

    For int8, ``NAME.ranges.npy`` beside it has the lowest and the highest value of each dimension,
    float32 [2, H], which queries need.

    Args:
        path: The file. No file that is there is replaced.
        texts: The texts. They are held in memory, their vectors are not.
        embed: Gives the vectors of up to ``PIECE`` texts, float32 [n, H]; the same for the same.
        dimensions: H.
        precision: One of ``PRECISIONS``.
        made_with: What else the vectors depend on, as JSON has it: the model, a prompt.
        on_progress: Called with the texts done so far, and their number.

    Returns:
        ``path``.

    Raises:
        InputError: When the file exists, there are no texts, vectors are not finite, another
            process writes there, or what is unfinished there is not ours or of other texts, another
            model or other settings.
    """
    _check_name(path)
    one_of("precision", precision, PRECISIONS)
    if not texts:
        raise InputError("there is no text to embed")
    about = {
        _KEY: _VERSION,
        "made_with": dict(made_with or {}) | {"precision": precision, "dimensions": dimensions},
        "texts": {"number": len(texts), "sha256": hash_texts(texts)},
    }
    unfinished = _unfinished(path)
    is_begun = _check_own(unfinished, about)
    if _size(unfinished / _ROWS) < len(texts) * dimensions * 4:  # else a kill may have left them
        _refuse_there(path, precision)
    if not is_begun:
        with atomic_directory(unfinished) as folder:
            (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    is_finished = False
    with _locked(unfinished):
        try:
            with errors_naming(path, unfinished):
                rows = _rows(unfinished / _ROWS, texts, embed, dimensions, on_progress)
                _finish(path, rows, precision)
            is_finished = True
        finally:
            if is_finished or not _size(unfinished / _ROWS):  # nothing is done, or all
                _clear(unfinished, path)
    return path


def check_new(path: Path, precision: str = "float32") -> None:
    """Refuse at once, before a model is opened, a file that ``write_vectors`` will not write.

    Raises:
        InputError: When the name does not end in ``.npy``, or the file exists and no unfinished
            work is beside it.
    """
    _check_name(path)
    if not _unfinished(path).exists():
        _refuse_there(path, precision)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _refuse_there(path: Path, precision: str) -> None:
    for file in (path, ranges_file(path))[: 2 if precision == "int8" else 1]:
        refuse_existing(file)


def _check_name(path: Path) -> None:
    if path.suffix != ".npy":
        raise InputError(f"{path}: vectors are written as .npy: end the name so")


def ranges_file(path: Path) -> Path:
    """The file with the ranges of an int8 file."""
    return path.with_suffix(".ranges.npy")


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


def _check_own(unfinished: Path, about: Mapping[str, Any]) -> bool:
    """Tell whether these vectors have been begun in a folder; refuse any other that is there."""
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


def _finish(path: Path, rows: np.ndarray, precision: str) -> None:
    """Write the file in its precision, unless it is there already, as a kill may have left it."""
    ranges = None
    if precision == "int8":
        ranges = np.asarray([rows.min(axis=0), rows.max(axis=0)])
        _write_array(ranges_file(path), ranges.shape, ranges.dtype, lambda: iter([ranges]))
    shape = (len(rows), width_of(rows.shape[1], precision))
    _write_array(
        path,
        shape,
        dtype_of(precision),
        lambda: (with_precision(piece, precision, ranges) for piece in _pieces(rows)),
    )


def _pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (np.asarray(rows[start : start + PIECE]) for start in range(0, len(rows), PIECE))


def _write_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    pieces: Callable[[], Iterator[np.ndarray]],
) -> None:
    """Write the pieces of an array as a new ``.npy``; a file with just them stays as it is."""
    if _holds(path, shape, dtype, pieces()):
        clear_left_behind(path)
        return
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces():
            file.write(np.ascontiguousarray(piece, dtype).data)


def _holds(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, pieces: Iterator[np.ndarray]
) -> bool:
    """Tell whether a file is a ``.npy`` of just these pieces."""
    try:
        there = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    if not isinstance(there, np.ndarray) or (there.shape, there.dtype) != (shape, dtype):
        return False
    start = 0
    for piece in pieces:
        if not np.array_equal(there[start : start + len(piece)], piece):
            return False
        start += len(piece)
    return True
