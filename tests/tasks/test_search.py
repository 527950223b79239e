"""Search in two stages: the candidates of a sentence encoder, in the order of a cross-encoder."""

import pytest

from bert_keras import BertForSentenceEmbedding, BertForSequenceClassification, load, rank, search
from bert_keras.errors import InputError
from tests.tasks.conftest import BAD, GOOD

QUERIES = ["a warm film", "sloppy"]


@pytest.fixture(scope="module")
def models(encoder_path):
    """A sentence encoder and a cross-encoder."""
    encoder = load(encoder_path, BertForSentenceEmbedding)
    return encoder, load(encoder_path, BertForSequenceClassification, labels=1, seed=3)


def test_the_candidates_are_in_the_order_of_rank(models):
    encoder, ranker = models
    documents = [GOOD[0], "", *BAD, *GOOD[1:]]
    found = search(encoder, documents, QUERIES, top=3, rerank=ranker, candidates=5)
    for query, hits in zip(QUERIES, found, strict=True):
        candidates = [hit["document"] for hit in search(encoder, documents, query, top=5)]
        best = rank(ranker, query, [documents[number] for number in candidates])[:3]
        assert [hit["document"] for hit in hits] == [candidates[hit["document"]] for hit in best]
        assert [hit["text"] for hit in hits] == [hit["text"] for hit in best]
        scores = [hit["score"] for hit in best]
        assert [hit["score"] for hit in hits] == pytest.approx(scores, abs=1e-6)
    (first,) = search(encoder, documents, QUERIES[1], top=1, rerank=ranker)  # all are candidates
    assert first["score"] == pytest.approx(
        max(hit["score"] for hit in rank(ranker, QUERIES[1], documents) if hit["text"]), abs=1e-6
    )


def test_what_cannot_be_reranked_is_refused(models):
    encoder, ranker = models
    for settings, message in (
        ({"candidates": 5}, "candidates is for rerank, which reads so many documents: give both"),
        ({"rerank": ranker, "candidates": 2}, "candidates must be at least top, 10. Received: 2"),
        ({"rerank": ranker, "candidates": 20.0}, "candidates must be a whole number"),
        ({"rerank": encoder}, "a BertForSentenceEmbedding gives no score for a query"),
    ):
        with pytest.raises(InputError, match=message):
            search(encoder, GOOD, QUERIES, **settings)
    with pytest.raises(InputError, match="give their texts in the place of vectors"):
        search(encoder, encoder.embed(GOOD), QUERIES, rerank=ranker)
