import json

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.samples import SENTENCES
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.tasks import fill_mask, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import BertTokenizer

TEXTS = [text for text in SENTENCES if text]
KINDS = ["classification", "multi_label", "regression", "encoder", "sentence_embedding",
         "next_sentence", "masked_lm", "pretraining", "tagging", "span"]  # fmt: skip


def batch_of(model, texts, length=None, pairs=None):
    encodings = model.tokenizer.encode_batch(texts, pairs, length)
    return collate([Feature(0, e.input_ids, e.token_type_ids) for e in encodings], 0, length)


def row(report, variant):
    return next(row for row in report["variants"] if row["variant"] == variant)


@pytest.fixture(scope="module")
def classifier(make_model, tmp_path_factory):
    """A fixed-length export of 8-bit weights: its report and its file."""
    path = tmp_path_factory.mktemp("phone") / "model.tflite"
    report = export_tflite(make_model("classification"), None, path, length=32, quantize="dynamic")
    return report, path


def test_probabilities_are_those_of_predict(make_model, classifier):
    report, path = classifier
    model = make_model("classification")
    phone = TFLiteModel(path.read_bytes())
    given = [phone.run(batch_of(model, [text], 32))["probabilities"][0] for text in TEXTS]
    expected = [list(a["scores"].values()) for a in predict(model, TEXTS, max_seq_length=32)]
    np.testing.assert_allclose(given, expected, atol=0.05)
    assert row(report, "none")["largest_difference"] < 1e-4
    assert 0 < row(report, "dynamic")["largest_difference"] < 0.05


def test_the_report_says_what_was_measured(classifier):
    report, path = classifier
    small, large = row(report, "dynamic"), row(report, "none")
    assert small["size"] == path.stat().st_size < large["size"] / 2
    assert report["operations"]["FULLY_CONNECTED"] >= 10
    assert small["operations"] == sum(report["operations"].values())
    assert small["agreement"] > 0.8
    assert set(small["milliseconds"]) == {1, 2}
    assert all(ms > 0 for ms in small["milliseconds"].values())


def test_batch_and_length_are_open_when_asked(make_model, tmp_path):
    model = make_model("tagging")
    export_tflite(model, None, tmp_path / "model.tflite", dynamic=True)
    phone = TFLiteModel((tmp_path / "model.tflite").read_bytes())
    for texts in (TEXTS[:1], TEXTS[:5], ["No."]):
        batch = batch_of(model, texts)
        expected = model(batch)["logits"].numpy()
        expected = np.exp(expected) / np.exp(expected).sum(axis=-1, keepdims=True)
        real = batch["attention_mask"] > 0
        given = phone.run(batch)["probabilities"]
        np.testing.assert_allclose(given[real], expected[real], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_as_keras(make_model, kind, dynamic, tmp_path):
    report = export_tflite(
        make_model(kind), None, tmp_path / "m.tflite", length=48, dynamic=dynamic
    )
    assert row(report, "none")["largest_difference"] < 1e-4
    assert row(report, "none")["agreement"] in (None, 1.0)
    assert report["texts"] >= 40


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["float16", "dynamic", "int8"])
@pytest.mark.parametrize("kind", ["classification", "sentence_embedding", "tagging", "span"])
def test_every_variant_of_a_kind(make_model, kind, quantize, tmp_path):
    report = export_tflite(
        make_model(kind), None, tmp_path / "m.tflite", length=48, quantize=quantize
    )
    small = row(report, quantize)
    assert small["size"] < row(report, "none")["size"] * 0.75
    assert small["agreement"] > {"float16": 0.97, "dynamic": 0.8, "int8": 0.5}[quantize]


def test_the_first_mask_is_filled_as_by_keras(make_model, tmp_path):
    model = make_model("masked_lm")
    export_tflite(model, None, tmp_path / "m.tflite", length=32)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    text = "The ferry to the [MASK] was late [MASK]."
    logits = phone.run(batch_of(model, [text], 32))["logits"][0]
    best = fill_mask(model, text, top=3)[0]
    given = [model.tokenizer.vocab[piece] for piece in np.argsort(-logits)[:3]]
    assert given == [candidate.token for candidate in best]


def test_accuracy_is_measured_on_labelled_examples(make_model, tmp_path):
    model = make_model("classification")
    rows = zip(TEXTS, predict(model, TEXTS), strict=True)
    data = tmp_path / "dev.jsonl"
    lines = [json.dumps({"text": text, "label": answer["label"]}) for text, answer in rows]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = export_tflite(
        model, None, tmp_path / "m.tflite", data=str(data), max_accuracy_drop=0.0
    )
    assert row(report, "keras")["accuracy"] == row(report, "none")["accuracy"] == 1.0
    assert report["texts"] == len(TEXTS) - len(TEXTS) // 4


def test_an_export_that_loses_too_much_leaves_nothing(make_model, tmp_path, monkeypatch):
    """Scores that padding takes part in: the wrong answers are real ones."""
    monkeypatch.setattr("bert_keras.export.tflite.exporter.TOLERANCE", np.inf)
    with pytest.raises(InputError, match=r"agreement with Keras falls by .* nothing was written"):
        export_tflite(
            make_model("classification"), None, tmp_path / "m.tflite",
            masked_score=-1e-3, max_accuracy_drop=1.0,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 65}, "reads 64 tokens at most"),
        ({"quantize": "int4"}, "tflite.quantize cannot be 'int4'"),
        ({"size": 3}, "no such setting"),
        ({"masked_score": 1.0}, "must be negative"),
    ],
)
def test_mistakes_are_one_line(make_model, tmp_path, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        export_tflite(make_model("classification"), None, tmp_path / "m.tflite", **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_of_another_model_is_refused(make_model, tmp_path):
    model = make_model("classification")
    for vocab in (model.tokenizer.vocab[:-1], [*model.tokenizer.vocab, "more"]):
        other = BertTokenizer(vocab, model.tokenizer.casing)
        for takes in ("tokens", "text"):
            with pytest.raises(InputError, match="they do not belong together"):
                export_tflite(model, other, tmp_path / "m.tflite", input=takes)
    assert not list(tmp_path.iterdir())
