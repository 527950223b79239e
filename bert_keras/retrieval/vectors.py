"""The vectors of many texts in a ``.npy`` file, written piece by piece.

A process that was killed leaves what is done, and the same call goes on behind the last whole
piece; see ``unfinished.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.config.checks import one_of
from bert_keras.errors import InputError
from bert_keras.files import atomic_file, clear_left_behind, refuse_existing
from bert_keras.retrieval.precision import PRECISIONS, dtype_of, width_of, with_precision
from bert_keras.retrieval.unfinished import (
    PIECE,
    Embed,
    check_own,
    describe,
    folder_of,
    is_computed,
    kept_rows,
)


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
        InputError: When the file exists, there are no texts, or for int8 no two different ones,
            vectors are not finite, another
            process writes there, or what is unfinished there is not ours or of other texts, another
            model or other settings.
    """
    _check_name(path)
    one_of("precision", precision, PRECISIONS)
    if not texts:
        raise InputError("there is no text to embed")
    if precision == "int8" and len(set(texts)) == 1:
        raise InputError(
            "int8 has steps from the lowest to the highest value of each dimension, and one text "
            "alone has no such range: give more texts, or choose float16"
        )
    about = describe(
        texts, dict(made_with or {}) | {"precision": precision, "dimensions": dimensions}
    )
    check_own(path, about)
    if not is_computed(path, len(texts), dimensions):  # else a kill may have left the file
        _refuse_there(path, precision)
    with kept_rows(path, texts, embed, dimensions, about, on_progress) as rows:
        _finish(path, rows, precision)
    return path


def check_new(path: Path, precision: str = "float32") -> None:
    """Refuse at once, before a model is opened, a file that ``write_vectors`` will not write.

    Raises:
        InputError: When the name does not end in ``.npy``, or the file exists and no unfinished
            work is beside it.
    """
    _check_name(path)
    if not folder_of(path).exists():
        _refuse_there(path, precision)


def _refuse_there(path: Path, precision: str) -> None:
    for file in (path, ranges_file(path))[: 2 if precision == "int8" else 1]:
        refuse_existing(file)


def _check_name(path: Path) -> None:
    if path.suffix != ".npy":
        raise InputError(f"{path}: vectors are written as .npy: end the name so")


def ranges_file(path: Path) -> Path:
    """The file with the ranges of an int8 file."""
    return path.with_suffix(".ranges.npy")


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
