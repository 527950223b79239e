"""The plan of an epoch: which spans of the corpus make each example; and what all plans share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bert_keras.data.draws import Draws, Purpose
from bert_keras.errors import InputError

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
        """Returns the given rows; of a slice a view, not a copy."""
        return ExamplePlan(*(column[rows] for column in vars(self).values()))

    @staticmethod
    def concatenate(plans: Sequence["ExamplePlan"]) -> "ExamplePlan":
        """Returns the rows of ``plans`` one after another."""
        if len(plans) == 1:
            return plans[0]
        columns = zip(*(vars(plan).values() for plan in plans), strict=True)
        return ExamplePlan(*map(np.concatenate, columns))


def trimmed_pairs(
    a: Int64,
    b: Int64,
    label: npt.NDArray[np.bool_],
    max_tokens: int,
    seed: int,
    epoch: int,
) -> ExamplePlan:
    """Makes the plan of pairs of texts: trims each pair to fit, and puts them in random order.

    Args:
        a: int64 [2, N], where each A begins in the token array and where it ends.
        b: Likewise for B.
        label: bool [N].
        max_tokens: How many tokens A and B may have together.
        seed: The seed of the run.
        epoch: Another epoch, another plan.
    """
    a_length, b_length = a[1] - a[0], b[1] - b[0]
    a_loss, b_loss = _trimmed_tokens(a_length, b_length, max_tokens)
    draws = Draws(seed, epoch, Purpose.TRIM)
    plan = ExamplePlan(
        a[0] + draws.heads(a_loss),
        (a_length - a_loss).astype(np.int32),
        b[0] + draws.heads(b_loss),
        (b_length - b_loss).astype(np.int32),
        label,
    )
    return plan[Draws(seed, epoch, Purpose.SHUFFLE).permutation(len(plan))]


def check_corpus(sentence_offsets: Int64, documents: Int64, max_tokens: int, least: int) -> None:
    """Checks what every plan needs.

    Raises:
        InputError: When the corpus is empty or ``max_tokens`` is below ``least``.
    """
    if not len(documents):
        raise InputError("the corpus has no documents; prepare it from text that has sentences")
    if (documents[:, 1] <= documents[:, 0]).any() or (np.diff(sentence_offsets) <= 0).any():
        raise InputError("the corpus has an empty document or sentence; prepare it again")
    if max_tokens < least:
        raise InputError(
            f"max_seq_length must have room for {least} tokens of text beside the special ones; "
            f"it has room for {max_tokens}"
        )


def target_lengths(
    count: int, max_tokens: int, short_seq_prob: float, seed: int, epoch: int
) -> Int64:
    """Draws each document's target length: nearly always the maximum, else uniform from 2 to it."""
    draws = Draws(seed, epoch, Purpose.TARGET_LENGTH)
    is_short = draws.coins(count, short_seq_prob)
    short = 2 + draws.integers(np.full(count, max_tokens - 1))
    return np.where(is_short, short, max_tokens)


def sentences_of(documents: Int64) -> tuple[Int64, Int64]:
    """Returns the numbers of all sentences in ``documents`` and the row of each one's document."""
    counts = documents[:, 1] - documents[:, 0]
    document = np.repeat(np.arange(len(documents)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(document)) + (documents[:, 0] - before)[document], document


def walk(strides: Int64) -> Int64:
    """Returns the rows reached from row 0 when each row leads ``strides`` [S] further."""
    rows = []
    row, end, stride = 0, len(strides), strides.data
    while row < end:
        rows.append(row)
        row += stride[row]
    return np.array(rows)


def _trimmed_tokens(a_length: Int64, b_length: Int64, max_tokens: int) -> tuple[Int64, Int64]:
    """Returns how many tokens A and B lose until both fit into ``max_tokens``.

    The original takes one token at a time from the longer side, from B when they are equal. So the
    longer side first comes down to the other, then they take turns, B first.
    """
    excess = np.maximum(a_length + b_length - max_tokens, 0)
    until_equal = np.minimum(excess, np.abs(a_length - b_length))
    a_loss = np.where(a_length > b_length, until_equal, 0) + (excess - until_equal) // 2
    return a_loss, excess - a_loss
