"""The scores of answers, against SQuAD 2.0's official algorithm in plain Python."""

import re
import string
from collections import Counter

import numpy as np
import pytest

from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.span import Span
from bert_keras.tasks.span_answers import is_right, span_scores


def _normalized(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _official(right, given):
    """Exact match and F1 of one answer."""
    right = [answer for answer in right if _normalized(answer)] or [""]
    match = max(int(_normalized(answer) == _normalized(given)) for answer in right)
    best = 0.0
    for answer in right:
        gold, found = _normalized(answer).split(), _normalized(given).split()
        same = sum((Counter(gold) & Counter(found)).values())
        if not gold or not found:
            best = max(best, float(gold == found))
        elif same:
            precision, recall = same / len(found), same / len(gold)
            best = max(best, 2 * precision * recall / (precision + recall))
    return match, best


def _official_best(scores, odds, answered, has_answer):
    """The best score over all thresholds, by the official sweep, and its threshold."""
    current = best = sum(not has for has in has_answer)
    threshold = 0.0
    for number in sorted(range(len(odds)), key=lambda n: odds[n]):
        if has_answer[number]:
            current += scores[number]
        elif answered[number]:
            current -= 1
        if current > best:
            best, threshold = current, odds[number]
    return best / len(odds), threshold


def test_scores_and_thresholds_are_those_of_the_official_sweep():
    draw = np.random.default_rng(0)
    words = ["the", "tower", "of", "london", "is", "324", "metres", "tall"]
    for _ in range(50):
        examples, predictions = [], []
        for number in range(12):
            none = bool(draw.random() < 0.4)
            right = [] if none else [" ".join(draw.choice(words, 3)) for _ in range(2)]
            context = " ".join(words)
            answers = tuple((text, 0) for text in right)
            examples.append(QuestionExample(str(number), "q", context, answers, none, f"{number}"))
            best, odds = f"london {draw.choice(words)}", float(draw.normal())
            given = "" if odds > 0 else best
            nbest = [{"answer": ""}, {"answer": best}] if odds > 0 else [{"answer": best}]
            predictions.append({"answer": given, "no_answer_score": odds, "nbest": nbest})
        scores = span_scores(examples, predictions)
        has = np.array([not example.is_impossible for example in examples])
        pairs = [
            ([text for text, _ in e.answers], p) for e, p in zip(examples, predictions, strict=True)
        ]
        given = np.array([_official(right, p["answer"]) for right, p in pairs])
        likeliest = np.array([_official(right, p["nbest"][-1]["answer"]) for right, p in pairs])
        odds = [p["no_answer_score"] for p in predictions]
        for column, name in enumerate(("exact_match", "f1")):
            assert scores[name] == pytest.approx(given[:, column].mean())
            if has.all():
                continue
            best, threshold = _official_best(likeliest[:, column], odds, [True] * 12, has)
            assert scores[f"best_{name}"] == pytest.approx(best)
            if threshold:  # the official sweep begins at 0, where no question is answered
                assert scores[f"best_{name}_threshold"] == threshold


def _chinese(answer):
    return QuestionExample("1", "高多少？", "故宫位于北京。", ((answer, 0),), False, "a.json")


def test_the_texts_language_decides_the_rule():
    chinese = [_chinese("北京故宫"), _chinese("故宫")]
    scores = span_scores(chinese, [{"answer": "故宫"}, {"answer": "《故宫》"}])
    assert scores == pytest.approx({"exact_match": 1 / 2, "f1": (2 * 2 / (4 + 2) + 1) / 2})
    english = QuestionExample(
        "1", "Which?", "It is called 故宫 in China.", (("故宫", 13),), False, "a"
    )
    scores = span_scores([english], [{"answer": "called 故宫"}])
    assert scores == pytest.approx({"exact_match": 0, "f1": 2 * 1 / (1 + 2)})
    assert is_right(_chinese("故宫"), "故宫。")
    assert not is_right(english, "故宫。")


def test_the_rule_is_said(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    line = '{"question": "哪里？", "context": "故宫位于北京。", "answers": []}'
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n", encoding="utf-8")
    Span().read(str(tmp_path / "a.jsonl"))
    assert "a.jsonl: 2 of 2 questions" in caplog.text
    assert "as CMRC 2018's scorer does" in caplog.text
