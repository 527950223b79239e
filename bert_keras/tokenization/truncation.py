"""The tokens of a long text that are kept."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from bert_keras.errors import InputError

TRUNCATIONS = ("head", "tail", "head_tail")


def tokens_from_head(kept: Any, truncation: str) -> Any:
    """The number of kept tokens that are a text's first ones; the others are its last.

    ``"head_tail"`` takes 128 of 510 from the beginning, as in Sun et al. 2019, section 5.3.1, and
    the same share of any other number.

    Args:
        kept: The number of kept tokens: an integer, or an integer tensor.
        truncation: ``"head"``, ``"tail"`` or ``"head_tail"``.

    Raises:
        InputError: When there is no such truncation.
    """
    if truncation == "head":
        return kept
    if truncation == "tail":
        return kept - kept
    if truncation == "head_tail":
        return (kept + 2) // 4
    raise InputError(f"truncation must be head, tail or head_tail. Received: {truncation!r}")


def kept_of(tokens: Sequence[Any], kept: int, truncation: str) -> Sequence[Any]:
    """The tokens of a text that are kept, ``kept`` in number."""
    head = tokens_from_head(kept, truncation)
    if head == kept:
        return tokens[:kept]
    return [*tokens[:head], *tokens[len(tokens) - (kept - head) :]]


def truncated_lengths(lengths: Sequence[Any], room: int, xp: ModuleType = np) -> list[Any]:
    """The number of tokens of each text that stay: longest first, as ``tokenizers`` shares.

    When both are cut and the room is odd, the longer text, or the second of two equal ones, has
    one token more.

    Args:
        lengths: The tokens of one text or two: integers, or integer arrays.
        room: The tokens that both may have together.
        xp: The module of the arrays: ``numpy``, or ``tensorflow`` in a graph.
    """
    if len(lengths) == 1:
        return [xp.minimum(lengths[0], room)]
    first, second = lengths
    short = xp.minimum(xp.minimum(first, second), room // 2)
    fits, first_is_short = first + second <= room, first <= second
    return [
        xp.where(fits, first, xp.where(first_is_short, short, room - short)),
        xp.where(fits, second, xp.where(first_is_short, room - short, short)),
    ]
