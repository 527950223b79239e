"""The texts of each example of an epoch: next-sentence pairs, sentence order, full sentences.

The rules of next-sentence pairs are those of ``create_instances_from_document`` in the original
``create_pretraining_data.py`` (Devlin et al. 2019, section 3.1 and appendix A.2). There they run
sentence by sentence; here all documents are planned at once by array operations. A side is always a
run of neighboring sentences, and so a span of the token array.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bert_keras.data.draws import Purpose
from bert_keras.data.plan import Epoch, ExamplePlan, Int64, walk
from bert_keras.errors import InputError

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


def plan_pairs(epoch: Epoch) -> ExamplePlan:
    """All next-sentence pairs of an epoch, in random order.

    Args:
        epoch: What they follow from; A and B have at least 2 tokens together.

    Returns:
        The plan; ``label`` is true where B is a random text instead of what follows A. Its number
        of rows differs from epoch to epoch.

    Raises:
        InputError: When the corpus is empty or the length leaves no room for a pair.
    """
    epoch.check(least=2)
    targets, offsets = epoch.target_lengths(), epoch.sentence_offsets
    chunks = _cut_chunks(epoch, targets)
    a = offsets[np.stack([chunks.start, chunks.middle])]

    b_first, b_last = chunks.middle.copy(), chunks.end.copy()
    rows = np.flatnonzero(chunks.is_random)
    b_first[rows], b_last[rows] = _random_next(
        epoch, chunks.document[rows], (targets[chunks.document] - (a[1] - a[0]))[rows]
    )
    return _trimmed(epoch, a, offsets[np.stack([b_first, b_last])], chunks.is_random)


def plan_sentence_order(epoch: Epoch) -> ExamplePlan:
    """All pairs of neighboring texts of an epoch, in their order or swapped, in random order.

    Lan et al. 2020, section 3.1: the sentence-order prediction (SOP) of ALBERT, which takes the
    place of next-sentence prediction. What is right is as in BERT, two segments that follow one
    another in a document; what is wrong are the same two swapped, with probability 0.5.

    Sentences are gathered to the target length, cut in two between sentences and trimmed as in
    ``plan_pairs``. A chunk has two sentences at least: one that the target length would leave with
    a single sentence takes the next as well, or, at a document's end, the one before once more.
    (ALBERT's own code gives such a chunk a random text of another document and calls that
    swapped; the paper does not.) A document of a single sentence has no order and is left out.

    Args:
        epoch: What they follow from; A and B have at least 2 tokens together.

    Returns:
        The plan; ``label`` is true where the two segments were swapped, so that A is the later.

    Raises:
        InputError: When no document has two sentences or the length leaves no room for a pair.
    """
    epoch.check(least=2)
    counts = epoch.documents[:, 1] - epoch.documents[:, 0]
    epoch = replace(epoch, documents=epoch.documents[counts > 1])
    if not len(epoch.documents):
        raise InputError(
            "no document of the corpus has two sentences, so there is no order to predict; choose "
            'another data.next_sentence than "sop"'
        )
    next_sentence, document = epoch.sentences()
    reach = epoch.sentence_offsets[next_sentence] + epoch.target_lengths()[document]
    end = np.maximum(np.searchsorted(epoch.sentence_offsets, reach), next_sentence + 2)
    end = np.minimum(end, epoch.documents[document, 1])
    begins = walk(end - next_sentence)
    end = end[begins]
    start = np.minimum(next_sentence[begins], end - 2)
    draws = epoch.draws(Purpose.CUT)
    middle = start + 1 + draws.integers(end - start - 1)
    is_swapped = draws.coins(len(start))

    earlier = epoch.sentence_offsets[np.stack([start, middle])]
    later = epoch.sentence_offsets[np.stack([middle, end])]
    a, b = np.where(is_swapped, [later, earlier], [earlier, later])
    return _trimmed(epoch, a, b, is_swapped)


def plan_full_sentences(epoch: Epoch) -> ExamplePlan:
    """All examples of an epoch, in random order; every token is in exactly one of them.

    Liu et al. 2019, section 4.2 (RoBERTa): whole sentences that follow one another are packed into
    an input, and there is no sentence-level task. Of the two forms compared there this is
    DOC-SENTENCES: no input crosses from one document into the next (table 2: a little better
    than FULL-SENTENCES).

    An example takes sentences as long as they fit. A sentence longer than a whole example is
    first cut into pieces that fill one each, and a rest. (RoBERTa's ``short_seq_prob`` was 0.)

    Args:
        epoch: What they follow from; an example has at least 3 tokens of text.

    Returns:
        The plan; there is no B, and ``label`` is always false.

    Raises:
        InputError: When the corpus is empty or the length too short.
    """
    epoch.check(least=3)
    targets, offsets = epoch.target_lengths(), epoch.sentence_offsets
    sentence, document = epoch.sentences()
    start, end, document = _cut_long(
        offsets[sentence], offsets[sentence + 1], document, targets[document]
    )
    # As if between the documents there were gaps that no example reaches across.
    ends = np.cumsum(end - start) + document * (epoch.max_tokens + 1)
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
    return epoch.shuffled(plan)


def _cut_chunks(epoch: Epoch, targets: Int64) -> _Chunks:
    """Cut every document into chunks that reach its target length or its end.

    The chunk that would begin at each sentence is worked out for all sentences at once, with draws
    of its own; the walk from chunk to chunk then picks those that do begin. No draw is used twice,
    since the walk never comes back to a sentence.
    """
    draws = epoch.draws(Purpose.CUT)
    start, document = epoch.sentences()
    reach = epoch.sentence_offsets[start] + targets[document]
    end = np.searchsorted(epoch.sentence_offsets, reach)
    end = np.minimum(end, epoch.documents[document, 1])
    sentences = end - start
    # From 1 to sentences - 1 of them are A; a single one is A alone.
    middle = start + 1 + draws.integers(np.maximum(sentences - 1, 1))
    is_random = (sentences == 1) | draws.coins(len(start))
    # A random B leaves the chunk's own sentences after A unused: they are put back.
    used = np.where(is_random, middle, end) - start
    begins = walk(used)
    return _Chunks(document[begins], start[begins], middle[begins], end[begins], is_random[begins])


def _random_next(epoch: Epoch, document: Int64, wanted: Int64) -> tuple[Int64, Int64]:
    """Draw a random B for chunks of ``document`` [R]: the range of its sentences.

    A document is drawn anew while it is the chunk's own, ten times at most. B is whole sentences
    from a random one of it on, until there are ``wanted`` [R] tokens: at least one sentence, at
    most up to the document's end.
    """
    draws, documents = epoch.draws(Purpose.RANDOM_NEXT), epoch.documents
    count = np.full(len(document), len(documents))
    other = draws.integers(count)
    for _ in range(_DOCUMENT_TRIES - 1):
        same = np.flatnonzero(other == document)
        other[same] = draws.integers(count[same])
    start, stop = documents[other, 0], documents[other, 1]
    first = start + draws.integers(stop - start)
    end = np.searchsorted(epoch.sentence_offsets, epoch.sentence_offsets[first] + wanted)
    return first, np.minimum(np.maximum(end, first + 1), stop)


def _trimmed(epoch: Epoch, a: Int64, b: Int64, label: npt.NDArray[np.bool_]) -> ExamplePlan:
    """The plan of pairs of texts, each trimmed to fit, in random order.

    Args:
        epoch: What they follow from.
        a: int64 [2, N], where each A begins in the token array and where it ends.
        b: Likewise for B.
        label: bool [N].
    """
    a_length, b_length = a[1] - a[0], b[1] - b[0]
    a_loss, b_loss = _tokens_to_trim(a_length, b_length, epoch.max_tokens)
    draws = epoch.draws(Purpose.TRIM)
    plan = ExamplePlan(
        a[0] + draws.heads(a_loss),
        (a_length - a_loss).astype(np.int32),
        b[0] + draws.heads(b_loss),
        (b_length - b_loss).astype(np.int32),
        label,
    )
    return epoch.shuffled(plan)


def _tokens_to_trim(a_length: Int64, b_length: Int64, max_tokens: int) -> tuple[Int64, Int64]:
    """The number of tokens that A and B lose until both fit into ``max_tokens``.

    The original takes one token at a time from the longer side, from B when they are equal. So the
    longer side first comes down to the other, then they take turns, B first.
    """
    excess = np.maximum(a_length + b_length - max_tokens, 0)
    until_equal = np.minimum(excess, np.abs(a_length - b_length))
    a_loss = np.where(a_length > b_length, until_equal, 0) + (excess - until_equal) // 2
    return a_loss, excess - a_loss


def _cut_long(
    start: Int64, end: Int64, document: Int64, longest: Int64
) -> tuple[Int64, Int64, Int64]:
    """Cut sentences, given by their tokens, into pieces of ``longest`` tokens and a rest."""
    pieces = -((start - end) // longest)
    sentence = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(sentence)) - (np.cumsum(pieces) - pieces)[sentence]
    start = start[sentence] + number * longest[sentence]
    return start, np.minimum(start + longest[sentence], end[sentence]), document[sentence]
