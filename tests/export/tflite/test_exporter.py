import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.tasks import fill_mask, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import BertTokenizer

TEXTS = [text for text in SENTENCES if text]
KINDS = ["classification", "multi_label", "regression", "encoder", "sentence_embedding",
         "next_sentence", "masked_lm", "pretraining", "tagging", "span"]  # fmt: skip


def many_texts():
    words = " ".join(PROSE).split()
    return [" ".join(words[n : n + 12]) for n in range(0, len(words), 6)]


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


@pytest.mark.system
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


# What random weights, which decide on nothing firmly, were measured to lose, and half as much.
LIMITS = {"float16": (0.01, 0.97), "dynamic": (0.3, 0.86), "int8": (0.85, 0.7)}


@pytest.mark.slow
@pytest.mark.parametrize("quantize", LIMITS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_of_a_kind(make_model, kind, quantize, tmp_path):
    report = export_tflite(
        make_model(kind), None, tmp_path / "m.tflite", length=48, quantize=quantize
    )
    small = row(report, quantize)
    largest_difference, least_agreement = LIMITS[quantize]
    assert small["size"] < row(report, "none")["size"] * 0.6
    assert 0 < small["largest_difference"] < largest_difference
    assert small["agreement"] is None or small["agreement"] > least_agreement


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("kind", ["classification", "tagging", "sentence_embedding"])
def test_200_real_sentences(make_model, shared_data, kind, dynamic, tmp_path):
    model = make_model(kind)
    lines = (shared_data / "sst2" / "dev.tsv").read_text(encoding="utf-8").splitlines()[:200]
    texts = [line.rsplit("\t", 1)[0] for line in lines]
    export_tflite(model, None, tmp_path / "m.tflite", length=64, dynamic=dynamic)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    name = "sentence_embedding" if kind == "sentence_embedding" else "probabilities"
    for text in texts:
        batch = batch_of(model, [text], 64)
        expected = model(batch)
        if name == "probabilities":
            expected = {name: tf.nn.softmax(expected["logits"])}
        given = phone.run(batch)[name]
        real = batch["attention_mask"] > 0 if kind == "tagging" else ...
        np.testing.assert_allclose(given[real], expected[name].numpy()[real], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pairs", "span"])
def test_200_real_pairs(make_model, shared_data, kind, tmp_path):
    model = make_model(kind)
    lines = (shared_data / "mrpc" / "msr_paraphrase_test.txt").read_text("utf-8-sig").splitlines()
    pairs = [line.split("\t")[3:] for line in lines[1:201]]
    export_tflite(model, None, tmp_path / "m.tflite", length=64)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    for text, other in pairs:
        batch = batch_of(model, [text], 64, [other])
        assert batch["token_type_ids"].any()
        expected = dict(model(batch))
        if kind == "pairs":
            expected = {"probabilities": tf.nn.softmax(expected["logits"])}
        given = phone.run(batch)
        assert set(given) == set(expected)
        for name, values in expected.items():
            # To start and end padding adds -10000, of which rtol allows for the last digits.
            np.testing.assert_allclose(given[name], values.numpy(), atol=1e-4, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
def test_200_real_masks(make_model, shared_data, dynamic, tmp_path):
    model = make_model("masked_lm")
    lines = (shared_data / "sst2" / "dev.tsv").read_text(encoding="utf-8").splitlines()[:200]
    export_tflite(model, None, tmp_path / "m.tflite", length=64, dynamic=dynamic)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    for number, line in enumerate(lines):
        words = line.rsplit("\t", 1)[0].split()
        words[number % min(len(words), 16)] = "[MASK]"
        batch = batch_of(model, [" ".join(words)], 64)
        place = batch["input_ids"][0].tolist().index(model.tokenizer.mask_id)
        asked = {"masked_lm_positions": np.array([[place]], np.int32)}
        expected = np.array(model(batch | asked)["masked_lm_logits"]).reshape(1, -1)
        np.testing.assert_allclose(phone.run(batch)["logits"], expected, atol=1e-4)


@pytest.mark.system
@pytest.mark.parametrize("score", [None, -50.0])
def test_what_padding_adds_is_a_constant_of_the_file(make_model, tmp_path, score):
    report = export_tflite(
        make_model("classification"), None, tmp_path / "m.tflite", length=32, masked_score=score
    )
    model = schema.ModelT.InitFromPackedBuf((tmp_path / "m.tflite").read_bytes(), 0)
    held = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    found = [value for value in (-10000.0, -50.0) if np.float32(value).tobytes() in held]
    assert found == [-10000.0 if score is None else score]
    assert row(report, "none")["largest_difference"] < 1e-4


@pytest.mark.system
def test_the_first_mask_is_filled_as_by_keras(make_model, tmp_path):
    model = make_model("masked_lm")
    export_tflite(model, None, tmp_path / "m.tflite", length=32)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    text = "The ferry to the [MASK] was late [MASK]."
    logits = phone.run(batch_of(model, [text], 32))["logits"][0]
    best = fill_mask(model, text, top=3)[0]
    given = [model.tokenizer.vocab[piece] for piece in np.argsort(-logits)[:3]]
    assert given == [candidate.token for candidate in best]


@pytest.mark.system
def test_accuracy_is_measured_on_labeled_examples(make_model, tmp_path):
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


@pytest.mark.system
@pytest.mark.parametrize("is_labeled", [True, False])
def test_an_export_that_loses_too_much_leaves_nothing(make_model, tmp_path, is_labeled):
    """Random weights decide on nothing firmly, so that 8 bits with fixed ranges change much."""
    model, data = make_model("classification"), None
    if is_labeled:
        texts = many_texts()  # some of which are near a boundary
        answers = zip(texts, predict(model, texts, max_seq_length=48), strict=True)
        rows = [{"text": text, "label": answer["label"]} for text, answer in answers]
        data = tmp_path / "dev.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "m.tflite"
    settings = {"data": str(data) if data else None, "length": 48, "quantize": "int8"}
    what = "accuracy" if is_labeled else "agreement with Keras"
    with pytest.raises(InputError, match=rf"^{what} falls by .* nothing was written.*") as caught:
        export_tflite(model, None, out, max_accuracy_drop=0.0, **settings)
    assert not out.exists()
    allowed = float(re.search(r"falls by ([\d.]+) points", str(caught.value))[1]) + 0.01
    export_tflite(model, None, out, max_accuracy_drop=allowed, **settings)
    assert out.exists()


@pytest.mark.slow
def test_the_guard_counts_in_the_metric_of_the_task(make_model, tmp_path):
    model, texts = make_model("regression"), many_texts()  # some of which change places
    answers = zip(texts, predict(model, texts, max_seq_length=48), strict=True)
    rows = [{"text": text, "label": answer["score"]} for text, answer in answers]
    data, out = tmp_path / "dev.jsonl", tmp_path / "m.tflite"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = {"data": str(data), "length": 48, "quantize": "int8"}
    with pytest.raises(InputError, match=r"falls by .* from 1\.0000 to ") as caught:
        export_tflite(model, None, out, max_accuracy_drop=0.0, **settings)
    assert not out.exists()
    metric, points = re.match(r"(\w+) falls by ([\d.]+) points", str(caught.value)).groups()
    report = export_tflite(model, None, out, max_accuracy_drop=float(points) + 0.01, **settings)
    assert metric == report["metric"] == "spearman"
    assert row(report, "int8")["accuracy"] == pytest.approx(1 - float(points) / 100, abs=1e-4)


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
    other = BertTokenizer([*model.tokenizer.vocab, "more"], model.tokenizer.casing)
    for takes in ("tokens", "text"):
        with pytest.raises(InputError, match="they do not belong together"):
            export_tflite(model, other, tmp_path / "m.tflite", input=takes)
    assert not list(tmp_path.iterdir())
