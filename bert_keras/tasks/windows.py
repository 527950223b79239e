"""Overlapping windows over texts that are longer than the model reads.

The rules are functions of arrays and, in an exported graph, of tensors. Their arguments are the
tokens of a text, the most tokens of a window (at least 1), the tokens from one window to the next
(no more than the size is taken), and ``xp``, the module of the arrays: ``numpy`` or ``tensorflow``,
whose ``minimum``, ``maximum`` and ``where`` are the same.
"""

from types import ModuleType
from typing import Any

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
        raise InputError("max_seq_length has no room for text beside the special tokens")
    numbers = np.arange(int(window_counts(length, size, stride)))
    starts, ends = window_ranges(numbers, length, size, stride)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def overlapping(size: int) -> int:
    """The stride of windows of ``size`` tokens that share a quarter with the one before."""
    return max(1, size - size // 4)


def window_counts(lengths: Any, sizes: Any, stride: int, xp: ModuleType = np) -> Any:
    """The number of windows of texts, integers like the lengths and sizes."""
    strides = xp.minimum(sizes, stride)
    return 1 + (xp.maximum(lengths - sizes, 0) + strides - 1) // strides


def window_ranges(
    numbers: Any, lengths: Any, sizes: Any, stride: int, xp: ModuleType = np
) -> tuple[Any, Any]:
    """The first token of windows, by their numbers in their texts, and the one after the last."""
    starts = numbers * xp.minimum(sizes, stride)
    return starts, xp.minimum(starts + sizes, lengths)


def best_windows(tokens: Any, lengths: Any, sizes: Any, stride: int, xp: ModuleType = np) -> Any:
    """The number of the window in which each token has the most context.

    That is the smaller number of tokens on either side of it, and then the longer window; of equal
    ones the first. This is the rule of the original ``run_squad.py``. ``tokens`` are the tokens'
    numbers in their texts.
    """
    strides = xp.minimum(sizes, stride)
    last = window_counts(lengths, sizes, stride, xp) - 1
    # All windows but the last are of one size: the one whose middle is nearest is the best of them.
    nearest = -((sizes - 1 + strides - 2 * tokens) // (2 * strides))
    nearest = xp.maximum(xp.minimum(nearest, last - 1), 0)

    def context(numbers: Any) -> tuple[Any, Any]:
        starts, ends = window_ranges(numbers, lengths, sizes, stride, xp)
        around = xp.minimum(tokens - starts, ends - 1 - tokens)
        # A quotient is of float64 in either module; the original's sum decides between equal ones.
        return around, around / 1 + (ends - starts) / 1 * 0.01

    inside, of_nearest = context(nearest)
    inside_last, of_last = context(last)
    is_last = (inside_last >= 0) & ((inside < 0) | (of_last > of_nearest))
    return xp.where(is_last, last, nearest)
