"""The metrics of answers, by the official rules of SQuAD and, for Chinese, of CMRC 2018.

Rajpurkar et al. 2016, section 6.1, and 2018, section 5; Cui et al. 2019, section 4.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bert_keras.tokenization.chunks import IDEOGRAPHS

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

# The scripts that do not write words apart: Chinese characters and their marks of repetition, kana,
# Thai, Lao, Tibetan, Burmese, Khmer.
_SPACELESS = (
    rf"{IDEOGRAPHS}\U00020000-\U0003ffff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    r"\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
)
_CHARACTER = re.compile(f"[{_SPACELESS}]")
_WORD = re.compile(rf"[^\W{_SPACELESS}]+")
# What CMRC 2018's scorer ignores.
_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
# Words of the rest, as nltk's tokenizer parts them, which that scorer uses, but for contractions:
# marks apart, but not within a number, and the stop at the end of what stands between characters.
_CMRC_PART = re.compile(
    rf"""
    [{_SPACELESS}] | \.{{2,}} |
    (?:
        [^\s{_SPACELESS}\[\](){{}}<>;@\#$%&?!",.] | ,(?=\d) |
        (?<!\.)\.(?!\.)(?![\])}}>"'»”’\s]*(?:$|[{_SPACELESS}]))
    )+ |
    \S
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def counts_characters(text: str) -> bool:
    """Tell whether answers from a text are compared by characters rather than by words.

    They are where the text has more characters of scripts that do not write words apart (Chinese,
    Japanese, Thai, …) than words of others.
    """
    return len(_CHARACTER.findall(text)) > len(_WORD.findall(text))


def normalize_answer(text: str) -> str:
    """An answer in lower case, without ASCII punctuation and English articles, spaces made one."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answers: Sequence[str], predicted: str, by_characters: bool = False) -> float:
    """1.0 when the prediction equals one of the answers after normalization, else 0.0.

    Args:
        answers: The right answers; none where there is none.
        predicted: The answer that was given.
        by_characters: Whether the rules are those of CMRC 2018: lower case, without a list of
            mostly Chinese punctuation.
    """
    if by_characters:
        given = _plain(predicted)
        return max(float(_plain(answer) == given) for answer in answers or [""])
    given = normalize_answer(predicted)
    return max(float(answer == given) for answer in _normalized(answers))


def answer_f1(answers: Sequence[str], predicted: str, by_characters: bool = False) -> float:
    """The F1 of what a prediction shares with an answer, the best over all answers.

    By words, both share the words that they have in common, in any order. By characters, they share
    the longest run of parts that both have; a part is a character of a script that does not write
    words apart, else a word. Where one has no part, the F1 is 1.0 if the other has none, else 0.0.

    Args:
        answers: The right answers; none where there is none.
        predicted: The answer that was given.
        by_characters: Whether the rules are those of CMRC 2018. Unlike there, the
            characters of all scripts without spaces count one by one, not those of Chinese alone.
    """
    if by_characters:
        parts = _parts(predicted)
        return max(_run_f1(_parts(answer), parts) for answer in answers or [""])
    words = normalize_answer(predicted).split()
    return max(_word_f1(answer.split(), words) for answer in _normalized(answers))


class Threshold(NamedTuple):
    """The no-answer threshold that scores best, and the score."""

    threshold: float
    score: float


def best_threshold(
    scores: Sequence[float], is_impossible: Sequence[bool], no_answer_scores: Sequence[float]
) -> Threshold:
    """The lowest threshold for which the mean score is highest.

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


def _normalized(answers: Sequence[str]) -> list[str]:
    # Answers of punctuation and articles alone do not count, as in the official script.
    return [answer for answer in map(normalize_answer, answers) if answer] or [""]


def _word_f1(expected: list[str], predicted: list[str]) -> float:
    return _f1((Counter(expected) & Counter(predicted)).total(), expected, predicted)


def _run_f1(expected: list[str], predicted: list[str]) -> float:
    matcher = SequenceMatcher(None, expected, predicted, autojunk=False)
    return _f1(matcher.find_longest_match().size, expected, predicted)


def _f1(shared: int, expected: list[str], predicted: list[str]) -> float:
    if not expected or not predicted:
        return float(expected == predicted)
    return 2 * shared / (len(expected) + len(predicted))


def _plain(text: str) -> str:
    return text.lower().strip().translate(_CMRC_PUNCTUATION)


def _parts(text: str) -> list[str]:
    return _CMRC_PART.findall(_plain(text))
