"""Full sentences: one text an example and no sentence-level task (RoBERTa).

Liu et al. 2019, section 4.2: whole sentences that follow one another are packed into an input. Of
the two forms compared there this is DOC-SENTENCES, where no input crosses from one document into
the next (table 2: a little better than FULL-SENTENCES).
"""

import numpy as np

from bert_keras.data.plan import Epoch, ExamplePlan, Int64, walk


def plan_full_sentences(epoch: Epoch) -> ExamplePlan:
    """All examples of an epoch, in random order; every token is in exactly one of them.

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


def _cut_long(
    start: Int64, end: Int64, document: Int64, longest: Int64
) -> tuple[Int64, Int64, Int64]:
    """Cut sentences, given by their tokens, into pieces of ``longest`` tokens and a rest."""
    pieces = -((start - end) // longest)
    sentence = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(sentence)) - (np.cumsum(pieces) - pieces)[sentence]
    start = start[sentence] + number * longest[sentence]
    return start, np.minimum(start + longest[sentence], end[sentence]), document[sentence]
