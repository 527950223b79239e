import numpy as np
import pytest

from bert_keras.tasks.metrics import answer_f1, best_threshold, exact_match, normalize_answer


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("an A-team, a theory", "ateam theory"),  # marks go before articles do
        ("U.S.", "us"),
        ("“quoted”", "“quoted”"),  # ASCII marks only
        ("the", ""),
        ("故宫，北京", "故宫，北京"),
    ],
)
def test_answers_are_normalised_by_the_official_rules(text, normalized):
    assert normalize_answer(text) == normalized


def test_scores_by_hand():
    answers = ["the Denver Broncos", "Broncos of Denver, Colorado"]
    assert exact_match(answers, "denver broncos.") == 1.0
    assert exact_match(answers, "Broncos") == 0.0
    assert answer_f1(answers, "Broncos") == pytest.approx(2 * 1 / (2 + 1))
    assert answer_f1(answers, "the Broncos of Colorado") == pytest.approx(2 * 3 / (4 + 3))
    assert answer_f1(["a b b"], "b b b") == pytest.approx(2 * 2 / (2 + 3))  # "a" is an article
    assert answer_f1(["故宫"], "北京故宫") == 0.0


def test_no_answer_is_right_where_there_is_none():
    assert exact_match([], "") == answer_f1([], "") == 1.0
    assert exact_match([], "something") == answer_f1([], "something") == 0.0
    assert exact_match(["x"], "") == answer_f1(["x"], "") == 0.0
    assert exact_match(["the", "x"], "") == 0.0  # an answer of articles alone does not count
    assert exact_match(["the"], "") == 1.0


def _score_at(threshold, scores, impossible, no_answer):
    given = [n <= threshold for n in no_answer]
    parts = zip(scores, impossible, given, strict=True)
    return np.mean([(0.0 if i else s) if g else float(i) for s, i, g in parts])


def test_the_best_threshold_is_that_of_trying_all():
    random = np.random.default_rng(3)
    for _ in range(200):
        size = int(random.integers(1, 12))
        scores = random.choice([0.0, 0.5, 1.0], size)
        impossible = random.random(size) < 0.5
        no_answer = random.integers(-4, 4, size).astype(float)
        found = best_threshold(scores, impossible, no_answer)
        tried = [no_answer.min() - 1, *no_answer]
        best = max(_score_at(t, scores, impossible, no_answer) for t in tried)
        assert found.score == pytest.approx(best)
        assert _score_at(found.threshold, scores, impossible, no_answer) == pytest.approx(best)
    assert best_threshold([], [], []) == (0.0, 0.0)
