"""Sentence-order pairs: two neighbouring texts, in their order or swapped (ALBERT).

Lan et al. 2020, section 3.1: the sentence-order prediction (SOP) that takes the place of
next-sentence prediction. What is right is as in BERT, two segments that follow one another in a
document; what is wrong are the same two swapped, with probability 0.5.
"""

import numpy as np

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
from bert_keras.errors import InputError


def plan_sentence_order(
    sentence_offsets: Int64,
    documents: Int64,
    max_tokens: int,
    short_seq_prob: float,
    seed: int,
    epoch: int,
) -> ExamplePlan:
    """Plans all examples of one epoch, in random order.

    Sentences are gathered to the target length, cut in two between sentences and trimmed as in
    ``plan_pairs``. A chunk has two sentences at least: one that the target length would leave with
    a single sentence takes the next as well, or, at a document's end, the one before once more.
    (ALBERT's own code gives such a chunk a random text of another document and calls that
    swapped; the paper does not.) A document of a single sentence has no order and is left out.

    Args:
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        max_tokens: How many tokens A and B may have together, at least 2.
        short_seq_prob: The probability that a document is cut to a shorter, random length.
        seed: The seed of the run.
        epoch: Another epoch, another plan.

    Returns:
        The plan; ``label`` is true where the two segments were swapped, so that A is the later.

    Raises:
        InputError: When no document has two sentences or the length leaves no room for a pair.
    """
    check_corpus(sentence_offsets, documents, max_tokens, least=2)
    documents = documents[documents[:, 1] - documents[:, 0] > 1]
    if not len(documents):
        raise InputError(
            "no document of the corpus has two sentences, so there is no order to predict; choose "
            'another data.next_sentence than "sop"'
        )
    targets = target_lengths(len(documents), max_tokens, short_seq_prob, seed, epoch)

    next_sentence, document = sentences_of(documents)
    document_end = documents[document, 1]
    end = np.searchsorted(sentence_offsets, sentence_offsets[next_sentence] + targets[document])
    end = np.minimum(np.maximum(end, next_sentence + 2), document_end)
    begins = walk(end - next_sentence)
    end = end[begins]
    start = np.minimum(next_sentence[begins], end - 2)
    draws = Draws(seed, epoch, Purpose.CUT)
    middle = start + 1 + draws.integers(end - start - 1)
    is_swapped = draws.coins(len(start))

    earlier = sentence_offsets[np.stack([start, middle])]
    later = sentence_offsets[np.stack([middle, end])]
    a = np.where(is_swapped, later, earlier)
    b = np.where(is_swapped, earlier, later)
    return trimmed_pairs(a, b, is_swapped, max_tokens, seed, epoch)
