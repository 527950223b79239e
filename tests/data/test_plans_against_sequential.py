"""Each plan beside a sequential rendering of its algorithm, on the same documents.

Examples of one epoch hang together (a document has one target length), so the epoch is the unit of
every test: both sides give many independent epochs, and their mean counts are compared.
"""

import random
import re

import numpy as np
import pytest

from bert_keras.config import DataConfig
from bert_keras.data.coverage import summarize_epoch
from bert_keras.data.plan import Epoch
from bert_keras.data.sampling import plan_full_sentences, plan_pairs, plan_sentence_order

WORST_Z = 4.8  # Among some hundred bins a fair comparison passes 4.8 once in some thousand tries.


def trim(a, b, max_tokens, rng):
    """Takes tokens off the ends of two [start, stop] spans, one by one, until they fit."""
    while (a[1] - a[0]) + (b[1] - b[0]) > max_tokens:
        longer = a if a[1] - a[0] > b[1] - b[0] else b
        if rng.random() < 0.5:
            longer[0] += 1
        else:
            longer[1] -= 1


def draw_target(max_tokens, short_seq_prob, rng):
    return rng.randint(2, max_tokens) if rng.random() < short_seq_prob else max_tokens


def sequential_pairs(documents, max_seq_length, short_seq_prob, rng):
    """Yields (a_start, a_length, b_start, b_length, is_random), a document after another.

    ``documents`` are lists of sentences, each a (start, stop) of token numbers.
    """
    max_tokens = max_seq_length - 3
    for own, sentences in enumerate(documents):
        target = draw_target(max_tokens, short_seq_prob, rng)
        cursor = 0
        while cursor < len(sentences):
            chunk, size = [], 0
            while cursor < len(sentences) and size < target:
                chunk.append(sentences[cursor])
                size += chunk[-1][1] - chunk[-1][0]
                cursor += 1
            split = rng.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
            a = [chunk[0][0], chunk[split - 1][1]]
            is_random = len(chunk) == 1 or rng.random() < 0.5
            if is_random:
                for _ in range(10):
                    other = rng.randrange(len(documents))
                    if other != own:
                        break
                first = rng.randrange(len(documents[other]))
                b = list(documents[other][first])
                for sentence in documents[other][first + 1 :]:
                    if b[1] - b[0] >= target - (a[1] - a[0]):
                        break
                    b[1] = sentence[1]
                cursor -= len(chunk) - split
            else:
                b = [chunk[split][0], chunk[-1][1]]
            trim(a, b, max_tokens, rng)
            yield a[0], a[1] - a[0], b[0], b[1] - b[0], is_random


def sequential_order(documents, max_seq_length, short_seq_prob, rng):
    """Yields (a_start, a_length, b_start, b_length, is_swapped), a document after another."""
    max_tokens = max_seq_length - 3
    for sentences in documents:
        if len(sentences) == 1:
            continue
        target = draw_target(max_tokens, short_seq_prob, rng)
        cursor = 0
        while cursor < len(sentences):
            chunk, size = [], 0
            while cursor < len(sentences) and (size < target or len(chunk) < 2):
                chunk.append(sentences[cursor])
                size += chunk[-1][1] - chunk[-1][0]
                cursor += 1
            if len(chunk) == 1:
                chunk.insert(0, sentences[cursor - 2])
            split = rng.randint(1, len(chunk) - 1)
            a = [chunk[0][0], chunk[split - 1][1]]
            b = [chunk[split][0], chunk[-1][1]]
            is_swapped = rng.random() < 0.5
            if is_swapped:
                a, b = b, a
            trim(a, b, max_tokens, rng)
            yield a[0], a[1] - a[0], b[0], b[1] - b[0], is_swapped


def sequential_full_sentences(documents, max_seq_length, short_seq_prob, rng):
    """Yields (start, length, end, 0, False), a document after another."""
    max_tokens = max_seq_length - 2
    for sentences in documents:
        target = draw_target(max_tokens, short_seq_prob, rng)
        pieces = [
            (start, min(start + target, stop))
            for first, stop in sentences
            for start in range(first, stop, target)
        ]
        example = list(pieces[0])
        for start, stop in pieces[1:]:
            if stop - example[0] > target:
                yield example[0], example[1] - example[0], example[1], 0, False
                example[0] = start
            example[1] = stop
        yield example[0], example[1] - example[0], example[1], 0, False


