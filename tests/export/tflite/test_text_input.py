"""Files that take text answer as those that take the host's ids."""

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.tflite.convert import CUSTOM_OPERATIONS, operations_of
from bert_keras.export.tflite.interpreter import TextModel, TFLiteModel
from bert_keras.tasks import fill_mask, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.span import Span

TEXTS = [*SENTENCES, *PROSE[:20]]
KINDS = ["classification", "multi_label", "regression", "encoder", "sentence_embedding",
         "next_sentence", "masked_lm", "pretraining", "tagging", "span"]  # fmt: skip


@pytest.fixture(scope="module")
def classifier(make_model, tmp_path_factory):
    """A fixed-length export of 8-bit weights: its report and its file."""
    path = tmp_path_factory.mktemp("phone") / "model.tflite"
    model = make_model("classification")
    return export_tflite(model, None, path, length=32, quantize="dynamic", input="text"), path


@pytest.mark.system
def test_text_has_the_answers_of_predict(make_model, classifier):
    phone, model = TextModel(classifier[1].read_bytes()), make_model("classification")
    given = [phone.run(text=text)["probabilities"][0] for text in TEXTS]
    expected = [list(a["scores"].values()) for a in predict(model, TEXTS, max_seq_length=32)]
    np.testing.assert_allclose(given, expected, atol=0.05)
    assert np.ptp(given, axis=0).min() > 0.1


@pytest.mark.system
def test_beside_builtin_operations_there_are_two(classifier):
    report, path = classifier
    names = set(operations_of(path.read_bytes(), CUSTOM_OPERATIONS["text"]))
    assert set(CUSTOM_OPERATIONS["text"]) < names
    assert not any(name.startswith("Flex") for name in names)
    with pytest.raises(InputError, match="not builtin operations of TFLite: FastBertNormalize"):
        operations_of(path.read_bytes())
    assert report["signature"] == "text"
    assert report["bytes"] == path.stat().st_size


@pytest.mark.system
def test_the_report_compares_with_ids(classifier):
    report = classifier[0]["text_input"]
    assert report["tokens"] > 500
    assert report["tokens_that_differ"] == 0
    assert report["largest_difference"] < 1e-6
    assert report["unordered_marks"] == []
    assert 0 < report["bytes"] < 3e6
    assert all(ms > 0 for ms in report["milliseconds"].values())


@pytest.mark.system
def test_pairs_are_read_as_the_tokenizer_reads_them(make_model, tmp_path):
    model = make_model("pairs")
    path = tmp_path / "m.tflite"
    export_tflite(model, None, path, dynamic=True, length=24, input="text", pair=True)
    phone = TextModel(path.read_bytes())
    pairs = TEXTS[1:] + TEXTS[:1]
    given = [
        phone.run(text_a=a, text_b=b)["probabilities"][0] for a, b in zip(TEXTS, pairs, strict=True)
    ]
    expected = [list(a["scores"].values()) for a in predict(model, TEXTS, pairs, max_seq_length=24)]
    np.testing.assert_allclose(given, expected, atol=1e-4)


@pytest.mark.system
def test_a_mask_in_the_text_is_filled_as_by_keras(make_model, tmp_path):
    model = make_model("masked_lm")
    export_tflite(model, None, tmp_path / "m.tflite", length=32, input="text")
    phone = TextModel((tmp_path / "m.tflite").read_bytes())
    text = "The ferry to the [MASK] was late [MASK]."
    best = fill_mask(model, text, top=3)[0]
    given = np.argsort(-phone.run(text=text)["logits"][0])[:3]
    assert [model.tokenizer.vocab[piece] for piece in given] == [c.token for c in best]


@pytest.mark.system
@pytest.mark.parametrize("dynamic", [False, True])
def test_answers_by_token_come_with_their_places(make_model, tmp_path, dynamic):
    model = make_model("span")
    export_tflite(model, None, tmp_path / "m.tflite", length=48, dynamic=dynamic, input="text")
    phone = TextModel((tmp_path / "m.tflite").read_bytes())
    question, context = "Où est la gare?", "Der Zug nach Köln 😀 fährt von Gleis 7."
    given = {name: row[0] for name, row in phone.run(question=question, context=context).items()}
    encoding = model.tokenizer.encode(question, context)
    length = len(encoding.input_ids)
    expected = model(collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0))
    for name in ("start_logits", "end_logits"):
        np.testing.assert_allclose(given[name][:length], expected[name][0], atol=1e-4)
    texts = (question, context)
    for n, (start, end) in enumerate(encoding.offsets):
        text = texts[encoding.token_type_ids[n]]
        sent = text.encode()[given["byte_starts"][n] : given["byte_ends"][n]]
        assert sent.decode() == text[start:end]
    assert (given["word_ids"][:length] < 0).sum() == 3
    assert len(given["word_ids"]) == (length if dynamic else 48)
    assert not given["byte_ends"][length:].any()


@pytest.mark.system
def test_a_long_question_is_cut_as_in_training(make_model, tokenizer, tmp_path):
    """To half of the room at most, though its context is shorter still."""
    model = make_model("span")
    export_tflite(model, None, tmp_path / "m.tflite", dynamic=True, length=40, input="text")
    phone = TextModel((tmp_path / "m.tflite").read_bytes())
    question, context = " ".join(PROSE[:2]), "So good!"
    given = phone.run(question=question, context=context)
    task = Span(max_seq_length=40)
    feature = task.features([task.from_text(question, context)], tokenizer)[0]
    assert len(tokenizer.encode(question, context, 40).input_ids) > len(feature.input_ids)
    expected = model(collate([Feature(0, feature.input_ids, feature.token_type_ids)], 0))
    for name in ("start_logits", "end_logits"):
        np.testing.assert_allclose(given[name], expected[name], atol=1e-4)
    size = len(tokenizer.tokenize(context))
    ends = given["byte_ends"][0][-1 - size : -1]
    assert ends[-1] == len(context.encode())


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_as_from_ids(make_model, kind, quantize, tmp_path):
    report = export_tflite(
        make_model(kind), None, tmp_path / "m.tflite",
        length=48, quantize=quantize, input="text", dynamic=quantize == "float16",
    )  # fmt: skip
    assert report["text_input"]["largest_difference"] < 1e-5
    assert report["text_input"]["texts"] >= 20


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("masked_lm", {"input": "text", "pair": True}, "takes single texts: leave --pair out"),
        ("classification", {"pair": True}, "give --input text too"),
        ("classification", {"input": "texts"}, "tflite.input cannot be 'texts'"),
    ],
)
def test_mistakes_are_one_line(make_model, tmp_path, kind, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        export_tflite(make_model(kind), None, tmp_path / "m.tflite", **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_a_file_that_reads_other_tokens_is_not_written(make_model, tmp_path, monkeypatch):
    """Tokens cut one too short: what stands behind the check is a real difference."""
    from bert_keras.tokenization.graph import phone

    kept = phone.truncated_lengths
    monkeypatch.setattr(
        phone, "truncated_lengths", lambda lengths, room, xp: kept(lengths, room - 1, xp)
    )
    with pytest.raises(InputError, match=r"reads other tokens .* nothing was written"):
        export_tflite(make_model("regression"), None, tmp_path / "m.tflite", length=16,
                      input="text")  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_ids_go_in_as_before(make_model, tmp_path):
    report = export_tflite(make_model("regression"), None, tmp_path / "m.tflite", length=16)
    assert report["text_input"] is None
    assert report["signature"] == "tokens"
    TFLiteModel((tmp_path / "m.tflite").read_bytes())
