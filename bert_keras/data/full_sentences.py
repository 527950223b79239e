"""Full sentences: one text an example and no sentence-level task (RoBERTa).

Liu et al. 2019, section 4.2: whole sentences that follow one another are packed into an input. Of
the two forms compared there this is DOC-SENTENCES, where no input crosses from one document into
the next (table 2: a little better than FULL-SENTENCES).
"""

import numpy as np

from bert_keras.data.draws import Draws, Purpose
from bert_keras.data.plan import (
    ExamplePlan,
    Int64,
    check_corpus,
    sentences_of,
    target_lengths,
    walk,
)


def plan_full_sentences(
    sentence_offsets: Int64,
    documents: Int64,
    max_tokens: int,
    short_seq_prob: float,
    seed: int,
    epoch: int,
) -> ExamplePlan:
    """Plans all examples of one epoch, in random order; every token is in exactly one of them.

    An example takes sentences as long as they fit. A sentence longer than a whole example is
    first cut into pieces that fill one each, and a rest. (RoBERTa's ``short_seq_prob`` was 0.)

    Args:
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        max_tokens: How many tokens an example may have beside special ones, at least 3.
        short_seq_prob: The probability that a document is cut to a shorter, random length.
        seed: The seed of the run.
        epoch: Another epoch, another order and other documents that are cut short.

    Returns:
        The plan; there is no B, and ``label`` is always false.

    Raises:
        InputError: When the corpus is empty or the length too short.
    """
    check_corpus(sentence_offsets, documents, max_tokens, least=3)
    targets = target_lengths(len(documents), max_tokens, short_seq_prob, seed, epoch)

    sentence, document = sentences_of(documents)
    start, end, document = _cut_long(
        sentence_offsets[sentence], sentence_offsets[sentence + 1], document, targets[document]
    )
    # As if between the documents there were gaps that no example reaches across.
    ends = np.cumsum(end - start) + document * (max_tokens + 1)
    reach = ends - (end - start) + targets[document]
    after = np.searchsorted(ends, reach, side="right")
    begins = walk(after - np.arange(len(start)))
    first, last = start[begins], end[after[begins] - 1]
    count = len(begins)
    plan = ExamplePlan(
        first,
        (last - first).astype(np.int32),
        last,
        np.zeros(count, np.int32),
        np.zeros(count, bool),
    )
    return plan[Draws(seed, epoch, Purpose.SHUFFLE).permutation(count)]


def _cut_long(
    start: Int64, end: Int64, document: Int64, longest: Int64
) -> tuple[Int64, Int64, Int64]:
    """Cuts sentences, given by their tokens, into pieces of ``longest`` tokens and a rest."""
    pieces = -((start - end) // longest)
    sentence = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(sentence)) - (np.cumsum(pieces) - pieces)[sentence]
    start = start[sentence] + number * longest[sentence]
    return start, np.minimum(start + longest[sentence], end[sentence]), document[sentence]
