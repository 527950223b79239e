"""Answers to questions: chosen as ``run_squad.py`` chooses them, scored by SQuAD's rules."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from bert_keras.errors import InputError
from bert_keras.tasks.answering import Outputs
from bert_keras.tasks.metrics import answer_f1, best_threshold, counts_characters, exact_match
from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.task import Prediction, Predictions

Questions = Sequence[QuestionExample]


class Origin(NamedTuple):
    """Where the tokens of a window stand in the text.

    Attributes:
        first: The place of the window's first token in the sequence.
        offsets: The half-open ranges of the tokens' characters, int64 [n, 2].
        is_best: Whether the token has more context here than in the other windows, bool [n].
    """

    first: int
    offsets: np.ndarray
    is_best: np.ndarray


class _Candidate(NamedTuple):
    score: float
    start: int
    end: int


def best_answers(
    text: str,
    windows: Sequence[tuple[Origin, Outputs]],
    n_best: int,
    max_answer_length: int,
    no_answer_threshold: float,
) -> Prediction:
    """The answer to one question; ``Span`` says what is in it.

    Args:
        text: The text.
        windows: Its windows, each with ``start_logits`` and ``end_logits`` [L].
        n_best: Most answers, and most starts and ends of each window, that are considered.
        max_answer_length: Longest answer in tokens.
        no_answer_threshold: No answer is given when its score exceeds the best one's by more;
            an infinite one excludes it.
    """
    none = min(
        float(outputs["start_logits"][0]) + float(outputs["end_logits"][0])
        for _, outputs in windows
    )
    candidates = [
        candidate
        for origin, outputs in windows
        for candidate in _candidates(origin, outputs, n_best, max_answer_length)
    ]
    may_be_none = no_answer_threshold < math.inf
    if may_be_none:
        candidates.append(_Candidate(none, 0, 0))
    # Stable: among equals, the first window's comes first, then the one with the likelier start.
    candidates.sort(key=lambda candidate: -candidate.score)
    best: dict[str, _Candidate] = {}
    for candidate in candidates:
        if len(best) == n_best:
            break
        best.setdefault(text[candidate.start : candidate.end], candidate)
    if may_be_none:
        best.setdefault("", _Candidate(none, 0, 0))
    nbest = [
        {"answer": answer, "start": found.start, "end": found.end, "score": float(score)}
        for (answer, found), score in zip(best.items(), _shares(best), strict=True)
    ]
    # Where no two tokens can be an answer, the original takes the score 0.
    score = none - next((found.score for answer, found in best.items() if answer), 0.0)
    is_none = may_be_none and score > no_answer_threshold
    empty = {"answer": "", "start": 0, "end": 0, "score": 0.0}
    chosen = next((entry for entry in nbest if (not entry["answer"]) == is_none), empty)
    return chosen | {"no_answer_score": score, "nbest": nbest}


def _shares(best: dict[str, _Candidate]) -> np.ndarray:
    return softmax([candidate.score for candidate in best.values()]) if best else np.zeros(0)


def _candidates(
    origin: Origin, outputs: Outputs, n_best: int, max_answer_length: int
) -> list[_Candidate]:
    """The pairs of likely starts and ends of one window that can be an answer."""
    starts, ends = (
        np.argsort(-outputs[name], kind="stable")[:n_best]
        for name in ("start_logits", "end_logits")
    )
    scores = (
        outputs["start_logits"][starts].astype(np.float64)[:, None]
        + outputs["end_logits"][ends].astype(np.float64)[None, :]
    )
    firsts, lasts = starts[:, None] - origin.first, ends[None, :] - origin.first
    size = len(origin.offsets)
    can_be = (firsts >= 0) & (firsts < size) & (lasts >= firsts) & (lasts < size)
    can_be &= lasts - firsts < max_answer_length
    is_best = np.append(origin.is_best, False)
    can_be &= is_best[np.clip(firsts, 0, size)]
    return [
        _Candidate(
            float(scores[row, column]),
            int(origin.offsets[firsts[row, 0], 0]),
            int(origin.offsets[lasts[0, column], 1]),
        )
        for row, column in np.argwhere(can_be)
    ]


def span_scores(examples: Questions, predictions: Predictions) -> dict[str, float]:
    """Exact match and F1 by SQuAD's official rules, or CMRC 2018's for texts in characters.

    Where some questions have no answer, also both for those that have one, the share of the others
    that got none, and the best thresholds with the scores that they give.

    Raises:
        InputError: When a question neither has a right answer nor is said to have none; names it.
    """
    if not examples:
        return {"exact_match": 0.0, "f1": 0.0}
    impossible = np.array([example.is_impossible for example in examples])
    given = _each(examples, [prediction["answer"] for prediction in predictions])
    result = {name: float(values.mean()) for name, values in given.items()}
    if not impossible.any():
        return result
    for name, values in given.items():
        if not impossible.all():
            result[f"has_answer_{name}"] = float(values[~impossible].mean())
    result["no_answer_accuracy"] = float(given["exact_match"][impossible].mean())
    preferences = [prediction["no_answer_score"] for prediction in predictions]
    likeliest = [
        next((n["answer"] for n in prediction["nbest"] if n["answer"]), "")
        for prediction in predictions
    ]
    for name, values in _each(examples, likeliest).items():
        best = best_threshold(values.tolist(), impossible.tolist(), preferences)
        result[f"best_{name}"] = best.score
        result[f"best_{name}_threshold"] = best.threshold
    return result


def right_answers(example: QuestionExample) -> list[str]:
    """The right answers; none for a question that has none.

    Raises:
        InputError: When the data do not say.
    """
    if not example.answers and not example.is_impossible:
        raise InputError(f"{example.where} has no answers, which training and scoring need")
    return [text for text, _ in example.answers]


def is_right(example: QuestionExample, answer: str) -> bool:
    """Tell whether an answer is exactly one of the right ones."""
    by_characters = counts_characters(example.context)
    return exact_match(right_answers(example), answer, by_characters) == 1


def _each(examples: Questions, given: Sequence[str]) -> dict[str, np.ndarray]:
    """Exact match and F1 of the answer to each question, float64 [N]."""
    rows = [
        (right_answers(example), answer, counts_characters(example.context))
        for example, answer in zip(examples, given, strict=True)
    ]
    return {
        name: np.array([score(*row) for row in rows], np.float64)
        for name, score in (("exact_match", exact_match), ("f1", answer_f1))
    }
