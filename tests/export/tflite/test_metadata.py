"""The files in the hands of MediaPipe, which opens them on phones."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.export.tflite.metadata import with_metadata
from bert_keras.tasks import predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import BertTokenizer, Casing

# MediaPipe lower-cases ASCII alone: these texts have no other capitals, and no accents.
TEXTS = ["The ferry to the island was late again.", "No.", "So good!!! what a day, x = {k: v}"]

CLASSIFY = """
import json, sys
from mediapipe.tasks.python import text
with text.TextClassifier.create_from_model_path(sys.argv[1]) as task:
    answers = [task.classify(t).classifications[0].categories for t in json.loads(sys.argv[2])]
print(json.dumps([{c.category_name: c.score for c in answer} for answer in answers]))
"""
EMBED = """
import json, sys
from mediapipe.tasks.python import text
with text.TextEmbedder.create_from_model_path(sys.argv[1]) as task:
    answers = [task.embed(t).embeddings[0].embedding for t in json.loads(sys.argv[2])]
print(json.dumps([[float(x) for x in answer] for answer in answers]))
"""


def ask_mediapipe(program, path, texts):
    """In a process of its own: it brings a TFLite beside TensorFlow's."""
    pytest.importorskip("mediapipe")
    run = subprocess.run(
        [sys.executable, "-c", program, str(path), json.dumps(texts)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.system
@pytest.mark.parametrize("kind", ["classification", "several_numbers"])
def test_text_classifier_answers_as_predict(make_model, tmp_path, kind):
    model, path = make_model(kind), tmp_path / "m.tflite"
    export_tflite(model, None, path, length=32)
    given = ask_mediapipe(CLASSIFY, path, TEXTS)
    expected = [answer["scores"] for answer in predict(model, TEXTS)]
    assert [set(answer) for answer in given] == [set(model.labels)] * len(TEXTS)
    for ours, theirs in zip(given, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("vocab.txt").decode().splitlines() == list(model.tokenizer.vocab)
        assert archive.read("labels.txt").decode().splitlines() == list(model.labels)


@pytest.mark.system
@pytest.mark.parametrize(
    ("kind", "takes"),
    [
        ("tagging", "tokens"),
        ("masked_lm", "tokens"),
        pytest.param("classification", "text", marks=pytest.mark.slow),
    ],
)
def test_vocabulary_and_labels_are_packed_behind_every_kind(make_model, tmp_path, kind, takes):
    model, path = make_model(kind), tmp_path / "m.tflite"
    export_tflite(model, None, path, length=16, input=takes)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    labels = {} if kind == "masked_lm" else {"labels.txt": list(model.labels)}
    assert files == {"vocab.txt": list(model.tokenizer.vocab)} | labels


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["float16", "dynamic", "int8"])
def test_mediapipe_opens_what_is_quantized(make_model, tmp_path, quantize):
    """Its answers are those of LiteRT on the same file."""
    for kind, program in (("classification", CLASSIFY), ("sentence_embedding", EMBED)):
        model, path = make_model(kind), tmp_path / f"{kind}.tflite"
        export_tflite(model, None, path, length=32, quantize=quantize)
        phone = TFLiteModel(path.read_bytes())
        for text, given in zip(TEXTS, ask_mediapipe(program, path, TEXTS), strict=True):
            encoding = model.tokenizer.encode(text, max_length=32)
            batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, 32)
            (expected,) = phone.run(batch).values()
            if kind == "classification":
                given = [given[label] for label in model.labels]
            np.testing.assert_allclose(given, expected[0], atol=1e-3)


@pytest.mark.slow
def test_text_embedder_embeds_as_keras(make_model, tmp_path):
    model, path = make_model("sentence_embedding"), tmp_path / "m.tflite"
    export_tflite(model, None, path, length=32)
    given = ask_mediapipe(EMBED, path, TEXTS)
    np.testing.assert_allclose(given, model.embed(TEXTS), atol=1e-4)


@pytest.mark.slow
def test_mediapipe_lower_cases_ascii_alone(make_model, tmp_path):
    """What the documentation warns of: to it Ä is no ä, nor an a."""
    model, path = make_model("classification"), tmp_path / "m.tflite"
    export_tflite(model, None, path, length=32)
    text, as_read = "ÜBER DIE STRASSE NACH KÖLN", "Über die strasse nach kÖln"
    (given,) = ask_mediapipe(CLASSIFY, path, [text])
    cased = BertTokenizer(model.tokenizer.vocab, Casing(do_lower_case=False))
    ids = np.array([cased.encode(as_read).input_ids], np.int32)
    scores = tf.nn.softmax(model({"input_ids": ids})["logits"])[0].numpy().tolist()
    assert given == pytest.approx(dict(zip(model.labels, scores, strict=True)), abs=1e-4)
    (expected,) = predict(model, [text])
    assert given != pytest.approx(expected["scores"], abs=1e-4)


@pytest.mark.system
@pytest.mark.parametrize(
    ("casing", "reason"),
    [
        (Casing(do_lower_case=False), "the model is cased, and MediaPipe lower-cases"),
        (Casing(do_lower_case=False, strip_accents=True), "the model is cased"),
        (Casing(tokenize_chinese_chars=False), "keeps Chinese characters together, and MediaPipe"),
    ],
)
def test_other_rules_than_mediapipes_are_said_and_it_refuses_the_file(
    make_model, tmp_path, casing, reason, caplog
):
    model, path = make_model("classification"), tmp_path / "m.tflite"
    tokenizer = BertTokenizer(model.tokenizer.vocab, casing)
    report = export_tflite(model, tokenizer, path, length=16)
    assert reason in report["unlike_mediapipe"]
    (line,) = [r.getMessage() for r in caplog.records if "MediaPipe" in r.getMessage()]
    assert reason in line
    with zipfile.ZipFile(path) as archive:  # for a tokenizer of the app's own
        assert set(archive.namelist()) == {"vocab.txt", "labels.txt"}
    with pytest.raises(AssertionError, match="input process unit found"):
        ask_mediapipe(CLASSIFY, path, ["Fine"])


@pytest.mark.system
def test_an_uncased_model_that_keeps_accents_is_read_by_mediapipe_as_by_us(make_model, tmp_path):
    model, path = make_model("classification"), tmp_path / "m.tflite"
    letters = [piece for piece in ("é", "##é") if piece not in model.tokenizer.vocab]
    vocab = [*model.tokenizer.vocab]
    vocab[-len(letters) or len(vocab) :] = letters  # so that both can say it
    tokenizer = BertTokenizer(vocab, Casing(strip_accents=False))
    report = export_tflite(model, tokenizer, path, length=16)
    assert report["unlike_mediapipe"] == ""
    (given,) = ask_mediapipe(CLASSIFY, path, ["A Café was good"])
    ids = np.array([tokenizer.encode("A Café was good").input_ids], np.int32)
    scores = tf.nn.softmax(model({"input_ids": ids})["logits"])[0].numpy().tolist()
    assert given == pytest.approx(dict(zip(model.labels, scores, strict=True)), abs=1e-4)


def test_labels_of_several_lines_are_refused():
    with pytest.raises(InputError, match="one line each"):
        with_metadata(b"", ["[PAD]"], ["good", "b\nad"])


@pytest.mark.system
def test_buffers_stay_where_kernels_want_them(make_model, tmp_path):
    from tensorflow.lite.python import schema_py_generated as schema

    export_tflite(make_model("classification"), None, tmp_path / "m.tflite", length=16)
    data = (tmp_path / "m.tflite").read_bytes()
    assert TFLiteModel(data)
    model = schema.Model.GetRootAsModel(data, 0)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    places = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if b.DataLength()]
    assert len(places) > 20
    assert all(place % 16 == 0 for place in places)


@pytest.mark.system
def test_buffers_behind_the_model_come_along(make_model, tmp_path):
    """As ai-edge-quantizer writes those of files that are not tiny."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    export_tflite(make_model("classification"), None, tmp_path / "m.tflite", length=16)
    model = schema.ModelT.InitFromPackedBuf((tmp_path / "m.tflite").read_bytes(), 0)
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in model.buffers]
    number = sizes.index(max(sizes))
    content = bytes(model.buffers[number].data)
    model.buffers[number].data = None
    model.buffers[number].size = len(content)
    packed = b""
    for _ in range(2):  # first for the length
        model.buffers[number].offset = max(2, len(packed))
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        packed = bytes(builder.Output())
    written = with_metadata(packed + content, ["[PAD]"], [])
    read = schema.ModelT.InitFromPackedBuf(written, 0).buffers[number]
    assert (bytes(read.data), read.offset) == (content, 0)
