import math

import numpy as np
import pytest

from bert_keras.tasks.span_answers import Origin, best_answers

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
