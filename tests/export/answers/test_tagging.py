import random

import numpy as np
import pytest

from bert_keras.export import export_saved_model
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.modeling import BertForTokenClassification
from bert_keras.tasks import Tagging, predict

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXTS = [
    *SENTENCES,
    "Anna Smith-Jones\u200b, \u0301 U.S. envoy (née O'Neill's) 😀😀 met Mr. 王小明 in 北京.",
    "   ",
    "\u0301 \u200b",
    " ".join(PROSE[:3]),
]


def system(*case):
    return pytest.param(*case, marks=pytest.mark.system)


@pytest.mark.parametrize(
    ("tags", "settings"),
    [
        (TAGS, {"max_length": 16, "max_windows": 400}),
        system(["PER", "O", "LOC"], {}),  # a published model that marks no beginnings
        system(["I-X", "S-X", "E-X", "B-X", "B-Y", "I-Y"], {"max_length": 32}),
        system(["O", "B-X", "M-X", "E-X", "S-X", "B-Y", "M-Y", "E-Y", "S-Y"], {}),
        system(["O", "B-X", "I-X", "L-X", "U-X"], {}),
        system(["O", "I-X", "E-X", "[CLS]"], {}),
        system(["B", "M", "E", "S"], {}),  # word segmentation
        system(["DET", "NOUN", "VERB"], {}),  # a label for each word
    ],
)
def test_entities_are_those_of_predict(tags, settings, config, tokenizer, make_answers):
    model = BertForTokenClassification(config, labels=tags)
    model.tokenizer = tokenizer
    texts = TEXTS if "max_windows" in settings else TEXTS[:-1]
    given, expected = make_answers(model, **settings)(texts)
    assert expected["counts"].sum() > 5
    for name in ("labels", "texts"):
        decoded = [[value.decode() for value in row] for row in given[name]]
        assert decoded == expected[name].tolist()
    for name in ("starts", "ends", "counts"):
        assert given[name].tolist() == expected[name].tolist()
    np.testing.assert_allclose(given["scores"], expected["scores"], atol=1e-5)


@pytest.mark.system
def test_entities_stand_where_they_say_in_the_text_sent(config, tokenizer, make_answers):
    model = BertForTokenClassification(config, labels=TAGS)
    model.tokenizer = tokenizer
    draw = random.Random(0)
    texts = ["".join(draw.choices("aB .'é中😀,\u0301-", k=40)) for _ in range(20)]
    given, _ = make_answers(model)(texts)
    for text, starts, ends, parts, count in zip(
        texts, given["starts"], given["ends"], given["texts"], given["counts"], strict=True
    ):
        for number in range(count):
            assert parts[number].decode() == text[starts[number] : ends[number]]


@pytest.mark.system
def test_the_scheme_that_a_model_remembers_is_exported(config, tokenizer, tmp_path, strings):
    model = BertForTokenClassification(config, labels=["O", "PER"])
    model.tokenizer = tokenizer
    model.other_config = Tagging(tag_scheme="plain", max_seq_length=16).remembered()
    export_saved_model(model, None, tmp_path / "served")
    with ServingSession(tmp_path / "served" / "1") as session:
        answers = session.run("serving_default", {"text": strings(TEXTS[:2])})
    for row, expected in enumerate(predict(model, TEXTS[:2], max_seq_length=16)):
        count = answers["counts"][row]
        assert [label.decode() for label in answers["labels"][row, :count]] == expected["tags"]
        assert [text.decode() for text in answers["texts"][row, :count]] == expected["words"]
        assert answers["starts"][row, :count].tolist() == expected["starts"]


@pytest.mark.slow
def test_an_export_finds_the_entities_of_predict(make_model, session, strings):
    answers = session("tagging").run("serving_default", {"text": strings(TEXTS[:-1])})
    for row, expected in enumerate(predict(make_model("tagging"), TEXTS[:-1], max_seq_length=16)):
        count = answers["counts"][row]
        assert count == len(expected["entities"])
        for number, entity in enumerate(expected["entities"]):
            assert answers["labels"][row, number].decode() == entity["label"]
            assert answers["texts"][row, number].decode() == entity["text"]
            assert answers["starts"][row, number] == entity["start"]
            assert answers["ends"][row, number] == entity["end"]
            assert answers["scores"][row, number] == pytest.approx(entity["score"], abs=1e-5)
        assert set(answers["labels"][row, count:]) <= {b""}


@pytest.mark.system
@pytest.mark.parametrize("windows", [1, 2])
def test_few_windows_answer_as_predict_on_the_text_cut(
    windows, make_model, tokenizer, tmp_path, strings
):
    model = make_model("tagging")
    settings = {"max_length": 16, "max_windows": windows}
    export_saved_model(model, None, tmp_path / "served", **settings)
    read = 14 + (windows - 1) * 11  # tokens: windows of 14, each 11 behind the one before
    texts = TEXTS[:5]
    offsets = [tokenizer.encode(text).offsets[1:-1] for text in texts]
    cut = [t[: o[read - 1][1]] if len(o) > read else t for t, o in zip(texts, offsets, strict=True)]
    assert sum(map(len, cut)) < sum(map(len, texts))
    with ServingSession(tmp_path / "served" / "1") as session:
        answers = session.run("serving_default", {"text": strings(texts)})
    for row, expected in enumerate(predict(model, cut, max_seq_length=16)):
        count = answers["counts"][row]
        for name in ("text", "label"):
            given = [value.decode() for value in answers[f"{name}s"][row, :count]]
            assert given == [entity[name] for entity in expected["entities"]]
        for name in ("start", "end", "score"):
            given = answers[f"{name}s"][row, :count]
            assert given == pytest.approx([e[name] for e in expected["entities"]], abs=1e-5)
