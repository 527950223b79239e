import json

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.saving import load
from bert_keras.tasks import answer_rows, predict, task_of

WITHOUT_TOKEN = ["", " ", "\t", "\x01\x02", "\u200b", "\u200d\ufeff", "\u0301", "\u3000"]


@pytest.fixture(scope="module")
def classifier(encoder_path):
    return load(encoder_path, BertForSequenceClassification, labels=("bad", "good"))


@pytest.fixture(scope="module")
def tagger(encoder_path):
    return load(encoder_path, BertForTokenClassification, labels=("O", "B-x", "I-x"))


@pytest.fixture(scope="module")
def finder(encoder_path):
    return load(encoder_path, BertForQuestionAnswering)


def _answers(model, texts, pairs=None):
    task = task_of(model)
    partners = pairs or [None] * len(texts)
    return answer_rows(
        model, task, [task.from_text(*row) for row in zip(texts, partners, strict=True)]
    )


def test_a_text_without_a_token_gets_no_answer_and_moves_no_other(classifier, caplog):
    texts = ["a fine film", *WITHOUT_TOKEN, "no fun"]
    first, *empty, last = _answers(classifier, texts)
    assert empty == [None] * len(WITHOUT_TOKEN)
    expected = predict(classifier, ["a fine film", "no fun"])
    assert [first["label"], last["label"]] == [answer["label"] for answer in expected]
    assert [first["score"], last["score"]] == pytest.approx([a["score"] for a in expected])
    assert f"the text is empty; its answer is null, and {len(empty) - 1} more" in caplog.text


@pytest.mark.parametrize("empty", WITHOUT_TOKEN)
def test_half_a_pair_is_no_pair(classifier, empty):
    answers = _answers(classifier, ["no fun", empty, "no fun"], [empty, "no fun", "great fun"])
    assert [answer is None for answer in answers] == [True, True, False]


@pytest.mark.parametrize("empty", WITHOUT_TOKEN)
def test_a_question_or_text_without_a_token_has_no_answer(finder, empty):
    answers = _answers(finder, ["film ?", empty, "film ?"], [empty, "no fun", "no fun"])
    assert [answer is None for answer in answers] == [True, True, False]


def test_a_sentence_without_words_has_no_tags(tagger, tmp_path):
    rows = [["a", "film"], [], ["", "film"], ["\x01"], None]
    lines = (json.dumps({"tokens": row, "id": str(n)}) for n, row in enumerate(rows))
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    task = task_of(tagger)
    examples = task.read_texts(str(tmp_path / "a.jsonl"))
    answers = answer_rows(tagger, task, examples)
    assert [None if a is None else a["words"] for a in answers] == [
        ["a", "film"], None, ["", "film"], None, None,
    ]  # fmt: skip
    assert answers[2]["tags"][0] == "O"
    assert [example.where.id for example in examples] == list("01234")


def test_rows_that_are_all_without_text(classifier):
    assert _answers(classifier, ["", " "]) == [None, None]


def test_from_python_a_text_without_a_token_is_answered_as_exports_do(classifier):
    (answer,) = predict(classifier, [""])
    assert answer["label"] in ("bad", "good")


def test_no_texts_have_no_answers(classifier):
    assert predict(classifier, []) == []


@pytest.mark.parametrize(
    ("texts", "pairs", "message"),
    [
        ([None], None, r"texts\[0\] is not a text. Received: None"),
        (["a", float("nan")], None, r"texts\[1\] is not a text. Received: nan"),
        ([("a", "b")], None, r"texts\[0\].*'b'\); the second texts of pairs go in text_pairs"),
        (["a", "b"], ["c", 3], r"text_pairs\[1\] is not a text. Received: 3"),
    ],
)
def test_what_is_not_a_text_is_named(classifier, texts, pairs, message):
    with pytest.raises(InputError, match=message):
        predict(classifier, texts, pairs)


def test_an_array_of_texts_is_answered(classifier):
    texts = ["a fine film", "no fun"]
    assert predict(classifier, np.array(texts)) == predict(classifier, texts)
