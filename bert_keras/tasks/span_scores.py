"""Scores of answers to questions."""

from collections.abc import Sequence

import numpy as np

from bert_keras.errors import InputError
from bert_keras.tasks.metrics import answer_f1, best_threshold, counts_characters, exact_match
from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.task import Prediction

Questions = Sequence[QuestionExample]


def span_scores(examples: Questions, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Exact match and F1 by SQuAD's official rules, of Chinese and its like by CMRC 2018's.

    Where questions have no answer, also both for those that have one, the share of the others that
    got none, and the thresholds that would have been best with the scores they give.

    Raises:
        InputError: When a question has no right answer, nor is said to have none; names it.
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
