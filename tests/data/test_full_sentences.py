import dataclasses

import numpy as np
import pytest

from bert_keras.data.plan import Epoch
from bert_keras.data.sampling import plan_full_sentences
from bert_keras.errors import InputError
from tests.data.corpora import corpus_of, epoch_of


def plan(corpus, max_seq_length=64, short_seq_prob=0.0, seed=0, epoch=0):
    return plan_full_sentences(epoch_of(corpus, max_seq_length - 2, short_seq_prob, seed, epoch))


def spans(plan):
    return sorted(zip(plan.a_start.tolist(), plan.a_length.tolist(), strict=True))


@pytest.mark.parametrize("short_seq_prob", [0.0, 0.5])
def test_every_token_is_in_exactly_one_example(varied_corpus, short_seq_prob):
    start = 0
    for first, length in spans(plan(varied_corpus, short_seq_prob=short_seq_prob)):
        assert first == start
        start += length
    assert start == len(varied_corpus.tokens)


def test_examples_are_packed_sentence_by_sentence_up_to_the_length():
    # 62 tokens fit. 30 + 30 do and 10 more do not; 62 fit alone; 150 are 62 + 62 + 26, and
    # the rest of them goes with the next sentence; no example reaches into the next document.
    corpus = corpus_of([[30, 30, 10, 62, 150, 30, 6, 1], [5], [5]])
    lengths = [length for _, length in spans(plan(corpus))]
    assert lengths == [60, 10, 62, 62, 62, 26 + 30 + 6, 1, 5, 5]


def test_there_is_no_second_segment_and_no_label(varied_corpus):
    examples = plan(varied_corpus)
    assert not examples.b_length.any()
    assert not examples.label.any()
    assert [column.dtype.name for column in vars(examples).values()] == [
        "int64",
        "int32",
        "int64",
        "int32",
        "bool",
    ]


def test_documents_cut_short_have_one_target_length_each():
    corpus = corpus_of([[1] * 60] * 500)
    lengths = np.array(spans(plan(corpus, max_seq_length=7, short_seq_prob=1.0)))
    document = lengths[:, 0] // 60
    longest = np.zeros(500, int)
    np.maximum.at(longest, document, lengths[:, 1])
    counts = np.bincount(longest, minlength=6)
    assert counts[:2].sum() == 0
    assert (np.abs(counts[2:] - 125) < 4 * np.sqrt(125)).all()


def test_a_view_on_some_documents_in_any_order_reads_no_other(varied_corpus):
    chosen = varied_corpus.documents[::-4]
    examples = plan(dataclasses.replace(varied_corpus, documents=chosen))
    expected = np.concatenate(
        [np.arange(*varied_corpus.sentence_offsets[[first, end]]) for first, end in chosen]
    )
    read = np.concatenate([np.arange(start, start + n) for start, n in spans(examples)])
    np.testing.assert_array_equal(read, np.sort(expected))


def test_rows_come_in_another_random_order_every_epoch(varied_corpus):
    first, other = (plan(varied_corpus, epoch=epoch).a_start for epoch in (0, 1))
    assert sorted(first) == sorted(other)
    assert abs(np.corrcoef(first, other)[0, 1]) < 4 / np.sqrt(len(first))
    assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 4 / np.sqrt(len(first))


def test_an_empty_corpus_is_refused():
    with pytest.raises(InputError, match="no documents"):
        plan_full_sentences(Epoch(np.zeros(1, np.int64), np.zeros((0, 2), np.int64), 64, 0.1, 0, 0))
