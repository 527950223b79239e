"""SQuAD's metrics (Rajpurkar et al. 2016, section 6.1; 2018, section 5), by the official rules."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """An answer in lower case, without ASCII punctuation and English articles, spaces made one.

    These rules are English. Words are what stands between spaces, so a Chinese answer is one
    word, and its F1 is 1 or 0.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answers: Sequence[str], predicted: str) -> float:
    """1.0 when the prediction equals one of the answers after normalisation, else 0.0."""
    return _best(lambda answer, given: float(answer == given), answers, predicted)


def answer_f1(answers: Sequence[str], predicted: str) -> float:
    """The F1 of the words that a prediction shares with an answer, the best over all answers.

    Without a word on one side it is 1.0 when the other has none either, else 0.0.
    """
    return _best(_word_f1, answers, predicted)


class Threshold(NamedTuple):
    """The no-answer threshold that scores best, and the score."""

    threshold: float
    score: float


def best_threshold(
    scores: Sequence[float], is_impossible: Sequence[bool], no_answer_scores: Sequence[float]
) -> Threshold:
    """The threshold for which the mean score is highest, the lowest such.

    A question gets no answer when its no-answer score is above the threshold; that scores 1 when
    it has none. Unlike in the official script an empty answer counts as an answer here.

    Args:
        scores: What the best answer to each question scores, in [0, 1].
        is_impossible: Whether the question has no answer; then its score does not count.
        no_answer_scores: How much the model prefers no answer.
    """
    impossible = np.asarray(is_impossible, bool)
    if not impossible.size:
        return Threshold(0.0, 0.0)
    values = np.asarray(no_answer_scores, np.float64)
    order = np.argsort(values, kind="stable")
    gains = np.where(impossible, -1.0, np.asarray(scores, np.float64))[order]
    totals = np.concatenate([[0.0], np.cumsum(gains)]) + impossible.sum()
    values = np.concatenate([[values.min() - 1.0], values[order]])
    # Questions of equal scores can only be answered together.
    real = np.append(values[1:] > values[:-1], True)
    best = int(np.argmax(np.where(real, totals, -np.inf)))
    return Threshold(float(values[best]), float(totals[best] / impossible.size))


def _best(score: Callable[[str, str], float], answers: Sequence[str], predicted: str) -> float:
    # Answers of punctuation and articles alone do not count, as in the official script.
    normalized = [answer for answer in map(normalize_answer, answers) if answer] or [""]
    given = normalize_answer(predicted)
    return max(score(answer, given) for answer in normalized)


def _word_f1(answer: str, given: str) -> float:
    expected, predicted = answer.split(), given.split()
    if not expected or not predicted:
        return float(expected == predicted)
    shared = (Counter(expected) & Counter(predicted)).total()
    return 2 * shared / (len(expected) + len(predicted))
