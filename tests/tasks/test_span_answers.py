"""Answers against the original's loops, their scores against SQuAD 2.0's official algorithm."""

import math
import re
import string
from collections import Counter

import numpy as np
import pytest

from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.span import Span
from bert_keras.tasks.span_answers import Origin, best_answers, is_right, span_scores

TEXT = "ab cd ef gh"
OFFSETS = np.array([(0, 2), (3, 5), (6, 8), (9, 11)])


def _window(starts, ends, first=3, offsets=OFFSETS, is_best=None):
    """A window behind [CLS] q [SEP], given the logits of [CLS] and of the text's tokens."""
    logits = {}
    for name, (cls, *values) in (("start_logits", starts), ("end_logits", ends)):
        logits[name] = np.array([cls, *[-20.0] * (first - 1), *values, -20.0], np.float32)
    is_best = np.ones(len(offsets), bool) if is_best is None else np.array(is_best)
    return Origin(first, offsets, is_best), logits


def best_answer(text, windows, *settings):
    (found,) = best_answers([text], [windows], *settings)
    return found


def test_the_likeliest_span_is_cut_from_the_text():
    window = _window([-9, 0, 5, 0, 0], [-9, 0, 0, 4, 0])
    found = best_answer(TEXT, [window], 20, 30, math.inf)
    assert (found["answer"], found["start"], found["end"]) == ("cd ef", 3, 8)
    totals = {}  # all spans of the four tokens, by hand
    for start, s in enumerate([0, 5, 0, 0]):
        for end, e in enumerate([0, 0, 4, 0]):
            if start <= end:
                totals[TEXT[3 * start : 3 * end + 2]] = s + e
    assert len(found["nbest"]) == 10
    whole = sum(math.exp(total) for total in totals.values())
    for entry in found["nbest"]:
        assert entry["score"] == pytest.approx(math.exp(totals[entry["answer"]]) / whole)
        assert TEXT[entry["start"] : entry["end"]] == entry["answer"]
    assert found["no_answer_score"] == pytest.approx(-18 - 9)


def test_answers_are_neither_too_long_nor_backwards_nor_outside_the_text():
    window = _window([9, 8, 0, 0, 7.5], [9, 7, 0, 0, 8])
    found = best_answer(TEXT, [window], 20, 3, math.inf)
    assert found["answer"] == "gh"  # not the four tokens "ab" to "gh", 16
    assert {len(entry["answer"].split()) for entry in found["nbest"]} == {1, 2, 3}


def test_a_start_counts_where_it_has_the_most_context():
    left = _window([0, 1, 1, 9, 1], [0, 1, 1, 9, 1], is_best=[True, True, False, False])
    right = _window([0, 6, 1], [0, 6, 1], offsets=OFFSETS[2:], is_best=[True, True])
    found = best_answer(TEXT, [left, right], 20, 30, math.inf)
    assert (found["answer"], found["start"]) == ("ef", 6)
    assert (
        found["nbest"][0]["score"] < 0.8
    )  # "cd ef" has 10 beside its 12; the 18 on the left were not


def test_no_answer_wins_by_the_threshold():
    windows = [_window([4, 0, 5, 0, 0], [3, 0, 5, 0, 0]), _window([2, 0, 1, 0, 0], [1, 0, 1, 0, 0])]
    found = best_answer(TEXT, windows, 20, 30, 0.0)
    assert found["no_answer_score"] == pytest.approx((2 + 1) - (5 + 5))  # the lowest of [CLS]
    assert found["answer"] == "cd"
    for threshold, answer in [(-6.9, "cd"), (-7.0, "cd"), (-7.1, "")]:
        found = best_answer(TEXT, windows, 20, 30, threshold)
        assert found["answer"] == answer
        assert TEXT[found["start"] : found["end"]] == answer
        assert sum(entry["score"] for entry in found["nbest"]) == pytest.approx(1)
        assert found["score"] == next(e["score"] for e in found["nbest"] if e["answer"] == answer)


