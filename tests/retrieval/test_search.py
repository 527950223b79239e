"""Search with a model: prompts, measures and shapes."""

import numpy as np
import pytest

from bert_keras import BertEncoder, BertForSentenceEmbedding, BertTokenizer, search, similarity
from bert_keras.errors import InputError
from bert_keras.retrieval.search import exact_measure
from tests.support.models import make_model, pieces_of, small_config

VOCAB = pieces_of("abcdefgh")
DOCUMENTS = ["a bad bee", "he had a cab", "feed the bag", "dead"]


def _model(**arguments):
    """A model of random weights, which tells texts apart."""
    config = small_config(len(VOCAB), initializer_range=0.3)
    model = BertForSentenceEmbedding(config, **arguments)
    model.tokenizer = BertTokenizer(VOCAB)
    return model


@pytest.fixture
def model():
    """One whose vectors have length 1."""
    return _model()


def _numbers(found):
    return [hit["document"] for hit in found]


def test_the_best_documents_are_those_of_the_greatest_cosine(model):
    queries = ["bad bees", "had"]
    expected = model.embed(queries) @ model.embed(DOCUMENTS).T
    found = search(model, DOCUMENTS, queries, top=3)
    for row, hits in zip(expected, found, strict=True):
        assert _numbers(hits) == np.argsort(-row)[:3].tolist()
        np.testing.assert_allclose([hit["score"] for hit in hits], np.sort(row)[:0:-1], atol=1e-6)
        assert [hit["text"] for hit in hits] == [DOCUMENTS[n] for n in _numbers(hits)]


def test_only_vectors_that_are_made_with_length_1_are_compared_by_the_product(model):
    assert exact_measure(model) == "dot"
    assert exact_measure(_model(normalize=False)) == "cosine"
    assert exact_measure(_model(truncate_dim=8)) == "cosine"


def test_one_query_has_one_list_and_top_is_at_most_all(model):
    found = search(model, DOCUMENTS, DOCUMENTS[0])
    assert (len(found), found[0]["document"]) == (4, 0)
    assert search(model, DOCUMENTS, []) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_vectors_stand_for_documents(model, dtype, tmp_path):
    np.save(tmp_path / "v.npy", model.embed(DOCUMENTS).astype(dtype))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    expected = search(model, DOCUMENTS, "b a")
    found = search(model, vectors, "b a")
    assert _numbers(found) == _numbers(expected)
    assert all(hit.keys() == {"document", "score"} for hit in found)


def test_arrays_of_texts_are_texts(model):
    for kind in (np.array(DOCUMENTS), np.array(DOCUMENTS, object), tuple(DOCUMENTS)):
        assert search(model, kind, "b a") == search(model, DOCUMENTS, "b a")


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_queries_and_documents_are_read_after_their_prompts(name, model, caplog):
    model.prompts = {"query": "a a ", "document": "", name: "b ", "other": "ac "}
    model.default_prompt_name = "other"
    expected = model.embed(["ac"], prompt="a a ") @ model.embed(DOCUMENTS, prompt="b ").T
    with caplog.at_level("INFO", "bert_keras"):
        found = search(model, DOCUMENTS, "ac")
    assert _numbers(found) == np.argsort(-expected[0]).tolist()
    assert found[0]["score"] == pytest.approx(expected.max(), abs=1e-6)
    assert "the queries are read after the model's prompt 'a a '" in caplog.text
    assert "the documents are read after the model's prompt 'b '" in caplog.text


def test_the_default_prompt_is_not_read_in_their_place(model, caplog):
    model.prompts = {"query": "", "other": "ac "}
    model.default_prompt_name = "other"
    expected = model.embed(["ac"], prompt="") @ model.embed(DOCUMENTS, prompt="").T
    with caplog.at_level("INFO", "bert_keras"):
        assert search(model, DOCUMENTS, "ac")[0]["score"] == pytest.approx(expected.max(), abs=1e-6)
    assert caplog.text == ""


def test_similarity_has_a_row_for_each_text_and_no_axis_for_one(model):
    matrix = similarity(model, DOCUMENTS, ["a", "b a"])
    assert (matrix.shape, matrix.dtype) == ((4, 2), np.float32)
    np.testing.assert_allclose(similarity(model, DOCUMENTS, "a"), matrix[:, 0], atol=1e-6)
    np.testing.assert_allclose(similarity(model, DOCUMENTS[1], ["a", "b a"]), matrix[1], atol=1e-6)
    assert float(similarity(model, "a b", "a b")) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(similarity(model, DOCUMENTS, DOCUMENTS).diagonal(), 1, atol=1e-6)


def test_the_measure_is_that_of_the_directory():
    model = _model(normalize=False)
    first, second = model.embed(["a b"]), model.embed(DOCUMENTS)
    lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)
    for name, expected in (("cosine", first @ second.T / lengths), ("dot", first @ second.T)):
        model.other_files = {"config_sentence_transformers.json": {"similarity_fn_name": name}}
        np.testing.assert_allclose(similarity(model, ["a b"], DOCUMENTS), expected, rtol=1e-5)
        found = search(model, DOCUMENTS, "a b")
        assert _numbers(found) == np.argsort(-expected[0]).tolist()
        assert found[0]["score"] == pytest.approx(expected.max(), rel=1e-5)
    model.other_files = {"config_sentence_transformers.json": {"similarity_fn_name": "manhattan"}}
    with pytest.raises(InputError, match="'manhattan'; only cosine and dot"):
        search(model, DOCUMENTS, "a b")


def test_what_cannot_be_searched_is_refused(model):
    for documents, query, message in (
        ([], "a", "documents holds no text"),
        ("a b", "a", "documents must be a list of texts"),
        (np.ones((3, 5), np.float32), "a", "documents have 5 dimensions, the model's vectors 32"),
        (np.ones((3, 4), np.int8), "a", "documents must be vectors"),
        (DOCUMENTS, 3, "queries must be a list"),
    ):
        with pytest.raises(InputError, match=message):
            search(model, documents, query)
    with pytest.raises(InputError, match="top must be at least 1"):
        search(model, DOCUMENTS, "a", top=0)
    with pytest.raises(InputError, match="second holds no text"):
        similarity(model, "a", [])
    with pytest.raises(InputError, match="a BertEncoder gives no vectors for texts"):
        search(make_model(BertEncoder), DOCUMENTS, "a")


def test_blank_documents_are_left_out_and_a_blank_query_is_refused(model, caplog):
    found = search(model, ["", *DOCUMENTS[:2], " \t", *DOCUMENTS[2:]], ["b a", "dead"])
    expected = search(model, DOCUMENTS, ["b a", "dead"])
    texts = [[hit["text"] for hit in hits] for hits in found]
    assert texts == [[hit["text"] for hit in hits] for hits in expected]
    assert _numbers(found[1])[0] == 5  # of all that were given
    assert "2 of 6 documents are blank, and are left out" in caplog.text
    with pytest.raises(InputError, match="documents holds no text, or blank ones alone"):
        search(model, ["", " "], "b a")
    with pytest.raises(InputError, match=r"queries\[1\] is blank, and nothing is like it"):
        search(model, DOCUMENTS, ["b a", " "])
    with pytest.raises(InputError, match="queries is blank"):
        search(model, DOCUMENTS, "")
