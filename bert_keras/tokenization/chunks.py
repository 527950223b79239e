"""Fast tokenization of much text: every distinct chunk goes through the tokenizer once."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np

# Beyond these the table is emptied, so that memory stays bounded.
_MAX_CHUNKS = 250_000
_MAX_CHARACTERS = 8_000_000

_BLOCK_CHARACTERS = 1 << 18

# The Chinese characters in common use, for a class in a pattern; each is a word of its own.
IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

Item = TypeVar("Item")
Encode = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
Describe = Callable[[list[str]], np.ndarray]
Measure = Callable[[list[str], np.ndarray, np.ndarray], np.ndarray]


class ChunkTable:
    """The ids of the chunks seen so far, as arrays that are read at many places in one step.

    A chunk is a piece of text whose ids do not depend on its neighbors: what lies between two
    spaces, say.

    Args:
        encode: Gives the ids of chunks, one after another, and how many each has.
        describe: Gives a uint8 for each chunk, which is kept with its ids; without it 0.
        measure: Gives numbers for each chunk, int32 [n, m], from the chunks, their ids and their
            lengths.
        measures: The number of those numbers, m.

    Attributes:
        measured: Their sums over all that was looked up, int64 [m].
    """

    def __init__(
        self,
        encode: Encode,
        describe: Describe | None = None,
        measure: Measure | None = None,
        measures: int = 0,
    ) -> None:
        self._encode, self._measure = encode, measure
        self.measured = np.zeros(measures, np.int64)
        self._describe = describe or (lambda chunks: np.zeros(len(chunks), np.uint8))
        self._forget()

    def lookup(self, chunks: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ids of chunks, in their order.

        Returns:
            The ids int32 [T]; how many each chunk has, int32 [n]; its description, uint8 [n].
        """
        if len(self._numbers) > _MAX_CHUNKS or self._characters > _MAX_CHARACTERS:
            self._forget()
        known = len(self._numbers)
        numbers = np.fromiter(map(self._numbers.__getitem__, chunks), np.int32, len(chunks))
        if len(self._numbers) > known:
            self._learn(list(islice(self._numbers, known, None)))
        for column in np.flatnonzero(self._is_measured):  # most are 0 for all chunks
            self.measured[column] += self._measures[column].values[numbers].sum()
        lengths = self._lengths.values[numbers]
        ends = np.cumsum(lengths, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        # Token t of chunk c lies at starts[c] + t - (tokens before c).
        shifts = self._starts.values[numbers] - (ends - lengths)
        ids = self._ids.values[np.repeat(shifts, lengths) + np.arange(total)]
        return ids, lengths, self._descriptions.values[numbers]

    def _forget(self) -> None:
        self._numbers = _Numbers()
        self._characters = 0
        self._ids = _Growing(np.int32)
        self._starts = _Growing(np.int64)
        self._lengths = _Growing(np.int32)
        self._descriptions = _Growing(np.uint8)
        self._measures = [_Growing(np.int32) for _ in self.measured]
        self._is_measured = np.zeros(len(self.measured), bool)

    def _learn(self, chunks: list[str]) -> None:
        ids, lengths = self._encode(chunks)
        ends = np.cumsum(lengths, dtype=np.int64)
        self._starts.extend(len(self._ids.values) + ends - lengths)
        self._lengths.extend(lengths)
        self._ids.extend(ids)
        self._descriptions.extend(self._describe(chunks))
        self._characters += sum(map(len, chunks))
        if self._measure is not None:
            columns = self._measure(chunks, ids, lengths).T
            self._is_measured |= columns.any(axis=1)
            for values, column in zip(self._measures, columns, strict=True):
                values.extend(column)


def in_blocks(
    items: Iterable[Item], characters: Callable[[Item], int], least: int = _BLOCK_CHARACTERS
) -> Iterator[list[Item]]:
    """Lists of items, of ``least`` characters or more: a library heeds no signal within a call."""
    block: list[Item] = []
    size = 0
    for item in items:
        block.append(item)
        size += characters(item)
        if size >= least:
            yield block
            block, size = [], 0
    if block:
        yield block


class _Numbers(dict[str, int]):
    """Numbers of keys, from 0 on, in the order in which keys are first asked for."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


class _Growing:
    """An array that is appended to; ``values`` is what it holds."""

    def __init__(self, dtype: Any) -> None:
        self._room = np.empty(1024, dtype)
        self.values = self._room[:0]

    def extend(self, values: Iterable[Any]) -> None:
        new = np.asarray(values, self._room.dtype)
        length = len(self.values) + len(new)
        if length > len(self._room):
            room = np.empty(max(length, 2 * len(self._room)), self._room.dtype)
            room[: len(self.values)] = self.values
            self._room = room
        self._room[len(self.values) : length] = new
        self.values = self._room[:length]
