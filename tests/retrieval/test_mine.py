"""The negatives of pairs: which documents are taken, and which are left out by which rule."""

import numpy as np
import pytest

from bert_keras import BertEncoder, BertForSentenceEmbedding, BertTokenizer, mine_negatives
from bert_keras.errors import InputError
from bert_keras.retrieval.mine import Rules, find_negatives
from bert_keras.retrieval.pairs import texts_of
from tests.support.models import make_model, pieces_of, small_config

PAIRS = [("q1", "p8"), ("q2", "p5"), ("q1", "p6")]
# The cosines of the documents with q1; q2 is at right angles to it.
COSINES = {"n9": 0.9, "p8": 0.8, "n7": 0.7, "p6": 0.6, "p5": 0.5, "n4": 0.4, "n1": 0.1, "m2": -0.2}
DOCUMENTS = ("m2", "n9", "n7", "n4", "n1")


def mine(pairs=PAIRS, documents=DOCUMENTS, **rules):
    """The negatives of q1, and all that was found."""
    texts = texts_of(pairs, documents)
    x = np.array([COSINES[text.strip()] for text in texts.documents])
    vectors = 3 * np.stack([x, np.sqrt(1 - x**2)], axis=1).astype(np.float32)
    anchors = np.eye(2, dtype=np.float32)[: len(texts.anchors)]
    mined = find_negatives(texts, anchors, vectors, Rules(**rules))
    return [texts.documents[number] for number in mined.numbers[0]], mined


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["n9", "n7", "p5"]),
        ({"negatives": 9}, ["n9", "n7", "p5", "n4", "n1", "m2"]),
        ({"margin": 0.0}, ["p5", "n4", "n1"]),  # of p6, the lowest of its positives
        ({"margin": 0.15}, ["n4", "n1", "m2"]),
        ({"relative_margin": 0.2}, ["n4", "n1", "m2"]),  # below 0.48
        ({"max_score": 0.75}, ["n7", "p5", "n4"]),
        ({"min_score": 0.6}, ["n9", "n7"]),
        ({"min_score": 0.3, "max_score": 0.65, "negatives": 1}, ["p5"]),
        ({"from_rank": 2}, ["p5", "n4", "n1"]),
        ({"from_rank": 1, "max_score": 0.75}, ["p5", "n4", "n1"]),  # of those that pass
        ({"to_rank": 3}, ["n9", "n7", "p5"]),  # the nearest 3, and 2 for the positives
        ({"to_rank": 3, "max_score": 0.65}, ["p5"]),
        ({"max_score": -0.5}, []),
    ],
)
def test_the_nearest_that_pass_are_taken(rules, expected):
    found, mined = mine(**rules)
    assert found == expected
    np.testing.assert_allclose(mined.scores[0], [COSINES[text] for text in found], atol=1e-6)


def test_a_margin_of_a_score_below_zero_leads_away_from_it():
    """5 % of -0.2 below it is -0.21, not -0.19."""
    found, _ = mine([("q1", "m2")], ["n1"], relative_margin=0.05)
    assert found == []


def test_every_document_that_was_left_out_is_counted_once_by_its_rule():
    found, mined = mine(margin=0.15, max_score=0.3, min_score=0.0, from_rank=1)
    assert found == []
    counts = {name: int(row[0]) for name, row in mined.left_out.items()}
    assert counts == {"margin": 3, "max_score": 1, "min_score": 1, "from_rank": 1}
    assert mined.depth == len(COSINES)
    np.testing.assert_allclose(np.sort(mined.positive_scores), [0.6, 0.8, 0.75**0.5], rtol=1e-6)


def test_neither_a_positive_nor_the_anchor_is_taken_whatever_its_white_space():
    found, _ = mine([("q1", "p8"), ("n7", "p5")], [" p8\t", "n9", "n9 ", "n7", "\n", ""])
    assert found == ["n9", "n7", "p5"]
    found, _ = mine([("n7", "p8")], ["n4", "n7 ", "n9"])
    assert found == ["n9", "n4"]
    texts = texts_of([("a  b", "c"), ("d", "c"), ("a  b", "c")], ["a b", "c ", "x", " "])
    assert texts.documents == ["a b", "c ", "x"]
    assert (texts.positives, texts.known) == ([[1], [1]], [[1, 0], [1]])
    assert (texts.anchor_of, texts.most_positives) == ([0, 1, 0], 2)


def test_two_spellings_of_an_anchor_are_one_with_the_positives_of_both():
    """Else the positive of one would be a negative of the other."""
    texts = texts_of([("a  b", "c"), ("d", "e"), (" a b", "f")])
    assert (texts.anchors, texts.anchor_of) == (["a  b", "d"], [0, 1, 0])
    assert (texts.positives, texts.most_positives) == ([[0, 2], [1]], 2)


@pytest.fixture(scope="module")
def model():
    vocab = pieces_of("abcdefgh")
    prompts = {"query": "a a ", "document": "b "}
    model = BertForSentenceEmbedding(
        small_config(len(vocab), initializer_range=0.3), prompts=prompts
    )
    model.tokenizer = BertTokenizer(vocab)
    return model


def test_texts_have_the_negatives_of_their_vectors(model):
    pairs = [("bad bees", "a bad bee"), ("had", "he had a cab"), ("bad bees", "bee")]
    documents = ["feed the bag", "dead", "a bad bee"]
    found = mine_negatives(model, iter(pairs), documents, negatives=2)
    assert found[0] == found[2]
    others = ["feed the bag", "dead", "he had a cab"]
    cosines = model.embed(["bad bees"], prompt="a a ") @ model.embed(others, prompt="b ").T
    order = np.argsort(-cosines[0])[:2]
    assert [hit["text"] for hit in found[0]] == [others[n] for n in order]
    np.testing.assert_allclose([h["score"] for h in found[0]], cosines[0][order], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "no pair"),
        (([("a", " ")],), r"pairs\[0\] has a blank text"),
        (([("a", "b", "c")],), r"pairs\[0\] must be an anchor and its positive"),
        (([("a", 1)],), r"pairs\[0\]\[1\] is not a text"),
        (([("a", "b")], "text"), "documents must be a list of texts"),
    ],
)
def test_texts_that_are_no_pairs_are_refused(arguments, message, model):
    with pytest.raises(InputError, match=message):
        mine_negatives(model, *arguments)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"margins": 1}, "no such setting: 'margins'; did you mean 'margin'"),
        ({"negatives": 0}, "negatives must be a whole number of at least 1"),
        ({"negatives": 1.5}, "negatives must be a whole number"),
        ({"margin": "x"}, "margin must be a number from 0 to 2"),
        ({"margin": True}, "margin must be a number from 0 to 2"),
        ({"relative_margin": 5}, "relative_margin must be a number from 0 to 1"),
        ({"from_rank": -1}, "from_rank must be a whole number of at least 0"),
        ({"margin": -0.1}, "margin must be a number from 0 to 2"),
        ({"relative_margin": float("nan")}, "relative_margin must be a number from 0 to 1"),
        ({"max_score": 80}, "max_score must be a number from -1 to 1"),
        ({"min_score": 0.5, "max_score": 0.5}, "min_score must be below max_score"),
        ({"from_rank": 10, "to_rank": 12}, "to_rank must be a whole number of at least 13"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, message, model):
    with pytest.raises(InputError, match=message):
        mine_negatives(model, [("a", "b")], **rules)


def test_a_model_without_vectors_is_refused():
    with pytest.raises(InputError, match="gives no vectors for texts"):
        mine_negatives(make_model(BertEncoder), [("a", "b")])
