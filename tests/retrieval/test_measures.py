"""The measures against examples from books and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from bert_keras.errors import InputError
from bert_keras.retrieval.measures import (
    average_precision,
    measure_rankings,
    ndcg,
    recall,
    reciprocal_rank,
)


def _judged(marks: str) -> dict[int, int]:
    """Judgements of documents 0, 1, ... from such as ``"R N R"``."""
    return {number: int(mark == "R") for number, mark in enumerate(marks.split())}


def test_average_precision_is_that_of_the_textbook():
    """Manning, Raghavan and Schütze 2008, "Introduction to Information Retrieval", exercise 8.8."""
    ranking = range(10)
    values = [
        average_precision(ranking, _judged(marks))
        for marks in ("R N R N N N N N R R", "N R N N R R R N N N")
    ]
    assert values == pytest.approx([0.6, 0.49285714])


def test_ndcg_is_that_of_the_worked_example():
    """The example in Wikipedia, "Discounted cumulative gain": two judged ones are not found."""
    judged = {1: 3, 2: 2, 3: 3, 4: 0, 5: 1, 6: 2, 7: 3, 8: 2}
    assert ndcg([1, 2, 3, 4, 5, 6], judged, 6) == pytest.approx(6.861 / 8.740, abs=1e-4)


def test_the_mean_reciprocal_rank_is_that_of_the_worked_example():
    """The example in Wikipedia, "Mean reciprocal rank": the right one is third, second, first."""
    rankings = {
        "cat": ["catten", "cati", "cats"],
        "torus": ["torii", "tori", "toruses"],
        "virus": ["viruses", "virii", "viri"],
    }
    judgements = {"cat": {"cats": 1}, "torus": {"tori": 1}, "virus": {"viruses": 1}}
    assert measure_rankings(rankings, judgements)["mrr@10"] == pytest.approx(11 / 18)


@pytest.mark.parametrize("seed", range(20))
def test_ndcg_and_average_precision_are_those_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    grades = draw.integers(0, 4, 30)
    grades[0] = 1
    scores = draw.permutation(30).astype(float)  # without ties
    judged = dict(enumerate(grades.tolist()))
    ranking = np.argsort(-scores).tolist()
    for k in (1, 5, 10, 30, 40):
        assert ndcg(ranking, judged, k) == pytest.approx(ndcg_score([grades], [scores], k=k))
    expected = average_precision_score(grades > 0, scores)
    assert average_precision(ranking, judged) == pytest.approx(expected)


def test_only_the_first_k_count():
    judged = {"a": 1, "b": 2}
    ranking = ["x", "a", "y", "b"]
    assert [recall(ranking, judged, k) for k in (1, 2, 3, 4, 9)] == [0, 0.5, 0.5, 1, 1]
    assert [reciprocal_rank(ranking, judged, k) for k in (1, 2, 9)] == [0, 0.5, 0.5]
    assert average_precision(ranking, judged, 2) == 0.25


def test_what_is_not_relevant_gains_nothing():
    """Scores of 0 and below count as none, as in trec_eval."""
    judged = {"a": 0, "b": -2, "c": 1}
    assert recall(["a", "b"], judged, 2) == 0
    assert ndcg(["a", "b", "c"], judged) == ndcg(["x", "y", "c"], {"c": 1}) == 0.5
    assert ndcg(["a"], {"a": 0}) == recall(["a"], {"a": 0}, 1) == 0
    assert average_precision(["a"], {"a": 0}) == reciprocal_rank(["a"], {"a": 0}) == 0


def test_queries_with_judgements_alone_count_each_as_much():
    rankings = {"one": ["a", "b"], "two": ["b", "a"], "other": ["a"]}
    judgements = {"one": {"a": 1}, "two": {"a": 3}, "empty": {}}
    measures = measure_rankings(rankings, judgements)
    assert measures["recall@1"] == 0.5
    assert measures["recall@10"] == measures["recall@100"] == 1
    assert measures["mrr@10"] == measures["map@100"] == 0.75


@pytest.mark.parametrize(
    ("rankings", "judgements", "message"),
    [
        ({"q": ["a"]}, {}, "no query has a judgement"),
        ({"q": ["a"]}, {"q": {}}, "no query has a judgement"),
        ({}, {"q": {"a": 1}}, "the query 'q' has judgements, but no ranking"),
        ({"q": ["a", "a"]}, {"q": {"a": 1}}, "the query 'q' has a document twice"),
    ],
)
def test_what_cannot_be_measured_is_refused(rankings, judgements, message):
    with pytest.raises(InputError, match=message):
        measure_rankings(rankings, judgements)
