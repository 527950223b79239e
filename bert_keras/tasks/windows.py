"""Overlapping windows over texts that are longer than the model reads at once."""

from collections.abc import Sequence

import numpy as np

from bert_keras.errors import InputError

Window = tuple[int, int]


def cut_windows(length: int, size: int, stride: int) -> list[Window]:
    """Half-open ranges of ``size`` tokens, each ``stride`` after the one before; at least one.

    The last ends with the text and may be shorter. No token is left out: the stride is at most
    the size.

    Raises:
        InputError: When the size is 0: ``max_seq_length`` leaves no room for the text.
    """
    if size < 1:
        raise InputError("max_seq_length has no room for text besides the special tokens")
    stride = min(stride, size)
    count = 1 + max(0, -(-(length - size) // stride))
    return [(n * stride, min(n * stride + size, length)) for n in range(count)]


def overlapping(size: int) -> int:
    """The stride of windows of ``size`` tokens that share a quarter with the one before."""
    return max(1, size - size // 4)


def best_windows(length: int, windows: Sequence[Window]) -> np.ndarray:
    """The number of the window in which each token has the most context, int64 [length].

    That is the smaller number of tokens on either side of it, and then the longer window; the
    rule of the original ``run_squad.py``.
    """
    best, score = np.zeros(length, np.int64), np.full(length, -1.0)
    for number, (start, end) in enumerate(windows):
        places = np.arange(end - start)
        here = np.minimum(places, places[::-1]) + 0.01 * (end - start)
        better = here > score[start:end]
        best[start:end][better] = number
        score[start:end][better] = here[better]
    return best