def test_without_a_possible_answer_none_is_given():
    window = _window([9, 9, 0, 0, 0], [9, 9, 0, 0, 0], is_best=[False] * 4)
    found = best_answer(TEXT, [window], 20, 30, math.inf)
    assert found == {
        "answer": "", "start": 0, "end": 0, "score": 0.0, "no_answer_score": 18.0, "nbest": [],
    }  # fmt: skip
    assert best_answer(TEXT, [window], 20, 30, 1.0)["score"] == 1.0


def _by_the_original(text, windows, n_best, longest, threshold):
    """``write_predictions`` of run_squad.py, said again in plain loops."""
    spans, none = [], math.inf
    for origin, outputs in windows:
        starts, ends = outputs["start_logits"].tolist(), outputs["end_logits"].tolist()
        none = min(none, starts[0] + ends[0])
        ranked = [
            sorted(range(len(x)), key=lambda i, x=x: x[i], reverse=True)[:n_best]
            for x in (starts, ends)
        ]
        for start in ranked[0]:
            for end in ranked[1]:
                first, last = start - origin.first, end - origin.first
                size = len(origin.offsets)
                if not (0 <= first < size and 0 <= last < size and origin.is_best[first]):
                    continue
                if first <= last and last - first + 1 <= longest:
                    span = text[origin.offsets[first][0] : origin.offsets[last][1]]
                    spans.append((starts[start] + ends[end], span))
    if threshold is not None:
        spans.append((none, ""))
    best = {}
    for score, span in sorted(spans, key=lambda item: item[0], reverse=True):
        if len(best) < n_best:
            best.setdefault(span, score)
    if threshold is not None:
        best.setdefault("", none)
    answered = [(span, score) for span, score in best.items() if span]
    if threshold is not None and none - answered[0][1] > threshold:
        return "", best
    return answered[0][0], best


def drawn(random, words):
    """A text of 30 words with three windows over it; half the logits are whole, so often equal."""
    text = " ".join(random.choice(words, 30))
    ends = np.cumsum([len(word) + 1 for word in text.split(" ")])
    offsets = np.stack([np.concatenate([[0], ends[:-1]]), ends - 1], axis=1)
    windows, is_whole = [], random.random() < 0.5
    for start, end in ((0, 16), (8, 24), (16, 30)):
        logits = {
            name: random.normal(0, 2, end - start + 5).astype(np.float32)
            for name in ("start_logits", "end_logits")
        }
        logits["start_logits"][0] += 9
        if is_whole:
            logits = {name: np.round(values) for name, values in logits.items()}
        windows.append((Origin(4, offsets[start:end], random.random(end - start) < 0.8), logits))
    return text, windows


@pytest.mark.parametrize("threshold", [None, -3.0, 0.0, 2.0])
def test_answers_are_those_of_the_originals_loops(threshold):
    """Also where words come again, scores are equal and characters take one to four bytes."""
    random = np.random.default_rng(5)
    words = [f"{a}{b}" for a in "abcé" for b in "fg中😀\ud800"]
    texts, windows = zip(*(drawn(random, words) for _ in range(160)), strict=True)
    given = math.inf if threshold is None else threshold
    answers = best_answers(texts, windows, 10, 4, given)
    empty = 0
    for text, own, ours in zip(texts, windows, answers, strict=True):
        answer, best = _by_the_original(text, own, 10, 4, threshold)
        assert ours["answer"] == answer
        assert [entry["answer"] for entry in ours["nbest"]] == list(best)
        assert all(text[e["start"] : e["end"]] == e["answer"] for e in ours["nbest"])
        shares = np.exp(list(best.values())) / np.exp(list(best.values())).sum()
        np.testing.assert_allclose([entry["score"] for entry in ours["nbest"]], shares, rtol=1e-9)
        empty += not answer
    assert 0 < empty < 160 if threshold is not None else not empty


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
    words = ["the", "tower", "of", "london", "is", "324", "meters", "tall"]
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
