"""Next-sentence pairs: which two texts make each example of an epoch.

The rules are those of ``create_instances_from_document`` in the original
``create_pretraining_data.py`` (Devlin et al. 2019, section 3.1 and appendix A.2). There they run
sentence by sentence; here all documents are planned at once by array operations. A side is always a
run of neighbouring sentences, so a span of the token array says it all.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bert_keras.data.draws import Draws, Purpose
from bert_keras.data.plan import (
    ExamplePlan,
    Int64,
    check_corpus,
    sentences_of,
    target_lengths,
    trimmed_pairs,
    walk,
)

_DOCUMENT_TRIES = 10


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
    max_tokens: int,
    short_seq_prob: float,
    seed: int,
    epoch: int,
) -> ExamplePlan:
    """Plans all examples of one epoch, in random order.

    Args:
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        max_tokens: How many tokens A and B may have together, at least 2.
        short_seq_prob: The probability that a document is cut to a shorter, random length.
        seed: The seed of the run.
        epoch: Another epoch, another plan.

    Returns:
        The plan; ``label`` is true where B is a random text instead of what follows A. Its number
        of rows differs from epoch to epoch.

    Raises:
        InputError: When the corpus is empty or the length leaves no room for a pair.
    """
    check_corpus(sentence_offsets, documents, max_tokens, least=2)
    targets = target_lengths(len(documents), max_tokens, short_seq_prob, seed, epoch)
    chunks = _cut_chunks(sentence_offsets, documents, targets, Draws(seed, epoch, Purpose.CUT))
    a_start, a_end = sentence_offsets[chunks.start], sentence_offsets[chunks.middle]

    b_first, b_last = chunks.middle.copy(), chunks.end.copy()
    rows = np.flatnonzero(chunks.is_random)
    b_first[rows], b_last[rows] = _random_next(
        sentence_offsets,
        documents,
        chunks.document[rows],
        (targets[chunks.document] - (a_end - a_start))[rows],
        Draws(seed, epoch, Purpose.RANDOM_NEXT),
    )
    a = np.stack([a_start, a_end])
    b = sentence_offsets[np.stack([b_first, b_last])]
    return trimmed_pairs(a, b, chunks.is_random, max_tokens, seed, epoch)


def _cut_chunks(sentence_offsets: Int64, documents: Int64, targets: Int64, draws: Draws) -> _Chunks:
    """Cuts every document into chunks that reach its target length or its end.

    The chunk that would begin at each sentence is worked out for all sentences at once, with draws
    of its own; the walk from chunk to chunk then picks those that do begin. No draw is used twice,
    since the walk never comes back to a sentence.
    """
    start, document = sentences_of(documents)
    reach = sentence_offsets[start] + targets[document]
    end = np.minimum(np.searchsorted(sentence_offsets, reach), documents[document, 1])
    sentences = end - start
    # From 1 to sentences - 1 of them are A; a single one is A alone.
    middle = start + 1 + draws.integers(np.maximum(sentences - 1, 1))
    is_random = (sentences == 1) | draws.coins(len(start))
    # A random B leaves the chunk's own sentences after A unused: they are put back.
    used = np.where(is_random, middle, end) - start
    begins = walk(used)
    return _Chunks(document[begins], start[begins], middle[begins], end[begins], is_random[begins])


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
