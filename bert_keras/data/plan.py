"""Plans: which spans of the corpus make each example of an epoch, and of the epochs in a row."""

import bisect
import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bert_keras.data.draws import Draws, Purpose
from bert_keras.errors import InputError
from bert_keras.tokenization import Tokenizer

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ExamplePlan:
    """A table of examples, one row each; starts and lengths count tokens of the corpus.

    Attributes:
        a_start: int64 [N], where segment A begins in the token array.
        a_length: int32 [N], at least 1.
        b_start: int64 [N], where segment B begins.
        b_length: int32 [N]; 0 where there is no segment B.
        label: bool [N], the answer to the sentence-level task: whether B is a random text, or
            whether A and B were swapped.
    """

    a_start: Int64
    a_length: npt.NDArray[np.int32]
    b_start: Int64
    b_length: npt.NDArray[np.int32]
    label: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.a_start)

    def __getitem__(self, rows: slice | Int64) -> "ExamplePlan":
        """The given rows; of a slice a view, not a copy."""
        return ExamplePlan(*(column[rows] for column in vars(self).values()))

    @staticmethod
    def concatenate(plans: Sequence["ExamplePlan"]) -> "ExamplePlan":
        """The rows of ``plans`` one after another."""
        if len(plans) == 1:
            return plans[0]
        columns = zip(*(vars(plan).values() for plan in plans), strict=True)
        return ExamplePlan(*map(np.concatenate, columns))


class Sentences(Protocol):
    """Documents of sentences, as plans need them.

    Attributes:
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        tokenizer: What made the ids. Asked for its template, ``vocab_size``, ``pad_id`` and
            ``mask_id`` and, where whole words are masked, for ``starts_word``.
    """

    @property
    def sentence_offsets(self) -> Int64: ...  # noqa: D102
    @property
    def documents(self) -> Int64: ...  # noqa: D102
    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Epoch:
    """All that the examples of an epoch follow from.

    Attributes:
        sentence_offsets: As in ``Sentences``.
        documents: Likewise.
        max_tokens: The tokens that the texts of an example may have together.
        short_seq_prob: The probability that a document is cut to a shorter, random length.
        seed: The seed of the run.
        number: The epoch, from 0; another one has another plan.
    """

    sentence_offsets: Int64
    documents: Int64
    max_tokens: int
    short_seq_prob: float
    seed: int
    number: int

    def draws(self, purpose: Purpose) -> Draws:
        """The epoch's random numbers for a purpose."""
        return Draws(self.seed, self.number, purpose)

    def check(self, least: int) -> None:
        """Check what every plan needs.

        Raises:
            InputError: When the corpus is empty or ``max_tokens`` is below ``least``.
        """
        counts = self.documents[:, 1] - self.documents[:, 0]
        if not len(counts):
            raise InputError("the corpus has no documents; prepare it from text that has sentences")
        if (counts <= 0).any() or (np.diff(self.sentence_offsets) <= 0).any():
            raise InputError("the corpus has an empty document or sentence; prepare it again")
        if self.max_tokens < least:
            raise InputError(
                f"max_seq_length must have room for {least} tokens of text beside the special "
                f"ones; it has room for {self.max_tokens}"
            )

    def target_lengths(self) -> Int64:
        """Each document's target length, int64 [D]: ``max_tokens``, or uniform from 2 to it."""
        draws, count = self.draws(Purpose.TARGET_LENGTH), len(self.documents)
        is_short = draws.coins(count, self.short_seq_prob)
        short = 2 + draws.integers(np.full(count, self.max_tokens - 1))
        return np.where(is_short, short, self.max_tokens)

    def sentences(self) -> tuple[Int64, Int64]:
        """The numbers of all sentences in ``documents`` and the row of each one's document."""
        counts = self.documents[:, 1] - self.documents[:, 0]
        document = np.repeat(np.arange(len(counts)), counts)
        before = np.cumsum(counts) - counts
        return np.arange(len(document)) + (self.documents[:, 0] - before)[document], document

    def shuffled(self, plan: ExamplePlan) -> ExamplePlan:
        """The rows of a plan in random order."""
        return plan[self.draws(Purpose.SHUFFLE).permutation(len(plan))]


def walk(strides: Int64) -> Int64:
    """The rows reached from row 0 when each row leads ``strides`` [S] further."""
    rows = []
    row, end, stride = 0, len(strides), strides.data
    while row < end:
        rows.append(row)
        row += stride[row]
    return np.array(rows)


class ExampleStream:
    """Any run of examples by their absolute index. Threads may share it.

    Args:
        plan_epoch: Gives the plan of an epoch; the same one whenever it is asked.

    Attributes:
        epoch_offsets: ``epoch_offsets[e]`` is the index of the first example of epoch ``e``; it
            grows as epochs are planned.
    """

    def __init__(self, plan_epoch: Callable[[int], ExamplePlan]) -> None:
        # The batches prepared at one time lie in one epoch or straddle two.
        self._plan_epoch = functools.lru_cache(maxsize=2)(plan_epoch)
        self._lock = threading.Lock()
        self.epoch_offsets = [0]

    def resume(self, epoch_offsets: Sequence[int]) -> None:
        """Restore the offsets of an earlier run, so that past epochs are not planned again."""
        with self._lock:
            if len(epoch_offsets) > len(self.epoch_offsets):
                self.epoch_offsets = list(epoch_offsets)

    def offsets_before(self, example: int) -> list[int]:
        """The offsets that ``resume`` needs for the examples from ``example`` on.

        They follow from the example alone, however far the stream has planned.
        """
        with self._lock:
            known = self.epoch_offsets
            return known[: 1 + bisect.bisect_left(known, example)]

    def rows(self, start: int, stop: int) -> ExamplePlan:
        """The examples from ``start`` up to ``stop``, in order.

        Raises:
            InputError: When the known ``epoch_offsets`` do not belong to these plans.
        """
        plans = []
        with self._lock:
            epoch = self._epoch_of(start)
            while start < stop:
                plan = self._plan(epoch)
                offset = self.epoch_offsets[epoch]
                rows = plan[start - offset : stop - offset]
                plans.append(rows)
                start += len(rows)
                epoch += 1
        return ExamplePlan.concatenate(plans)

    def _epoch_of(self, example: int) -> int:
        """The epoch of an example; epochs before it that are not known yet are planned."""
        while self.epoch_offsets[-1] <= example:
            self._plan(len(self.epoch_offsets) - 1)
        return bisect.bisect_right(self.epoch_offsets, example) - 1

    def _plan(self, epoch: int) -> ExamplePlan:
        """An epoch's plan; the end of the epoch is noted."""
        plan = self._plan_epoch(epoch)
        end = self.epoch_offsets[epoch] + len(plan)
        if len(self.epoch_offsets) == epoch + 1:
            self.epoch_offsets.append(end)
        elif self.epoch_offsets[epoch + 1] != end:
            raise InputError(
                f"the saved epoch offsets say that epoch {epoch} ends at example "
                f"{self.epoch_offsets[epoch + 1]}, but with this corpus it ends at {end}; resume "
                "with the corpus, seed and settings of the first run"
            )
        return plan
