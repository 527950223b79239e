"""Documents that nearly repeat an earlier one, found in one pass and in fixed memory.

MinHash (Broder 1997) over shingles of word pieces, with the signature cut into bands (Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, section 3.4): two documents count as near
duplicates when all rows of one band agree. With 16 bands of 8 rows that happens for a pair whose
shingles overlap (shared by all) to 0.5, 0.7, 0.8 and 0.9 with probability 0.06, 0.61, 0.95 and
0.9999.
"""

import numpy as np

_SHINGLE = 5  # word pieces
_BANDS = 16
_ROWS = 8
_NONE = np.uint32(0xFFFFFFFF)
# Four bytes a band and slot make 128 MiB. A newer document overwrites the slots of older ones, so
# past some millions of documents near duplicates that lie far apart are found less surely.
_SLOTS = 1 << 21


class NearDuplicates:
    """Tell of each document whether it nearly repeats one before it; exact and repeatable.

    Documents come as one stream of ids in any pieces; how it is cut makes no difference.
    """

    def __init__(self) -> None:
        hashes = _BANDS * _ROWS
        numbers = _mixed(np.arange(_SHINGLE + 2 * hashes + _ROWS, dtype=np.uint64))
        self._place_factors, self._factors, self._offsets, self._row_factors = np.split(
            numbers | np.uint64(1), np.cumsum([_SHINGLE, hashes, hashes])
        )
        self._table = np.zeros((_BANDS, _SLOTS), np.uint32)
        self._open = np.full(hashes, _NONE)  # the signature of the document that has not ended
        self._carried = np.zeros(0, np.uint64)  # its last ids, whose shingles are not complete

    def add(self, tokens: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Read the next ids of the stream.

        Args:
            tokens: The ids [T].
            ends: How many of these ids come before the end of each document that ends here,
                ascending [E].

        Returns:
            Whether each of them is a near duplicate, bool [E]; one without ids never is.
        """
        ids = np.concatenate([self._carried, tokens.astype(np.uint64) + np.uint64(1)])
        ends = ends + len(self._carried)
        bounds = np.concatenate([[0], ends, [len(ids)]])
        lengths = np.diff(bounds)
        signatures = np.full((len(lengths), len(self._factors)), _NONE)
        signatures[0] = self._open
        # After each document's end come zeros, so that no shingle reaches into the next one.
        padded = np.zeros(len(ids) + len(lengths) * (_SHINGLE - 1), np.uint64)
        places = np.arange(len(ids)) + np.repeat(np.arange(len(lengths)), lengths) * (_SHINGLE - 1)
        padded[places] = ids
        # The last ids of the document that has not ended wait for what follows them.
        waiting = min(int(lengths[-1]), _SHINGLE - 1)
        self._carried = ids[len(ids) - waiting :]
        lengths[-1] -= waiting
        filled = np.flatnonzero(lengths)
        if len(filled):
            shingles = self._shingles(padded, places[: len(ids) - waiting])
            starts = bounds[filled]
            for number, (factor, offset) in enumerate(
                zip(self._factors.astype(np.uint32), self._offsets.astype(np.uint32), strict=True)
            ):
                least = np.minimum.reduceat(shingles * factor + offset, starts)
                signatures[filled, number] = np.minimum(signatures[filled, number], least)
        self._open = signatures[-1].copy()
        return self._seen(signatures[:-1])

    def _shingles(self, padded: np.ndarray, places: np.ndarray) -> np.ndarray:
        """A hash of the ids from each place on, uint32."""
        total = np.zeros(len(places), np.uint64)
        for step, factor in enumerate(self._place_factors):
            total += padded[places + step] * factor
        return (_mixed(total) >> np.uint64(32)).astype(np.uint32)

    def _seen(self, signatures: np.ndarray) -> np.ndarray:
        """Look signatures up, one after another, and add those that are new."""
        rows = signatures.astype(np.uint64).reshape(-1, _BANDS, _ROWS)
        keys = _mixed((rows * self._row_factors).sum(axis=2, dtype=np.uint64))
        slots = (keys % np.uint64(_SLOTS)).astype(np.int64)
        tags = (keys >> np.uint64(32)).astype(np.uint32) | np.uint32(1)  # 0 is an empty slot
        bands = np.arange(_BANDS)
        empty = (signatures == _NONE).all(axis=1)
        seen = np.zeros(len(signatures), bool)
        for number in np.flatnonzero(~empty).tolist():
            slot, tag = slots[number], tags[number]
            seen[number] = (self._table[bands, slot] == tag).any()
            if not seen[number]:
                self._table[bands, slot] = tag
        return seen


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Well mixed 64-bit numbers from any (the finalizer of SplitMix64, Steele et al. 2014)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