def statistics(rows, offsets, max_tokens):
    """Counts of one epoch: [statistics]."""
    a_start, a_length, b_start, b_length, is_random = (np.asarray(column) for column in rows)
    total = a_length + b_length
    bins = np.linspace(0, max_tokens + 1, 13)

    def histogram(values):
        return np.histogram(values, bins)[0]

    def cut_off(tokens):
        """How far inside its sentence a segment begins, and ends."""
        into = tokens - offsets[np.searchsorted(offsets, tokens, side="right") - 1]
        return np.histogram(into, [0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 1e9])[0]

    is_random = is_random.astype(bool)
    return np.concatenate(
        [
            [len(total), is_random.sum()],
            [(total < max_tokens).sum(), (total < max_tokens // 2).sum(), (total <= 3).sum()],
            [total.sum(), (a_length == b_length).sum(), (a_length == b_length + 1).sum()],
            histogram(a_length[is_random]),
            histogram(a_length[~is_random]),
            histogram(b_length[is_random]),
            histogram(b_length[~is_random]),
            histogram(total),
            cut_off(a_start),
            cut_off(a_start + a_length),
            cut_off(b_start),
            cut_off(b_start + b_length),
            np.bincount(a_start * 20 // (offsets[-1] + 1), minlength=20),
            np.bincount(b_start[is_random] * 20 // (offsets[-1] + 1), minlength=20),
        ]
    )


def z_scores(ours, theirs):
    """Welch's statistic of every column of two [epochs, statistics]; constants must be equal."""
    difference = ours.mean(0) - theirs.mean(0)
    error = np.sqrt(ours.var(0, ddof=1) / len(ours) + theirs.var(0, ddof=1) / len(theirs))
    assert (difference[error == 0] == 0).all()
    # A bin that is nearly never filled is not normal.
    usable = (error > 0) & (ours.sum(0) + theirs.sum(0) > 30)
    return (difference / np.where(error == 0, 1, error))[usable]


def compare(algorithm, offsets, documents, max_seq_length, short_seq_prob, epochs):
    plan_epoch, sequential_epoch = algorithm
    spans = list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    texts = [spans[start:stop] for start, stop in documents.tolist()]
    rng = random.Random(11)
    theirs, ours = [], []
    for epoch in range(epochs):
        rows = zip(*sequential_epoch(texts, max_seq_length, short_seq_prob, rng), strict=True)
        theirs.append(statistics(rows, offsets, max_seq_length - 3))
        room = max_seq_length - (2 if plan_epoch is plan_full_sentences else 3)
        plan = plan_epoch(Epoch(offsets, documents, room, short_seq_prob, 23, epoch))
        ours.append(statistics(vars(plan).values(), offsets, max_seq_length - 3))
    z = z_scores(np.array(ours, float), np.array(theirs, float))
    assert len(z) > 60
    assert np.abs(z).max() < WORST_Z, z
    assert np.sqrt((z**2).mean()) < 1.6, z  # not 1: many of the counts hang together


ALGORITHMS = {
    "nsp": (plan_pairs, sequential_pairs),
    "sop": (plan_sentence_order, sequential_order),
    "none": (plan_full_sentences, sequential_full_sentences),
}


@pytest.mark.parametrize(
    ("algorithm", "short_seq_prob"),
    [("nsp", 0.1), ("sop", 0.3), ("none", 0.3)]
    + [pytest.param("nsp", share, marks=pytest.mark.system) for share in (0.0, 1.0)],
)
def test_examples_are_distributed_as_by_the_sequential_algorithm(
    varied_corpus, short_seq_prob, algorithm
):
    offsets, documents = varied_corpus.sentence_offsets, varied_corpus.documents
    compare(ALGORITHMS[algorithm], offsets, documents, 64, short_seq_prob, 150)


@pytest.mark.parametrize("max_seq_length", [32, 128])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_share_of_the_tokens_shown_is_that_of_the_sequential_algorithm(
    varied_corpus, algorithm, max_seq_length
):
    _, sequential_epoch = ALGORITHMS[algorithm]
    offsets, documents = varied_corpus.sentence_offsets, varied_corpus.documents
    spans = list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    texts = [spans[start:stop] for start, stop in documents.tolist()]
    rng = random.Random(5)
    shares, random_shares = [], []
    for _ in range(60):
        rows = list(sequential_epoch(texts, max_seq_length, 0.1, rng))
        shown = set()
        for a_start, a_length, b_start, b_length, _ in rows:
            shown.update(range(a_start, a_start + a_length), range(b_start, b_start + b_length))
        shares.append(len(shown) / offsets[-1])
        random_shares.append(np.mean([is_random for *_, is_random in rows]))
    config = DataConfig(max_seq_length=max_seq_length, next_sentence=algorithm)
    summary = summarize_epoch(varied_corpus, config, seed=3)
    assert summary.token_share == pytest.approx(np.mean(shares), abs=0.01)
    assert summary.random_share == pytest.approx(np.mean(random_shares), abs=0.01)
    assert (summary.token_share == 1) == (algorithm == "none")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_examples_of_real_speeches_are_distributed_as_by_the_sequential_algorithm(
    shared_data, algorithm
):
    speeches = sorted((shared_data / "sotu").glob("*.txt"))[:30]
    lengths = []
    for speech in speeches:
        sentences = re.split(r"(?<=[.!?;])\s", speech.read_text(encoding="utf-8"))
        lengths.append([len(sentence.split()) for sentence in sentences if sentence.split()])
    offsets = np.cumsum([0, *(length for document in lengths for length in document)])
    bounds = np.cumsum([0, *map(len, lengths)])
    documents = np.stack([bounds[:-1], bounds[1:]], axis=1)
    compare(ALGORITHMS[algorithm], offsets, documents, 128, 0.1, 60)
