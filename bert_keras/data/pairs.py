"""Which two spans of the corpus make each example of an epoch: the next-sentence pairs of BERT.

The rules are those of ``create_instances_from_document`` in the original
``create_pretraining_data.py`` (Devlin et al. 2019, section 3.1 and appendix A.2). There they run
sentence by sentence; here all documents are planned at once by array operations. A side is always a
run of neighbouring sentences, so a span of the token array says it all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bert_keras.data.draws import Draws, Purpose
from bert_keras.errors import InputError

Int64 = npt.NDArray[np.int64]

SPECIAL_TOKENS = 3
"""[CLS] A [SEP] B [SEP]."""

_DOCUMENT_TRIES = 10


@dataclass(frozen=True, eq=False)
class PairPlan:
    """A table of examples, one row each; starts and lengths count tokens of the corpus.

    Attributes:
        a_start: int64 [N], where segment A begins in the token array.
        a_length: int32 [N], at least 1.
        b_start: int64 [N], where segment B begins.
        b_length: int32 [N], at least 1.
        is_random: bool [N], whether B is a random text instead of what follows A.
    """

    a_start: Int64
    a_length: npt.NDArray[np.int32]
    b_start: Int64
    b_length: npt.NDArray[np.int32]
    is_random: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.a_start)

    def __getitem__(self, rows: slice) -> "PairPlan":
        """Returns the given rows; a view, not a copy."""
        return PairPlan(*(column[rows] for column in vars(self).values()))

    @staticmethod
    def concatenate(plans: Sequence["PairPlan"]) -> "PairPlan":
        """Returns the rows of ``plans`` one after another."""
        if len(plans) == 1:
            return plans[0]
        columns = zip(*(vars(plan).values() for plan in plans), strict=True)
        return PairPlan(*map(np.concatenate, columns))


class _Chunks(NamedTuple):
    """Runs of sentences cut from the documents, one row each; sentences by their number.

    Attributes:
        document: int64 [N], the row of ``documents``.
        start: int64 [N], the first sentence of A.
        middle: int64 [N], the sentence after A, where a true B begins.
        end: int64 [N], the sentence after a true B.
        is_random: bool [N].
    """

    document: Int64
    start: Int64
    middle: Int64
    end: Int64
    is_random: npt.NDArray[np.bool_]


def plan_pairs(
    sentence_offsets: Int64,
    documents: Int64,
    max_seq_length: int,
    short_seq_prob: float,
    seed: int,
    epoch: int,
) -> PairPlan:
    """Plans all examples of one epoch, in random order.

    Args:
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        max_seq_length: The length of an example with its three special tokens, at least 5.
        short_seq_prob: The probability that a document is cut to a shorter, random length.
        seed: The seed of the run.
        epoch: Another epoch, another plan.

    Returns:
        The plan. Its number of rows differs from epoch to epoch.

    Raises:
        InputError: When the corpus is empty or the length leaves no room for a pair.
    """
    _check(sentence_offsets, documents, max_seq_length)
    max_tokens = max_seq_length - SPECIAL_TOKENS
    targets = _target_lengths(len(documents), max_tokens, short_seq_prob, seed, epoch)
    chunks = _cut_chunks(sentence_offsets, documents, targets, Draws(seed, epoch, Purpose.CUT))
    a_start = sentence_offsets[chunks.start]
    a_length = sentence_offsets[chunks.middle] - a_start

    b_first, b_end = chunks.middle.copy(), chunks.end.copy()
    rows = np.flatnonzero(chunks.is_random)
    b_first[rows], b_end[rows] = _random_next(
        sentence_offsets,
        documents,
        chunks.document[rows],
        targets[chunks.document[rows]] - a_length[rows],
        Draws(seed, epoch, Purpose.RANDOM_NEXT),
    )
    b_start = sentence_offsets[b_first]
    b_length = sentence_offsets[b_end] - b_start

    draws = Draws(seed, epoch, Purpose.TRIM)
    a_loss, b_loss = _trimmed_tokens(a_length, b_length, max_tokens)
    a_start = a_start + draws.heads(a_loss)
    b_start = b_start + draws.heads(b_loss)

    order = Draws(seed, epoch, Purpose.SHUFFLE).permutation(len(a_start))
    return PairPlan(
        a_start[order],
        (a_length - a_loss)[order].astype(np.int32),
        b_start[order],
        (b_length - b_loss)[order].astype(np.int32),
        chunks.is_random[order],
    )


def _check(sentence_offsets: Int64, documents: Int64, max_seq_length: int) -> None:
    if not len(documents):
        raise InputError("the corpus has no documents; prepare it from text that has sentences")
    if (documents[:, 1] <= documents[:, 0]).any() or (np.diff(sentence_offsets) <= 0).any():
        raise InputError("the corpus has an empty document or sentence; prepare it again")
    if max_seq_length < SPECIAL_TOKENS + 2:
        raise InputError(
            f"max_seq_length must be at least {SPECIAL_TOKENS + 2}, to hold two segments and three "
            f"special tokens; received {max_seq_length}"
        )


def _target_lengths(
    count: int, max_tokens: int, short_seq_prob: float, seed: int, epoch: int
) -> Int64:
    """Draws each document's target length: nearly always the maximum, else uniform from 2 to it."""
    draws = Draws(seed, epoch, Purpose.TARGET_LENGTH)
    is_short = draws.coins(count, short_seq_prob)
    short = 2 + draws.integers(np.full(count, max_tokens - 1))
    return np.where(is_short, short, max_tokens)


