"""What a request may hold: each gets a defined answer or one clear error."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export import export_saved_model
from bert_keras.export.session import ServingSession
from bert_keras.tasks import predict

InvalidArgument = tf.errors.InvalidArgumentError


@pytest.fixture
def run(session):
    return session("classification").run


def ids_of(*rows):
    ids = np.array(rows, np.int32)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


HOSTILE = {
    "empty": (b"", ""),
    "spaces": (b" \t\r\n\xe2\x80\xa9", " \t\r\n\u2029"),
    "nul": (b"a\x00b", "a\x00b"),
    "not UTF-8": (b"fine \xff\xfe\xc3 film \xed\xa0\x80", "fine �� film "),
    "a long word": (b"x" * 100_000, "x" * 100_000),
    "marks alone": ("\u0301\u0300".encode() * 1000, "\u0301\u0300" * 1000),
    "special tokens": (b"[CLS] [SEP] [PAD] [MASK] [UNK]", "[CLS] [SEP] [PAD] [MASK] [UNK]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_has_an_answer_and_leaves_its_neighbors_theirs(name, run, make_model):
    hostile, same = HOSTILE[name]
    texts = [b"a fine film", hostile, "这家酒店离火车站很近".encode()]
    answers = run("serving_default", {"text": np.array(texts, object)})["probabilities"]
    expected = predict(make_model("classification"), ["a fine film", same, "这家酒店离火车站很近"])
    np.testing.assert_allclose(answers, [list(e["scores"].values()) for e in expected], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tagging", "span", "question"])
def test_hostile_texts_are_read_in_windows_as_predict_reads_them(kind, session, make_model):
    texts = [b"a fine film", *(hostile for hostile, _ in HOSTILE.values()), b"so late again"]
    same = [text.decode("utf-8", errors="replace") for text in texts]
    other = ["Who left the ferry?"] * len(texts)
    texts, others = np.array(texts, object), np.array([t.encode() for t in other], object)
    if kind == "tagging":
        answers = session("tagging").run("serving_default", {"text": texts})
        expected = [e["entities"] for e in predict(make_model("tagging"), same, max_seq_length=16)]
        assert answers["counts"].tolist() == [len(entities) for entities in expected]
        for row, entities in enumerate(expected):
            for name in ("label", "text", "start", "end"):
                given = answers[f"{name}s"][row, : len(entities)]
                given = [v.decode() if isinstance(v, bytes) else v for v in given]
                assert given == [entity[name] for entity in entities]
        return
    columns = (texts, others) if kind == "span" else (others, texts)
    inputs = dict(zip(("context", "question"), columns, strict=True))
    answers = session("span").run("serving_default", inputs)
    columns = (other, same) if kind == "span" else (same, other)
    expected = predict(make_model("span"), *columns)
    assert [answer.decode() for answer in answers["answers"]] == [e["answer"] for e in expected]
    assert answers["starts"].tolist() == [e["start"] for e in expected]
    np.testing.assert_allclose(answers["scores"], [e["score"] for e in expected], atol=1e-5)


def test_a_megabyte_is_cut_and_answered(run):
    sentence = b"The ferry to the island was late again. "
    texts = np.array([sentence * 26_000, sentence * 3], object)
    answers = run("serving_default", {"text": texts})["probabilities"]
    short = run("serving_default", {"text": np.array([sentence * 50], object)})["probabilities"]
    np.testing.assert_allclose(answers[:1], short, atol=1e-5)


@pytest.mark.parametrize(
    "kind", ["classification", pytest.param("pairs", marks=pytest.mark.system)]
)
def test_no_text_at_all_has_no_answer(kind, session):
    serving = session(kind)
    names = list(serving.signatures["serving_default"].inputs)
    answers = serving.run("serving_default", {name: np.array([], object) for name in names})
    assert {name: array.shape for name, array in answers.items()} == {
        "labels": (0,),
        "scores": (0,),
        "probabilities": (0, 3),
        "classes": (0, 3),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tagging", "span"])
def test_no_text_at_all_has_no_entity_and_no_answer(kind, session):
    serving = session(kind)
    names = list(serving.signatures["serving_default"].inputs)
    answers = serving.run("serving_default", {name: np.array([], object) for name in names})
    assert {array.size for array in answers.values()} == {0}
    assert {len(array) for array in answers.values()} == {0}


@pytest.mark.parametrize("shape", [(0, 0), (0, 7)])
def test_no_ids_at_all_have_no_answer(shape, run):
    answers = run("tokens", zeros(shape))
    assert answers["probabilities"].shape == (0, 3)


def zeros(shape):
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: np.zeros(shape, np.int32) for name in names}


def test_a_row_of_padding_alone_has_an_answer_beside_a_real_one(run):
    batch = ids_of([2, 10, 3], [0, 0, 0])
    alone = run("tokens", ids_of([2, 10, 3]))["probabilities"]
    batch["attention_mask"][1] = 0
    answers = run("tokens", batch)["probabilities"]
    np.testing.assert_allclose(answers[:1], alone, atol=1e-5)
    assert np.isfinite(answers).all()


def test_any_mask_but_zero_is_one(run):
    batch = ids_of([2, 10, 11, 3], [2, 10, 11, 3])
    batch["attention_mask"][1] = [7, -1, 7, 7]
    first, second = run("tokens", batch)["probabilities"]
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (ids_of([2, 10_000, 3]), r"input_ids must lie in \[0, "),
        (ids_of([2, -1, 3]), r"input_ids must lie in \[0, "),
        (ids_of([2] * 65), "1 to 64 tokens"),
        (zeros((3, 0)), "1 to 64 tokens"),
        (ids_of([2, 3]) | {"token_type_ids": np.full((1, 2), 2, np.int32)}, "token_type_ids must"),
        (ids_of([2, 3]) | {"attention_mask": np.ones((1, 3), np.int32)}, "must be of one shape"),
        (ids_of([2, 3]) | {"attention_mask": np.ones((2, 2), np.int32)}, "must be of one shape"),
    ],
)
def test_ids_that_cannot_be_read_are_one_clear_error(batch, message, run):
    with pytest.raises(InvalidArgument, match=message):
        run("tokens", batch)


@pytest.mark.system
def test_half_a_pair_is_an_error(session, strings):
    inputs = {"text_a": strings(["a", "b"]), "text_b": strings(["c"])}
    with pytest.raises(InvalidArgument, match="both texts of every pair"):
        session("pairs").run("serving_default", inputs)


@pytest.mark.system
def test_too_many_sentences_are_refused_and_the_next_request_is_answered(
    make_model, tmp_path, strings
):
    model = make_model("classification")
    export_saved_model(model, None, tmp_path / "small", max_request_tokens=128)
    with ServingSession(tmp_path / "small" / "1") as serving:
        with pytest.raises(InvalidArgument, match="must not exceed 128; send fewer"):
            serving.run("serving_default", {"text": strings(["a fine film indeed"] * 100)})
        with pytest.raises(InvalidArgument, match="must not exceed 128; send fewer"):
            serving.run("tokens", ids_of(*[[2, 10, 3]] * 43))
        assert len(serving.run("tokens", ids_of(*[[2, 10, 3]] * 42))["labels"]) == 42


def test_a_limit_that_refuses_a_single_text_is_a_mistake(make_model, tmp_path):
    with pytest.raises(InputError, match="max_request_tokens must be at least 64"):
        export_saved_model(
            make_model("classification"), None, tmp_path / "out", max_request_tokens=63
        )
