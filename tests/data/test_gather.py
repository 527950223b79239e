import dataclasses

import numpy as np
import pytest

from bert_keras.data.gather import gather_examples, gather_word_starts
from bert_keras.data.plan import Epoch, ExamplePlan
from bert_keras.data.sampling import plan_full_sentences, plan_pairs
from bert_keras.tokenization import SequenceTemplate
from tests.data.corpora import corpus_of

LENGTH = 64


@pytest.fixture(scope="module")
def pairs(varied_corpus) -> ExamplePlan:
    return plan_pairs(
        Epoch(varied_corpus.sentence_offsets, varied_corpus.documents, LENGTH - 3, 0.2, 0, 0)
    )


def assert_as_one_by_one(rows, corpus, examples, cls_id=2, sep_id=3):
    """The layout of the paper's figure 2, put together example by example."""
    for row in range(len(rows)):
        a = corpus.tokens[rows.a_start[row] :][: rows.a_length[row]].tolist()
        b = corpus.tokens[rows.b_start[row] :][: rows.b_length[row]].tolist()
        text = [cls_id, *a, sep_id, *b, sep_id]
        padding = LENGTH - len(text)
        assert examples.input_ids[row].tolist() == text + [corpus.tokenizer.pad_id] * padding
        types = [0] * (len(a) + 2) + [1] * (len(b) + 1)
        assert examples.token_type_ids[row].tolist() == types + [0] * padding
        assert examples.attention_mask[row].tolist() == [1] * len(text) + [0] * padding
        assert examples.next_sentence_labels[row] == rows.label[row]


def test_examples_are_as_put_together_one_by_one(varied_corpus, pairs):
    assert_as_one_by_one(pairs, varied_corpus, gather_examples(pairs, varied_corpus, LENGTH))


def test_a_memory_mapped_uint16_corpus_with_other_special_ids_gives_the_same(
    tmp_path, varied_corpus, pairs
):
    np.save(tmp_path / "tokens.npy", (varied_corpus.tokens % 60_000 + 5_000).astype(np.uint16))
    corpus = dataclasses.replace(
        varied_corpus,
        tokens=np.load(tmp_path / "tokens.npy", mmap_mode="r"),
        tokenizer=dataclasses.replace(
            varied_corpus.tokenizer, pad_id=7, template=SequenceTemplate.bert(65_001, 65_002)
        ),
    )
    examples = gather_examples(pairs, corpus, LENGTH)
    assert_as_one_by_one(pairs, corpus, examples, 65_001, 65_002)


def test_a_text_without_a_second_segment_has_one_separator(varied_corpus):
    rows = plan_full_sentences(
        Epoch(varied_corpus.sentence_offsets, varied_corpus.documents, LENGTH - 2, 0.2, 0, 0)
    )
    examples = gather_examples(rows, varied_corpus, LENGTH)
    for row in range(len(rows)):
        text = varied_corpus.tokens[rows.a_start[row] :][: rows.a_length[row]].tolist()
        text = [2, *text, 3]
        padding = LENGTH - len(text)
        assert examples.input_ids[row].tolist() == text + [0] * padding
        assert examples.attention_mask[row].tolist() == [1] * len(text) + [0] * padding
    assert not examples.token_type_ids.any()


def test_word_starts_follow_from_the_vocabulary_or_from_the_corpus(varied_corpus, pairs):
    ids = gather_examples(pairs, varied_corpus, LENGTH).input_ids
    is_text = ids >= 5
    starts = gather_word_starts(pairs, varied_corpus, ids)
    np.testing.assert_array_equal(starts[is_text], ids[is_text] % 3 != 0)
    # Every token has an id of its own, so that its place in the corpus is known.
    by_place = np.random.default_rng(0).random(len(varied_corpus.tokens)) < 0.5
    corpus = dataclasses.replace(varied_corpus, word_starts=by_place)
    starts = gather_word_starts(pairs, corpus, ids)
    np.testing.assert_array_equal(starts[is_text], by_place[ids[is_text] - 5])


def test_all_arrays_are_int32_of_the_promised_shape(varied_corpus, pairs):
    examples = gather_examples(pairs[:10], varied_corpus, LENGTH)
    assert [array.dtype for array in examples] == [np.int32] * 4
    assert [array.shape for array in examples] == [(10, LENGTH)] * 3 + [(10,)]


def test_a_pair_at_the_very_end_of_the_corpus_is_read_right():
    corpus = corpus_of([[3], [2]])
    rows = ExamplePlan(
        np.array([0]),
        np.array([3], np.int32),
        np.array([3]),
        np.array([2], np.int32),
        np.array([True]),
    )
    assert_as_one_by_one(rows, corpus, gather_examples(rows, corpus, LENGTH))
