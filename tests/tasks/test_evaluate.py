import json

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.saving import load
from bert_keras.tasks import answer_rows, predict, task_of
from bert_keras.tasks.masked_lm import fill_mask

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
        ([("a", "b")], None, r"texts\[0\].*'b'\), 2 in a row: .* two, the second in text_pairs"),
        (["a", "b"], ["c", 3], r"text_pairs\[1\] is not a text. Received: 3"),
    ],
)
def test_what_is_not_a_text_is_named(classifier, texts, pairs, message):
    with pytest.raises(InputError, match=message):
        predict(classifier, texts, pairs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([["a", "b", "c"]], r"texts\[0\] is not a text. .*, 3 in a row: a row has one text"),
        (np.array([["a", "b", "c"]]), "texts must be a list of texts. Received: array"),
        ({"text": ["a", "b"]}, "texts must be a list of texts. Received: {'text'"),
        ({"a", "b"}, "texts must be a list of texts"),
        (b"a", "texts must be a list of texts. Received: b'a'"),
        (5, "texts must be a list of texts. Received: 5"),
    ],
)
def test_three_texts_a_row_and_tables_are_refused_at_every_door(classifier, given, message):
    tokenizer = classifier.tokenizer
    embedding = BertForSentenceEmbedding(classifier.config)
    embedding.tokenizer = tokenizer
    doors = [
        lambda texts: predict(classifier, texts),
        embedding.embed,
        tokenizer.encode_batch,
        tokenizer.encode_sentences,
    ]
    for door in doors:
        with pytest.raises(InputError, match=message):
            door(given)
    with pytest.raises(InputError, match="text_pairs"):
        predict(classifier, ["a"], given)
    with pytest.raises(InputError, match="text_pairs"):
        tokenizer.encode_batch(["a"], given)
    with pytest.raises(InputError, match="text must be one text"):
        tokenizer.encode(given)
    with pytest.raises(InputError, match="text_pair must be one text"):
        tokenizer.encode("a", given)
    with pytest.raises(InputError, match="text must be one text"):
        fill_mask(BertForMaskedLM(classifier.config), given, tokenizer=tokenizer)


def test_a_text_is_not_a_list_of_letters(classifier):
    tokenizer = classifier.tokenizer
    for door in (tokenizer.encode_batch, tokenizer.encode_sentences):
        with pytest.raises(InputError, match=r"texts must be a list of texts. Received: 'film'"):
            door("film")
    with pytest.raises(InputError, match=r"one for each of the 2 texts.*Received: 1"):
        tokenizer.encode_batch(["a", "film"], ["a"])
    with pytest.raises(
        InputError, match=r"max_length must be a number of tokens. Received: \['a'\]"
    ):
        tokenizer.encode_batch(["a"], ["a"], ["a"])


@pytest.mark.parametrize("batch_size", [0, -1, ["a film"]])
def test_a_batch_has_a_text(classifier, batch_size):
    embedding = BertForSentenceEmbedding(classifier.config)
    embedding.tokenizer = classifier.tokenizer
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        embedding.embed(["a"], batch_size)
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        predict(classifier, ["a"], batch_size=batch_size)


def test_an_array_of_texts_is_answered(classifier):
    texts = ["a fine film", "no fun"]
    assert predict(classifier, np.array(texts)) == predict(classifier, texts)
