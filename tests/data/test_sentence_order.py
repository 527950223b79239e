import dataclasses

import numpy as np
import pytest

from bert_keras.data.sampling import plan_sentence_order
from bert_keras.errors import InputError
from tests.data.corpora import corpus_of, document_of, epoch_of


def plan(corpus, max_seq_length=64, short_seq_prob=0.1, seed=0, epoch=0):
    return plan_sentence_order(epoch_of(corpus, max_seq_length - 3, short_seq_prob, seed, epoch))


def in_text_order(pairs):
    """(start, length) of the earlier and the later segment."""
    a = np.stack([pairs.a_start, pairs.a_length])
    b = np.stack([pairs.b_start, pairs.b_length])
    return np.where(pairs.label, b, a), np.where(pairs.label, a, b)


def test_the_label_says_which_segment_comes_first_in_the_text(varied_corpus):
    pairs = plan(varied_corpus)
    np.testing.assert_array_equal(pairs.label, pairs.a_start > pairs.b_start)


def test_half_the_pairs_are_swapped(varied_corpus):
    labels = np.concatenate([plan(varied_corpus, epoch=epoch).label for epoch in range(20)])
    assert abs(labels.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(labels))


def test_segments_lie_in_one_document_side_by_side_unless_trimmed(varied_corpus):
    pairs = plan(varied_corpus)
    (start, length), (next_start, next_length) = in_text_order(pairs)
    assert length.min() >= 1
    assert next_length.min() >= 1
    np.testing.assert_array_equal(
        document_of(varied_corpus, start), document_of(varied_corpus, next_start + next_length - 1)
    )
    gap = next_start - (start + length)
    assert (gap >= 0).all()
    total = length + next_length
    assert total.max() == 64 - 3
    assert (gap[total < 64 - 3] == 0).all()


def test_every_token_is_used_once_and_a_last_single_sentence_takes_the_one_before():
    # Sentences of five tokens fill fifty exactly: the 21st of each document is left alone.
    corpus = corpus_of([[5] * 20, [5] * 21, [5] * 2])
    (start, length), (next_start, next_length) = in_text_order(plan(corpus, 53, 0.0))
    uses = np.zeros(len(corpus.tokens), int)
    for first, end in zip(start, next_start + next_length, strict=True):
        uses[first:end] += 1
    assert (length + next_length == next_start + next_length - start).all()
    twice = np.arange(len(uses)) // 5 == 39  # the second document's sentence before its last
    np.testing.assert_array_equal(uses, 1 + twice)


def test_a_chunk_has_two_sentences_though_one_fills_the_length():
    corpus = corpus_of([[80, 80, 80, 80]])
    pairs = plan(corpus, short_seq_prob=0.0)
    assert len(pairs) == 2
    assert (np.sort([pairs.a_start // 80, pairs.b_start // 80], axis=0) % 2 == [[0], [1]]).all()


def test_documents_of_one_sentence_are_left_out(varied_corpus):
    counts = np.diff(varied_corpus.documents, axis=1)[:, 0]
    documents = document_of(varied_corpus, plan(varied_corpus).a_start)
    assert set(documents.tolist()) == set(np.flatnonzero(counts > 1).tolist())
    assert (counts == 1).any()


def test_a_corpus_without_two_sentences_in_a_row_is_refused():
    with pytest.raises(InputError, match="no document of the corpus has two sentences"):
        plan(corpus_of([[10], [20]]))


def test_a_view_on_some_documents_reads_no_other(varied_corpus):
    chosen = varied_corpus.documents[3::4]
    pairs = plan(dataclasses.replace(varied_corpus, documents=chosen))
    for start in (pairs.a_start, pairs.b_start):
        assert set(document_of(varied_corpus, start).tolist()) <= set(range(3, 50, 4))


def test_another_epoch_cuts_and_swaps_otherwise(varied_corpus):
    first, again, other = (plan(varied_corpus, epoch=epoch) for epoch in (0, 0, 1))

    def rows(pairs):
        return list(zip(*(column.tolist() for column in vars(pairs).values()), strict=True))

    assert rows(first) == rows(again)
    assert len(set(rows(first)) & set(rows(other))) < 0.3 * len(first)
