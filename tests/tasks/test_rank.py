"""``rank``: the order of documents by a cross-encoder."""

import numpy as np
import pytest

from bert_keras import BertForSentenceEmbedding, Regression, predict, rank
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.saving import load
from tests.tasks.conftest import BAD, GOOD

DOCUMENTS = [*GOOD, *BAD, GOOD[0]]


@pytest.fixture(scope="module")
def model(encoder_path):
    return load(encoder_path, BertForSequenceClassification, labels=1, seed=3)


def test_documents_are_in_the_order_of_the_scores_of_predict(model):
    scores = [a["score"] for a in predict(model, ["great fun"] * len(DOCUMENTS), DOCUMENTS)]
    found = rank(model, "great fun", DOCUMENTS, batch_size=4)
    places = [hit["document"] for hit in found]
    assert places == np.argsort(-np.array(scores), kind="stable").tolist()
    assert [hit["score"] for hit in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-6)
    assert [hit["text"] for hit in found] == [DOCUMENTS[hit["document"]] for hit in found]
    assert places.index(0) < places.index(10)  # the same text: the lower number first
    best = rank(model, "great fun", DOCUMENTS, top=2)
    assert [hit["document"] for hit in best] == places[:2]


def test_no_document_has_no_order(model):
    assert rank(model, "great fun", []) == []


def test_blank_documents_are_left_out_and_counted(model, caplog):
    found = rank(model, "great fun", ["", GOOD[0], " \n", BAD[0]])
    assert sorted(hit["document"] for hit in found) == [1, 3]
    assert found == [
        hit | {"document": 2 * hit["document"] + 1}
        for hit in rank(model, "great fun", [GOOD[0], BAD[0]])
    ]
    assert "2 of 4 documents are blank, and are left out" in caplog.text
    with pytest.raises(InputError, match="documents holds no text, or blank ones alone"):
        rank(model, "great fun", [" "])


def test_what_cannot_be_ranked_is_refused(model, encoder_path):
    with pytest.raises(InputError, match="query must be one text"):
        rank(model, ["a"], ["b"])
    with pytest.raises(InputError, match="documents must be a list of texts"):
        rank(model, "a", "b")
    with pytest.raises(InputError, match="top must be a whole number"):
        rank(model, "a", ["b"], top=1.5)
    with pytest.raises(InputError, match="query must not be blank"):
        rank(model, " ", ["b"])
    with pytest.raises(InputError, match="top must be at least 1"):
        rank(model, "a", ["b"], top=0)
    with pytest.raises(InputError, match="a BertForSentenceEmbedding gives no score"):
        rank(load(encoder_path, BertForSentenceEmbedding), "a", ["b"])
    several = load(encoder_path, BertForSequenceClassification, labels=2)
    with pytest.raises(InputError, match=r"of 2 labels \(single_label_classification\) gives no"):
        rank(several, "a", ["b"])
    single = Regression(trained_on="texts", max_seq_length=16).open_model(encoder_path)
    with pytest.raises(InputError, match="the model was trained on single texts"):
        rank(single, "a", ["b"])
