"""Answers to questions: chosen as ``run_squad.py`` chooses them, scored by SQuAD's rules."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from bert_keras.errors import InputError
from bert_keras.tasks.answering import Outputs
from bert_keras.tasks.metrics import answer_f1, best_threshold, counts_characters, exact_match
from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.span_ranking import AnsweredWindows, ranked
from bert_keras.tasks.task import Prediction, Predictions

Questions = Sequence[QuestionExample]
_AT_A_TIME = 256  # windows, about, whose answers are ranked together


class Origin(NamedTuple):
    """The places of a window's tokens in the text.

    Attributes:
        first: The place of the window's first token in the sequence.
        offsets: The half-open ranges of the tokens' characters, int64 [n, 2].
        is_best: Whether the token has more context here than in the other windows, bool [n].
    """

    first: int
    offsets: np.ndarray
    is_best: np.ndarray


def best_answers(
    texts: Sequence[str],
    windows: Sequence[Sequence[tuple[Origin, Outputs]]],
    n_best: int,
    max_answer_length: int,
    no_answer_threshold: float,
) -> list[Prediction]:
    """The answers to questions; ``Span`` says what is in each.

    Args:
        texts: The text that answers each question.
        windows: The windows of each, with ``start_logits`` and ``end_logits`` [L].
        n_best: See ``ranked``.
        max_answer_length: See ``ranked``.
        no_answer_threshold: No answer is given when its score exceeds the best one's by more.
    """
    answers: list[Prediction] = []
    ends = np.cumsum([len(own) for own in windows]).tolist()
    for _, group in groupby(range(len(texts)), lambda number: ends[number] // _AT_A_TIME):
        numbers = list(group)
        some = [texts[number] for number in numbers]
        answered = _on_host([windows[number] for number in numbers])
        codes = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4") for text in some]
        splits = np.cumsum([0, *map(len, codes)], dtype=np.int32)
        with tf.device("CPU"):  # small operations, and not all are to be had elsewhere
            best, none = ranked(
                answered, np.concatenate(codes), splits,
                n_best, max_answer_length, no_answer_threshold,
            )  # fmt: skip
        firsts = np.searchsorted(best.text.numpy(), np.arange(1, len(some)))
        columns = (np.split(column.numpy(), firsts) for column in best[1:])
        for text, score, *own in zip(some, none.numpy().tolist(), *columns, strict=True):
            answers.append(_answer(text, score, no_answer_threshold, *own))
    return answers


def _on_host(windows: Sequence[Sequence[tuple[Origin, Outputs]]]) -> AnsweredWindows:
    """The windows of some texts as tables."""
    flat = [window for own in windows for window in own]
    origins, outputs = [origin for origin, _ in flat], [output for _, output in flat]
    return AnsweredWindows(
        text=np.repeat(np.arange(len(windows), dtype=np.int32), [len(own) for own in windows]),
        first=np.array([origin.first for origin in origins], np.int32),
        size=np.array([len(origin.offsets) for origin in origins], np.int32),
        start_logits=_table([each["start_logits"] for each in outputs], np.float64, -np.inf),
        end_logits=_table([each["end_logits"] for each in outputs], np.float64, -np.inf),
        is_best=_table([origin.is_best for origin in origins], np.bool_, False),
        starts=_table([origin.offsets[:, 0] for origin in origins], np.int32, 0),
        ends=_table([origin.offsets[:, 1] for origin in origins], np.int32, 0),
    )


def _table(rows: Sequence[np.ndarray], dtype: type, padding: float) -> np.ndarray:
    """Rows of several lengths as one array, [W, the longest]."""
    table: np.ndarray = np.full((len(rows), max(map(len, rows), default=0)), padding, dtype)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


def _answer(
    text: str,
    none: float,
    threshold: float,
    scores: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
) -> Prediction:
    """The answer to one question, of its best ones."""
    shares = softmax(scores) if len(scores) else scores
    columns = (values.tolist() for values in (starts, ends, shares))
    nbest = [
        {"answer": text[start:end], "start": start, "end": end, "score": share}
        for start, end, share in zip(*columns, strict=True)
    ]
    # Where no two tokens can be an answer, the original takes the score 0.
    best = next((s for s, entry in zip(scores, nbest, strict=True) if entry["answer"]), 0.0)
    is_none = threshold < math.inf and none - best > threshold
    empty = {"answer": "", "start": 0, "end": 0, "score": 0.0}
    chosen = next((entry for entry in nbest if (not entry["answer"]) == is_none), empty)
    return chosen | {"no_answer_score": none - float(best), "nbest": nbest}


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
