"""Random numbers that follow from a seed, an epoch and a purpose, on every machine alike.

They are made from the raw 64-bit words of Philox (Salmon et al. 2011, "Parallel Random Numbers: As
Easy as 1, 2, 3"). numpy promises that a bit generator's raw stream never changes, but promises
nothing of the sort for the methods of ``Generator``.

The plans of epochs draw from them; masks are drawn in the graph, see ``masking``.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Purpose(IntEnum):
    """The purpose of a stream; each has words of its own, so that none shifts another."""

    TARGET_LENGTH = 0
    CUT = 1
    RANDOM_NEXT = 2
    TRIM = 3
    SHUFFLE = 4
    BATCHES = 5


class Draws:
    """A stream of random numbers fixed by ``seed``, ``epoch`` and ``purpose``.

    Args:
        seed: From 0 to 2**63 - 1.
        epoch: From 0.
        purpose: Which of the epoch's streams.
    """

    def __init__(self, seed: int, epoch: int, purpose: Purpose):
        # Draws advance the low half of the 256-bit counter: streams cannot run into one another.
        self._philox = np.random.Philox(key=seed, counter=[0, 0, int(purpose), epoch])

    def raw(self, count: int) -> npt.NDArray[np.uint64]:
        """The next ``count`` 64-bit words, uint64 [count]."""
        return self._philox.random_raw(count)

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """Uniform multiples of 2**-53 in [0, 1), float64 [count]."""
        return (self.raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def coins(self, count: int, probability: float = 0.5) -> npt.NDArray[np.bool_]:
        """Coins, bool [count], each true with ``probability``."""
        return self.uniform(count) < probability

    def integers(self, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Whole numbers, int64 of the shape of ``sizes`` [N], each uniform in [0, size)."""
        return (self.uniform(len(sizes)) * sizes).astype(np.int64)

    def heads(self, tosses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of heads among ``tosses`` [N] fair coins, int64 [N].

        Every toss is one random bit, counted: the binomial distribution exactly.
        """
        heads = np.zeros(len(tosses), np.int64)
        left = np.flatnonzero(tosses)
        remaining = tosses[left]
        while len(left):
            unused_bits = (64 - np.minimum(remaining, 64)).astype(np.uint64)
            heads[left] += np.bitwise_count(self.raw(len(left)) >> unused_bits)
            more = remaining > 64
            left, remaining = left[more], remaining[more] - 64
        return heads

    def permutation(self, count: int) -> npt.NDArray[np.int64]:
        """The numbers from 0 to ``count`` - 1 in random order, int64 [count]."""
        return np.argsort(self.raw(count), kind="stable")