def _cut_chunks(sentence_offsets: Int64, documents: Int64, targets: Int64, draws: Draws) -> _Chunks:
    """Cuts every document into chunks that reach its target length or its end.

    The chunk that would begin at each sentence is worked out for all sentences at once, with draws
    of its own; the walk from chunk to chunk then picks those that do begin. No draw is used twice,
    since the walk never comes back to a sentence.
    """
    counts = documents[:, 1] - documents[:, 0]
    document = np.repeat(np.arange(len(documents)), counts)
    before = np.cumsum(counts) - counts
    start = np.arange(len(document)) + (documents[:, 0] - before)[document]
    reach = sentence_offsets[start] + targets[document]
    end = np.minimum(np.searchsorted(sentence_offsets, reach), documents[document, 1])
    sentences = end - start
    # From 1 to sentences - 1 of them are A; a single one is A alone.
    middle = start + 1 + draws.integers(np.maximum(sentences - 1, 1))
    is_random = (sentences == 1) | draws.coins(len(start))
    # A random B leaves the chunk's own sentences after A unused: they are put back.
    used = np.where(is_random, middle, end) - start
    begins = _walk(used)
    return _Chunks(document[begins], start[begins], middle[begins], end[begins], is_random[begins])


def _walk(strides: Int64) -> Int64:
    """Returns the rows reached from row 0 when each row leads ``strides`` [S] further."""
    rows = []
    row, end, stride = 0, len(strides), strides.data
    while row < end:
        rows.append(row)
        row += stride[row]
    return np.array(rows)


def _random_next(
    sentence_offsets: Int64, documents: Int64, document: Int64, wanted: Int64, draws: Draws
) -> tuple[Int64, Int64]:
    """Draws a random B for chunks of ``document`` [R]: the range of its sentences.

    Another document is tried for ten times at most; then the same one is taken after all. From a
    random sentence of it on, whole sentences are taken until there are ``wanted`` [R] tokens, at
    least one sentence, at most up to the document's end.
    """
    count = np.full(len(document), len(documents))
    other = draws.integers(count)
    for _ in range(_DOCUMENT_TRIES - 1):
        same = np.flatnonzero(other == document)
        other[same] = draws.integers(count[same])
    start, stop = documents[other, 0], documents[other, 1]
    first = start + draws.integers(stop - start)
    end = np.searchsorted(sentence_offsets, sentence_offsets[first] + wanted)
    return first, np.minimum(np.maximum(end, first + 1), stop)


def _trimmed_tokens(a_length: Int64, b_length: Int64, max_tokens: int) -> tuple[Int64, Int64]:
    """Returns how many tokens A and B lose until both fit into ``max_tokens``.

    The original takes one token at a time from the longer side, from B when they are equal. So the
    longer side first comes down to the other, then they take turns, B first.
    """
    excess = np.maximum(a_length + b_length - max_tokens, 0)
    until_equal = np.minimum(excess, np.abs(a_length - b_length))
    a_loss = np.where(a_length > b_length, until_equal, 0) + (excess - until_equal) // 2
    return a_loss, excess - a_loss
