"""Vectors in fewer bits, as ``quantize_embeddings`` of sentence-transformers 6 makes them."""

import numpy as np

from bert_keras.errors import InputError

PRECISIONS = ("float32", "float16", "int8", "binary")


def with_precision(
    vectors: np.ndarray, precision: str, ranges: np.ndarray | None = None
) -> np.ndarray:
    """The vectors in a precision.

    Args:
        vectors: float32 [N, H].
        precision: ``"float32"``; ``"float16"``; ``"int8"``, where -128 to 127 stand for 256 steps
            from the lowest to the highest value of each dimension; or ``"binary"``, a bit for each
            dimension, 1 above 0. Eight bits are a byte, the first dimension the highest bit; 128 is
            subtracted from the byte, and bits that are missing at the end are 0.
        ranges: For int8: float32 [2, H], the lowest and the highest value of each dimension.
            Values beyond them become the nearest step. A dimension with one value alone is -128.

    Returns:
        float32, float16 or int8 [N, H]; for binary int8 [N, H / 8, rounded up].

    Raises:
        InputError: When there is no such precision, or a value is too large for float16, which
            sentence-transformers does not have.
    """
    if precision == "float32":
        return vectors.astype(np.float32, copy=False)
    if precision == "float16":
        with np.errstate(over="ignore"):
            halves = vectors.astype(np.float16)
        if np.isinf(halves).any():
            raise InputError("float16 ends at 65,504, the vectors do not; choose float32")
        return halves
    if precision == "int8":
        assert ranges is not None
        lowest, steps = ranges[0], (ranges[1] - ranges[0]) / 255
        steps = np.where(steps == 0, 1, steps)
        return (np.clip(np.floor((vectors - lowest) / steps), 0, 255) - 128).astype(np.int8)
    if precision == "binary":
        return (np.packbits(vectors > 0, axis=-1) ^ 128).view(np.int8)
    raise InputError(f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision!r}")


def width_of(dimensions: int, precision: str) -> int:
    """The numbers that a vector has in a precision."""
    return -(-dimensions // 8) if precision == "binary" else dimensions


def dtype_of(precision: str) -> np.dtype:
    """The dtype of the numbers of a precision."""
    return np.dtype("int8" if precision == "binary" else precision)
