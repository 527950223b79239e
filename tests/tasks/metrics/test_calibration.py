"""Against scipy's and sklearn's own, and numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from bert_keras.errors import InputError
from bert_keras.tasks.metrics import (
    best_temperature,
    negative_log_likelihood,
    reliability,
)


def drawn(seed, count=400, labels=3, sureness=1.0):
    """Logits whose softmax is ``sureness`` times too sure, and labels drawn by the true one."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, labels), scale=1.5)
    shares = softmax(logits, axis=-1)
    right = np.array([draw.choice(labels, p=row) for row in shares])
    return sureness * logits, right


@pytest.mark.parametrize("labels", [2, 3, 20])
@pytest.mark.parametrize("sureness", [0.2, 1.0, 3.0, 50.0])
def test_the_temperature_is_scipys_minimum_of_the_loss(labels, sureness):
    logits, right = drawn(labels, labels=labels, sureness=sureness)

    def loss(log_temperature):
        shares = log_softmax(logits / math.exp(log_temperature), axis=-1)
        return -shares[np.arange(len(right)), right].mean()

    best = minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-10})
    assert best_temperature(logits, right) == pytest.approx(math.exp(best.x), rel=1e-5)


def test_the_temperature_of_one_choice_in_three_wrong_by_hand():
    # Each right by 2 nats, or wrong by 2: at T the share sigmoid(2 / T) must be 2 / 3.
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [5.0, 3.0]])
    right = np.array([0, 1, 1])
    assert best_temperature(logits, right) == pytest.approx(2 / math.log(2), rel=1e-10)


def test_the_temperature_scales_as_the_logits_do_and_passes_over_what_all_share():
    logits, right = drawn(4)
    found = best_temperature(logits, right)
    assert best_temperature(1e-6 * logits, right) == pytest.approx(1e-6 * found, rel=1e-9)
    assert best_temperature(1e5 * logits, right) == pytest.approx(1e5 * found, rel=1e-9)
    assert best_temperature(logits + 1000.0, right) == pytest.approx(found, rel=1e-9)
    assert best_temperature(logits / found, right) == pytest.approx(1.0, abs=1e-9)


def test_a_sigmoid_is_a_choice_between_its_logit_and_0():
    draw = np.random.default_rng(7)
    logits = draw.normal(size=500, scale=4)
    right = (draw.random(500) < expit(logits / 2)).astype(int)

    def loss(temperature):
        return log_loss(right, expit(logits / temperature))

    best = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-10})
    pairs = np.stack([np.zeros_like(logits), logits], axis=-1)
    assert best_temperature(pairs, right) == pytest.approx(best.x, rel=1e-5)
    assert negative_log_likelihood(pairs, right) == pytest.approx(loss(1.0), rel=1e-12)


def test_where_all_answers_are_right_no_temperature_is_best():
    with pytest.raises(InputError, match="all 2 answers are right"):
        best_temperature(np.array([[2.0, 0.0], [0.0, 1e-3]]), np.array([0, 1]))


def test_one_barely_wrong_answer_is_enough_for_a_temperature():
    logits = np.array([[2.0, 0.0]] * 99 + [[1e-6, 0.0]])
    right = np.array([0] * 99 + [1])
    found = best_temperature(logits, right)
    losses = [negative_log_likelihood(logits / (found * f), right) for f in (0.99, 1.0, 1.01)]
    assert losses[1] == min(losses)
    assert losses[1] < min(losses[0], losses[2])


def test_where_the_logits_say_nothing_no_temperature_is_best():
    logits, right = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([1, 1])
    with pytest.raises(InputError, match=r"no temperature is best.*no better than guessing"):
        best_temperature(logits, right)
    with pytest.raises(InputError, match="all 1 answers are right"):  # and equally wrong
        best_temperature(np.zeros([1, 3]), np.array([1]))


def test_the_calibration_error_of_four_answers_by_hand():
    # Confidences 0.6, 0.8, 0.9, 0.9 of which the second is wrong.
    shares = np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.9, 0.1]])
    found = reliability(np.log(shares), np.array([0, 0, 1, 0]), bins=10)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 2, 0]
    assert found.accuracy[[5, 7, 8]].tolist() == [1.0, 0.0, 1.0]
    assert found.error == pytest.approx((0.4 + 0.8 + 2 * 0.1) / 4)


def test_a_confidence_on_an_edge_is_of_the_bin_below():
    found = reliability(np.zeros([3, 2]), np.array([0, 0, 1]), bins=2)
    assert found.counts.tolist() == [3, 0]  # 0.5 is of (0, 0.5]
    assert reliability(np.array([[800.0, 0.0]]), np.array([0])).counts.tolist() == [0] * 14 + [1]


@pytest.mark.parametrize("bins", [7, 15])
def test_the_bins_are_sklearns(bins):
    logits, right = drawn(11, count=2000, sureness=2.0)
    shares = softmax(logits, axis=-1)
    is_right = shares.argmax(axis=-1) == right
    accuracy, confidence = calibration_curve(is_right, shares.max(axis=-1), n_bins=bins)
    found = reliability(logits, right, bins)
    there = found.counts > 0
    np.testing.assert_allclose(found.accuracy[there], accuracy)
    np.testing.assert_allclose(found.confidence[there], confidence)
    by_hand = sum(
        count / 2000 * abs(share - sure)
        for count, share, sure in zip(found.counts[there], accuracy, confidence, strict=True)
    )
    assert found.error == pytest.approx(by_hand)


def test_the_error_of_no_answers_is_0():
    assert reliability(np.zeros([0, 2]), np.zeros([0], int)).error == 0.0
