import dataclasses

import numpy as np
import pytest

from bert_keras.data.plan import Epoch, ExamplePlan
from bert_keras.data.sampling import plan_pairs
from bert_keras.errors import InputError
from tests.data.corpora import corpus_of, document_of, epoch_of


def plan(corpus, max_seq_length=64, short_seq_prob=0.1, seed=0, epoch=0) -> ExamplePlan:
    return plan_pairs(epoch_of(corpus, max_seq_length - 3, short_seq_prob, seed, epoch))


def test_segments_are_not_empty_and_fit_together(varied_corpus):
    pairs = plan(varied_corpus)
    assert pairs.a_length.min() >= 1
    assert pairs.b_length.min() >= 1
    assert (pairs.a_length + pairs.b_length).max() == 64 - 3


def test_each_segment_lies_inside_one_document(varied_corpus):
    pairs = plan(varied_corpus)
    for start, length in ((pairs.a_start, pairs.a_length), (pairs.b_start, pairs.b_length)):
        first, last = (
            document_of(varied_corpus, start),
            document_of(varied_corpus, start + length - 1),
        )
        np.testing.assert_array_equal(first, last)


def test_a_true_next_follows_in_the_same_document_and_a_random_one_comes_from_another(
    varied_corpus,
):
    pairs = plan(varied_corpus)
    same = document_of(varied_corpus, pairs.a_start) == document_of(varied_corpus, pairs.b_start)
    np.testing.assert_array_equal(same, ~pairs.label)
    assert 0.4 < pairs.label.mean() < 0.9


def test_an_untrimmed_true_next_follows_its_segment_at_once(varied_corpus):
    pairs = plan(varied_corpus)
    gap = pairs.b_start - (pairs.a_start + pairs.a_length)
    assert (gap[~pairs.label] >= 0).all()
    fits = ~pairs.label & (pairs.a_length + pairs.b_length < 64 - 3)
    assert fits.any()
    assert (gap[fits] == 0).all()


def test_unused_sentences_are_put_back_so_that_every_token_is_used_once():
    # Sentences of five tokens fill 50 exactly, so that nothing is trimmed.
    rng = np.random.default_rng(0)
    corpus = corpus_of([[5] * int(rng.integers(1, 200)) for _ in range(80)])
    pairs = plan(corpus, max_seq_length=53, short_seq_prob=0.0)
    uses = np.zeros(len(corpus.tokens), int)
    for row in range(len(pairs)):
        a, b = pairs.a_start[row], pairs.b_start[row]
        uses[a : a + pairs.a_length[row]] += 1
        if not pairs.label[row]:
            uses[b : b + pairs.b_length[row]] += 1
    assert (uses == 1).all()
    assert pairs.label.mean() > 0.4


def test_a_random_next_starts_at_a_sentence_and_fills_the_example():
    corpus = corpus_of([[5] * 300, [5] * 300])
    pairs = plan(corpus, max_seq_length=53, short_seq_prob=0.0)
    random = np.flatnonzero(pairs.label)
    assert (pairs.b_start[random] % 5 == 0).all()
    document_end = np.where(pairs.b_start[random] < 1500, 1500, 3000)
    room = np.minimum(50 - pairs.a_length[random], document_end - pairs.b_start[random])
    np.testing.assert_array_equal(pairs.b_length[random], room)


def test_a_chunk_of_one_sentence_always_gets_a_random_next():
    pairs = plan(corpus_of([[200] * 50, [200] * 50]))
    assert len(pairs) == 100
    assert pairs.label.all()


def test_equal_sides_lose_tokens_in_turns_beginning_with_b():
    # 40 + 40 tokens become 31 + 30: nineteen are lost, ten of them from B.
    pairs = plan(corpus_of([[40] * 30, [40] * 30]), short_seq_prob=0.0)
    two_sentences = pairs.a_length + pairs.b_length == 61
    assert two_sentences.mean() > 0.8
    assert set(pairs.a_length[two_sentences].tolist()) == {31}
    assert set(pairs.b_length[two_sentences].tolist()) == {30}


