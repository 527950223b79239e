"""The different texts of pairs, of which some are repeated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bert_keras.errors import InputError


@dataclass(frozen=True)
class Texts:
    """The different anchors and documents of pairs, in their order.

    Attributes:
        anchors: The anchors. Texts that differ in white space alone are one, the first of them.
        documents: The documents, among them all positives; likewise.
        positives: For each anchor the numbers of its positives.
        known: The same and, where the anchor itself is a document, its number.
        anchor_of: For each pair the number of its anchor.
        most_positives: The most pairs that an anchor has.
    """

    anchors: list[str]
    documents: list[str]
    positives: list[list[int]]
    known: list[list[int]]
    anchor_of: list[int]
    most_positives: int


def texts_of(pairs: Sequence[tuple[str, str]], documents: Sequence[str] = ()) -> Texts:
    """The anchors of pairs, and the documents to look for negatives among.

    Args:
        pairs: Anchors, each with a positive; an anchor may come several times.
        documents: Documents besides the positives. Blank ones are passed over.

    Raises:
        InputError: When there is no pair, or a text of one is blank.
    """
    if not pairs:
        raise InputError("there is no pair to find negatives for")
    for number, pair in enumerate(pairs):
        if not all(text.strip() for text in pair):
            raise InputError(f"pairs[{number}] has a blank text: {pair!r:.80}")
    anchors = _first([anchor for anchor, _ in pairs])
    given = _first([*documents, *(positive for _, positive in pairs)])
    row_of = {key: row for row, key in enumerate(anchors)}
    numbers = {key: number for number, key in enumerate(given)}
    anchor_of = [row_of[_key(anchor)] for anchor, _ in pairs]
    positives: list[dict[int, None]] = [{} for _ in anchors]
    for row, (_, positive) in zip(anchor_of, pairs, strict=True):
        positives[row][numbers[_key(positive)]] = None
    own = [{numbers[key]: None} if key in numbers else {} for key in anchors]
    return Texts(
        anchors=[*anchors.values()],
        documents=[*given.values()],
        positives=[[*row] for row in positives],
        known=[[*row | itself] for row, itself in zip(positives, own, strict=True)],
        anchor_of=anchor_of,
        most_positives=int(np.bincount(anchor_of).max()),
    )


def _first(texts: Iterable[str]) -> dict[str, str]:
    """The first of the texts with each key, in order; without blank ones."""
    found: dict[str, str] = {}
    for text in texts:
        if key := _key(text):
            found.setdefault(key, text)
    return found


def _key(text: str) -> str:
    """Equal for texts that differ in white space alone; empty for a blank one."""
    return " ".join(text.split())
