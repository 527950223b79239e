import random

import numpy as np
import pytest

from bert_keras.tasks.metrics import (
    answer_f1,
    best_threshold,
    counts_characters,
    exact_match,
    normalize_answer,
)


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
def test_answers_are_normalized_by_the_official_rules(text, normalized):
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


# The scorer of CMRC 2018 in plain Python, from its description: characters and words, less
# punctuation, and the longest run that two answers share.
_MARKS = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def _cmrc_segments(text):
    segments, word = [], ""
    for character in [c for c in text.lower().strip() if c not in _MARKS]:
        if "\u4e00" <= character <= "\u9fa5" or character.isspace():
            segments += [word] if word else []
            segments += [] if character.isspace() else [character]
            word = ""
        else:
            word += character
    return segments + ([word] if word else [])


def _cmrc_f1(answers, given):
    best, right = 0.0, _cmrc_segments(given)
    for expected in map(_cmrc_segments, answers):
        table = [[0] * (len(right) + 1) for _ in range(len(expected) + 1)]
        for i, one in enumerate(expected):
            for j, other in enumerate(right):
                table[i + 1][j + 1] = table[i][j] + 1 if one == other else 0
        if run := max(map(max, table)):
            precision, recall = run / len(right), run / len(expected)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def _cmrc_em(answers, given):
    def plain(text):
        return "".join(c for c in text.lower().strip() if c not in _MARKS)

    return float(any(plain(answer) == plain(given) for answer in answers))


def test_chinese_answers_score_as_by_cmrcs_scorer():
    draw = random.Random(0)
    pieces = [*"北京故宫年月日《》，。一二", "NBA", "nba ", "2018", "Wi-Fi", "ω-Force", " "]
    scores = []
    for _ in range(2000):
        answers, given = (
            ["".join(draw.choices(pieces, k=draw.randint(1, 6))) for _ in range(count)]
            for count in (2, 1)
        )
        if not all(map(_cmrc_segments, [*answers, *given])):
            continue
        f1, match = (score(answers, given[0], True) for score in (answer_f1, exact_match))
        assert f1 == pytest.approx(_cmrc_f1(answers, given[0]))
        assert match == _cmrc_em(answers, given[0])
        scores.append(f1)
    assert 0.1 < np.mean(scores) < 0.9


@pytest.mark.parametrize(
    ("answer", "given", "f1", "match"),
    [
        ("北京故宫", "故宫", 2 * 2 / (4 + 2), 0),
        ("《故宫》。", "故宫", 1, 1),
        ("光荣和ω-force", "ω-Force", 2 * 1 / (4 + 1), 0),
        ("1,000元", "1,000 元", 1, 0),
        ("3.5%", "3.5", 2 * 1 / (2 + 1), 0),
        ("the NBA", "NBA", 2 * 1 / (2 + 1), 0),  # English articles count
        ("東京タワー", "タワー", 2 * 3 / (5 + 3), 0),
        ("กรุงเทพ", "กรุง", 2 * 4 / (7 + 4), 0),
        ("𠮷野家", "𠮷", 2 * 1 / (3 + 1), 0),
        ("故宫", "", 0, 0),
    ],
)
def test_characters_count_where_words_are_not_written_apart(answer, given, f1, match):
    assert answer_f1([answer], given, by_characters=True) == pytest.approx(f1)
    assert exact_match([answer], given, by_characters=True) == match


def test_no_answer_is_right_by_characters_too():
    assert exact_match([], "", True) == answer_f1([], "", True) == 1.0
    assert exact_match([], "故宫", True) == answer_f1([], "故宫", True) == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("故宫位于北京。", True),
        ("《战国无双3》（Sengoku Musou 3）是由光荣和ω-force开发的。", True),
        ("東京タワーは1958年に建てられました。", True),
        ("กรุงเทพมหานครเป็นเมืองหลวง", True),
        ("The Forbidden City (故宫) lies in Beijing.", False),
        ("서울은 대한민국의 수도이다.", False),  # Korean parts its words
        ("", False),
    ],
)
def test_the_text_decides_whether_characters_count(text, expected):
    assert counts_characters(text) == expected


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
