"""The gap between probabilities and shares of right answers, and the temperature that closes it.

Guo et al. 2017, "On Calibration of Modern Neural Networks". Logits are float64 [N, K], a row for
each choice between K labels; ``right`` has the numbers of the right ones, int [N].
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from bert_keras.errors import InputError

BINS = 15  # as in the paper's tables
_FARTHEST = 512.0  # the logarithm of the largest inverse of a temperature that is looked at


class Reliability(NamedTuple):
    """Answers by how sure they are, in bins of one width (figure 1, bottom).

    Attributes:
        counts: The answers in each bin, int [bins].
        confidence: The mean probability of their labels, float64 [bins]; 0 in an empty bin.
        accuracy: The share of them that are right, float64 [bins]; 0 in an empty bin.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between the two (equation 3)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / max(1, self.counts.sum()))


def reliability(logits: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """The reliability of the likeliest labels' probabilities.

    A bin includes its upper edge but not its lower one, as in the paper (section 2).
    """
    probabilities = softmax(logits, axis=-1)
    confidence = probabilities.max(axis=-1)
    is_right = probabilities.argmax(axis=-1) == right
    edges = np.linspace(0.0, 1.0, bins + 1)
    numbers = np.digitize(confidence, edges[1:-1], right=True)
    counts = np.bincount(numbers, minlength=bins)
    sums = (np.bincount(numbers, values, bins) for values in (confidence, is_right))
    return Reliability(counts, *(each / np.maximum(counts, 1) for each in sums))


def negative_log_likelihood(logits: np.ndarray, right: np.ndarray) -> float:
    """The mean of minus the logarithm of the right labels' probabilities, in nats (equation 5)."""
    shares = log_softmax(logits, axis=-1)
    return float(-np.take_along_axis(shares, right[:, None], axis=-1).mean())


def best_temperature(logits: np.ndarray, right: np.ndarray) -> float:
    """The temperature at which the logits have the least negative log likelihood (section 4.2).

    It is convex in the inverse of the temperature, so the minimum is where the slope is 0: where
    the logits that the model expects are the right ones in the mean. Brent's method finds that on
    the logarithm of the inverse; no step is random.

    Raises:
        InputError: When there is no minimum: all answers are right, so that a lower temperature is
            always likelier, or the logits are no better than guessing, so that a higher one is.
    """
    over_right = logits - np.take_along_axis(logits, right[:, None], axis=-1)

    def slope(log_inverse: float) -> float:
        shares = softmax(over_right * math.exp(log_inverse), axis=-1)
        return float((shares * over_right).sum(axis=-1).mean())

    none = "no temperature is best on these examples"
    if not (over_right > 0).any():
        raise InputError(
            f"{none}: all {len(right):,} answers are right, so that a lower one is always "
            "better; give more examples, which the model has not learned"
        )
    if slope(-_FARTHEST) >= 0:
        raise InputError(
            f"{none}: the right labels' logits are not above the others' in the mean of "
            f"{len(right):,} answers; the model does no better than guessing"
        )
    low, high = -1.0, 1.0
    while slope(low) >= 0:
        low *= 2
    while slope(high) <= 0 and high < _FARTHEST:
        high *= 2
    return math.exp(-brentq(slope, low, high, xtol=1e-12))
