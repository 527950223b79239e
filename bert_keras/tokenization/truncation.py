"""The tokens of a long text that are kept."""

from collections.abc import Sequence
from typing import Any

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


def truncated_lengths(lengths: list[int], room: int) -> list[int]:
    """The number of tokens of each text that stay: longest first, as ``tokenizers`` shares.

    When both are cut and the room is odd, the longer text, or the second of two equal ones, has
    one token more.
    """
    if sum(lengths) <= room:
        return lengths
    if len(lengths) == 1:
        return [room]
    short, long = (0, 1) if lengths[0] <= lengths[1] else (1, 0)
    kept = [0, 0]
    kept[short] = min(lengths[short], room // 2)
    kept[long] = room - kept[short]
    return kept
