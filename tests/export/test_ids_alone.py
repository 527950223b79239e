"""Exports of ids alone: TensorFlow by itself opens them, where there is no tensorflow-text."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from bert_keras.__main__ import run as command
from bert_keras.config.export import SavedModelConfig
from bert_keras.errors import InputError
from bert_keras.export import export_saved_model
from bert_keras.export.operations import TEXT_OPERATIONS
from bert_keras.export.session import ServingSession
from bert_keras.saving import load, save
from bert_keras.saving.families import all_models
from bert_keras.tasks import predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from tests.support.models import small_config, suited
from tests.support.subwords import SENTENCES as TEXTS, learned

# Programs of their own, in which importing tensorflow-text fails.
OPEN = """
import json, sys
sys.modules["tensorflow_text"] = None
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
batch = {name: tf.constant(value) for name, value in json.loads(sys.argv[2]).items()}
answers = {name: value.numpy() for name, value in served(**batch).items()}
assert not any(name.startswith("bert_keras") for name in sys.modules)
print(json.dumps({n: v.tolist() for n, v in answers.items() if v.dtype.kind == "f"}))
"""
EXPORT = """
import sys
sys.modules["tensorflow_text"] = None
from bert_keras.__main__ import run as main
sys.exit(main(["export", *sys.argv[1:]]))
"""


def run_program(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture
def batch(tokenizer):
    ids = [tokenizer.encode("So good, what a day!").input_ids]
    zeros = np.zeros_like(ids).tolist()
    return {"input_ids": ids, "attention_mask": np.ones_like(ids).tolist(), "token_type_ids": zeros}


@pytest.mark.parametrize(
    "kind",
    ["classification"]
    + [pytest.param(kind, marks=pytest.mark.system) for kind in ("tagging", "span")]
    + [
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("multi_label", "several_numbers", "encoder", "sentence_embedding",
                     "next_sentence", "masked_lm", "pretraining")
    ],
)  # fmt: skip
def test_ids_are_answered_as_by_the_export_of_text(kind, make_model, batch, exported, tmp_path):
    report = export_saved_model(make_model(kind), None, tmp_path / "ids", input="tokens")
    assert not TEXT_OPERATIONS & set(report["operations"])
    assert set(report["signatures"]) == {"serving_default", "tokens"}
    assert report["python_packages"] == []
    assert report["comparison_with_keras"]["texts"] >= 10
    arrays = {name: np.int32(value) for name, value in batch.items()}
    with ServingSession(tmp_path / "ids" / "1") as ids, ServingSession(exported(kind)) as text:
        expected = text.run("tokens", arrays)
        for signature in ("serving_default", "tokens"):
            answers = ids.run(signature, arrays)
            assert {name: array.tolist() for name, array in answers.items()} == {
                name: array.tolist() for name, array in expected.items()
            }


@pytest.mark.system
def test_without_tensorflow_text_the_commands_export_and_tensorflow_opens(
    make_model, batch, exported, tmp_path
):
    save(make_model("classification"), tmp_path / "model")
    done = run_program(EXPORT, "tflite", tmp_path / "model", tmp_path / "m.tflite")
    assert done.returncode == 0, done.stderr
    given = ("saved-model", tmp_path / "model", tmp_path / "out")
    done = run_program(EXPORT, *given)
    assert done.returncode == 1
    assert "needs tensorflow-text" in done.stderr
    assert "--input tokens" in done.stderr
    done = run_program(EXPORT, *given, "--input", "tokens")
    assert done.returncode == 0, done.stderr
    assert "import tensorflow_text" not in done.stdout
    done = run_program(OPEN, tmp_path / "out" / "1", json.dumps(batch))
    assert done.returncode == 0, done.stderr
    with ServingSession(exported("classification")) as text:
        expected = text.run("tokens", {name: np.int32(value) for name, value in batch.items()})
    given = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(given["probabilities"], expected["probabilities"], atol=1e-6)


@pytest.mark.system
def test_the_commands_export_a_roberta_with_byte_pairs_for_ids_and_refuse_text_when_asked(
    tmp_path, capsys
):
    tokenizer = learned("bpe")
    config = small_config(tokenizer.vocab_size, pad_token_id=tokenizer.pad_id, type_vocab_size=1,
                          initializer_range=0.3)  # fmt: skip
    (roberta,) = (m for m in all_models() if m.__name__ == "RobertaForSequenceClassification")
    model = roberta(suited(config, roberta), labels=["no", "yes", "so"])
    save(model, tmp_path / "model", tokenizer)
    given = ["export", "saved-model", str(tmp_path / "model"), str(tmp_path / "out")]
    assert command([*given, "--max-length", "60"]) == 0
    out, warned = capsys.readouterr()
    assert [line for line in warned.splitlines() if "BPE" in line and "tokens alone" in line]
    assert re.search(r"signatures +serving_default, tokens\s", out)
    encodings = tokenizer.encode_batch(TEXTS, None, 60)
    features = [Feature(0, each.input_ids, each.token_type_ids) for each in encodings]
    batch = collate(features, tokenizer.pad_id)
    with ServingSession(tmp_path / "out" / "1") as session:
        found = session.run("serving_default", batch)["probabilities"]
    answers = predict(load(tmp_path / "model"), TEXTS)
    expected = [list(answer["scores"].values()) for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.1
    capsys.readouterr()
    assert command([*given[:3], str(tmp_path / "text"), "--input", "text"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "word pieces alone" in line
    assert "--input tokens" in line
    assert not (tmp_path / "text").exists()


@pytest.mark.system
def test_an_export_of_text_says_what_python_must_import(make_model, exported, tmp_path, capsys):
    report = json.loads((exported("classification") / "export_report.json").read_text())
    assert report["python_packages"] == ["tensorflow_text"]
    program = OPEN.replace('sys.modules["tensorflow_text"] = None', "import tensorflow_text")
    program = program.replace("tf.constant(value)", "tf.constant([value])")
    done = run_program(program, exported("classification"), json.dumps({"text": "fine"}))
    assert done.returncode == 0, done.stderr


def test_pairs_are_for_exports_that_take_text():
    with pytest.raises(InputError, match="give --input text too"):
        SavedModelConfig(pair=True, input="tokens")