def test_only_the_longer_side_is_trimmed_while_it_is_longer():
    pairs = plan(corpus_of([[300], [4]]))
    by_length = sorted(zip(pairs.a_length.tolist(), pairs.b_length.tolist(), strict=True))
    assert by_length == [(4, 57), (57, 4)]


def test_the_only_document_is_its_own_random_next():
    pairs = plan(corpus_of([[10] * 400]))
    assert pairs.label.any()
    assert len(pairs) > 50


def test_ten_tries_for_another_document_fail_once_in_1024_with_two_documents():
    corpus = corpus_of([[1] * 4000, [1] * 4000])
    failures = tries = 0
    for epoch in range(60):
        # Targets are short, so that there are many pairs.
        pairs = plan(corpus, max_seq_length=7, short_seq_prob=0.0, epoch=epoch)
        random = pairs.label
        same = document_of(corpus, pairs.a_start) == document_of(corpus, pairs.b_start)
        failures += int((same & random).sum())
        tries += int(random.sum())
    assert tries > 80_000
    expected = tries / 1024
    assert abs(failures - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("short_seq_prob", "shares"), [(1.0, [1 / 3] * 3), (0.3, [0.1, 0.1, 0.8]), (0.0, [0, 0, 1])]
)
def test_a_document_has_one_target_length_from_two_to_the_maximum(short_seq_prob, shares):
    # Sentences of one token reach the target exactly; only a document's end stays below it.
    corpus = corpus_of([[1] * 60] * 2000)
    pairs = plan(corpus, max_seq_length=7, short_seq_prob=short_seq_prob)
    target = np.zeros(2000, int)
    total = pairs.a_length + pairs.b_length
    document = document_of(corpus, pairs.a_start)
    np.maximum.at(target, document, total)
    assert (total == target[document]).mean() > 0.9
    counts = np.bincount(target, minlength=5)
    assert counts[:2].sum() == 0
    expected = 2000 * np.array(shares)
    assert (np.abs(counts[2:] - expected) <= 4 * np.sqrt(expected)).all()


def test_a_view_on_some_documents_reads_no_other(varied_corpus):
    chosen = varied_corpus.documents[3::4]
    pairs = plan(dataclasses.replace(varied_corpus, documents=chosen))
    for start in (pairs.a_start, pairs.b_start):
        assert set(document_of(varied_corpus, start).tolist()) <= set(range(3, 50, 4))


def test_the_same_seed_and_epoch_give_the_same_bytes(varied_corpus):
    for one, other in zip(
        vars(plan(varied_corpus)).values(), vars(plan(varied_corpus)).values(), strict=True
    ):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_gives_other_pairs(varied_corpus, change):
    before, after = plan(varied_corpus), plan(varied_corpus, **change)

    def rows(pairs):
        return set(zip(*(column.tolist() for column in vars(pairs).values()), strict=True))

    assert len(rows(before) & rows(after)) < 0.1 * len(before)


def test_rows_come_in_random_order(varied_corpus):
    order = plan(varied_corpus).a_start
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 4 / np.sqrt(len(order))


def test_dtypes_are_as_promised(varied_corpus):
    dtypes = {name: column.dtype.name for name, column in vars(plan(varied_corpus)).items()}
    assert dtypes == {
        "a_start": "int64",
        "a_length": "int32",
        "b_start": "int64",
        "b_length": "int32",
        "label": "bool",
    }


def test_a_corpus_without_documents_is_refused():
    with pytest.raises(InputError, match="no documents"):
        plan_pairs(Epoch(np.zeros(1, np.int64), np.zeros((0, 2), np.int64), 64, 0.1, 0, 0))


def test_an_empty_sentence_is_refused():
    with pytest.raises(InputError, match="empty"):
        plan_pairs(Epoch(np.array([0, 3, 3]), np.array([[0, 2]]), 64, 0.1, 0, 0))


def test_a_length_without_room_for_two_segments_is_refused(varied_corpus):
    with pytest.raises(InputError, match=r"room for 2 tokens of text .* it has room for 1"):
        plan(varied_corpus, max_seq_length=4)
    assert plan(varied_corpus, max_seq_length=5).a_length.max() == 1
