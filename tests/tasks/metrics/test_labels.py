import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bert_keras.tasks.metrics import (
    accuracy,
    best_f1_threshold,
    label_f1,
    macro_f1,
    matthews_correlation,
    multi_label_scores,
    pearson,
    spearman,
)

EXPECTED = ["no", "no", "yes", "yes", "yes", "no"]
PREDICTED = ["no", "yes", "yes", "yes", "no", "no"]  # of "yes": 2 right, 1 too many, 1 missed


def test_accuracy_is_the_share_of_right_labels():
    assert accuracy(EXPECTED, PREDICTED) == pytest.approx(4 / 6)


def test_f1_of_a_label_by_its_formula():
    assert label_f1(EXPECTED, PREDICTED, "yes") == pytest.approx(2 * 2 / (3 + 3))
    expected = [0, 0, 0, 1]
    predicted = [0, 0, 1, 1]
    assert label_f1(expected, predicted, 1) == pytest.approx(2 * 1 / (1 + 2))
    assert label_f1(expected, predicted, 0) == pytest.approx(2 * 2 / (3 + 2))
    assert label_f1(expected, predicted, 5) == 0.0


def test_macro_f1_is_the_mean_over_the_labels_that_occur():
    expected, predicted = ["a", "b", "c", "a"], ["a", "c", "c", "b"]
    assert macro_f1(expected, predicted) == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
    assert macro_f1(EXPECTED, PREDICTED) == pytest.approx(2 / 3)
    assert macro_f1([], []) == label_f1([], [], "a") == 0.0


def test_matthews_correlation_by_its_formula():
    tp, fp, fn, tn = 2, 1, 1, 2
    expected = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert matthews_correlation(EXPECTED, PREDICTED) == pytest.approx(expected)


def test_correlations_by_hand():
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 10.0]
    assert pearson(x, y) == pytest.approx(13 / math.sqrt(5 * 50))
    assert spearman(x, y) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman([1.0, 1.0, 2.0], [0.0, 1.0, 2.0]) == pytest.approx(math.sqrt(3) / 2)


def test_several_labels_by_hand():
    expected = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    predicted = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 0]])
    scores = multi_label_scores(expected, predicted)
    assert scores == pytest.approx(
        {"micro_f1": 6 / 7, "macro_f1": (1 + 2 / 3 + 1) / 3, "subset_accuracy": 2 / 3}
    )


def test_one_label_alone_by_hand():
    expected, predicted = np.array([[1], [0], [0], [0]]), np.array([[1], [1], [0], [0]])
    assert multi_label_scores(expected, predicted) == pytest.approx(
        {"micro_f1": 2 / 3, "macro_f1": 2 / 3, "subset_accuracy": 3 / 4}
    )


def test_what_is_undefined_is_zero_and_warns_of_nothing():
    assert accuracy([], []) == matthews_correlation([], []) == 0.0
    assert label_f1(["a", "a"], ["a", "a"], "b") == 0.0
    assert macro_f1(["a"], ["b"]) == 0.0
    assert matthews_correlation(["a", "a"], ["a", "a"]) == 0.0
    assert matthews_correlation(["a", "b"], ["a", "a"]) == 0.0
    for correlation in (pearson, spearman):
        assert correlation([], []) == correlation([1.0], [2.0]) == 0.0
        assert correlation([1.0, 1.0], [1.0, 2.0]) == correlation([1.0, 2.0], [3.0, 3.0]) == 0.0
        assert correlation([1.0, 2.0, 3.0], [1.0, math.nan, 2.0]) == 0.0
        assert -1 <= correlation([1e9, 1e9 + 1e-7, 1e9], [1.0, 2.0, 3.0]) <= 1
    nothing = {"micro_f1": 0.0, "macro_f1": 0.0, "subset_accuracy": 0.0}
    assert multi_label_scores(np.zeros((0, 3)), np.zeros((0, 3))) == nothing
    for shape in ((2, 3), (2, 1)):
        scores = multi_label_scores(np.zeros(shape), np.zeros(shape))
        assert scores == nothing | {"subset_accuracy": 1.0}


class TestBestF1Threshold:
    @staticmethod
    def by_sklearn(probabilities, is_right):
        """The highest F1 of all thresholds: one for each set of examples that can be above it."""
        tried = [*np.unique(probabilities), 2.0]
        return max(f1_score(is_right, probabilities >= t, zero_division=0.0) for t in tried)

    @pytest.mark.parametrize("decimals", [1, 2, 17])  # with many equal ones, some, none
    @pytest.mark.parametrize("seed", range(5))
    def test_no_other_has_a_higher_f1(self, seed, decimals):
        draw = np.random.default_rng(seed)
        probabilities = draw.beta(0.5, 2, size=60).round(decimals)
        is_right = draw.random(60) < 0.7 * probabilities + 0.05
        found = best_f1_threshold(probabilities, is_right)
        given = probabilities >= found
        assert f1_score(is_right, given) == self.by_sklearn(probabilities, is_right)

    def test_it_lies_halfway_between_two_probabilities(self):
        probabilities = np.array([0.1, 0.2, 0.3, 0.4])
        assert best_f1_threshold(probabilities, np.array([0, 0, 1, 1], bool)) == 0.25
        assert best_f1_threshold(probabilities, np.array([1, 1, 1, 1], bool)) == 0.05

    def test_one_half_stays_where_it_is_as_good_as_any(self):
        probabilities = np.array([0.1, 0.45, 0.9])
        assert best_f1_threshold(probabilities, np.array([0, 0, 1], bool)) == 0.5
        assert best_f1_threshold(probabilities, np.array([0, 0, 0], bool)) == 0.5
        assert best_f1_threshold(np.array([0.5]), np.array([True])) == 0.5

    def test_of_equal_ones_it_is_the_nearest_to_one_half(self):
        # F1 2/3 from 0.75 on, with one of the two, and from 0.15 on, with both and two more.
        probabilities = np.array([0.8, 0.7, 0.6, 0.2, 0.1])
        is_right = np.array([1, 0, 0, 1, 0], bool)
        assert best_f1_threshold(probabilities, is_right) == pytest.approx(0.75)

    def test_equal_probabilities_are_not_parted(self):
        probabilities = np.array([0.3, 0.3, 0.3, 0.1])
        assert best_f1_threshold(probabilities, np.array([1, 0, 0, 0], bool)) == pytest.approx(0.2)

    def test_neighboring_floats_are_parted(self):
        above = np.nextafter(0.9, 1)
        found = best_f1_threshold(np.array([0.9, above]), np.array([False, True]))
        assert found == above
