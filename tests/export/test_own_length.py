"""A SavedModel of another length than the model's own says what that changes."""

import json
import re

import numpy as np
import pytest

from bert_keras.__main__ import run as main
from bert_keras.export import export_saved_model
from bert_keras.export.samples import comparison_texts
from bert_keras.export.session import ServingSession
from bert_keras.export.tf_serving import BATCHING_FILE
from bert_keras.saving import save
from bert_keras.tasks import predict

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def short(make_model, tmp_path_factory):
    """Exports at 8 tokens, of models that read 64: the reports and the folders."""
    made = {}
    for kind, length, weights in (("classification", 8, "bfloat16"), ("tagging", 8, "float32")):
        path = tmp_path_factory.mktemp("served") / kind
        settings = {"max_length": length, "weights": weights, "max_windows": 4}
        made[kind] = (export_saved_model(make_model(kind), None, path, **settings), path / "1")
    return made


def test_answers_that_change_are_counted_from_the_models_own_length(make_model, short, strings):
    report, folder = short["classification"]
    own = report["comparison_with_keras"]["own_length"]
    texts = comparison_texts(make_model("classification").tokenizer, 96)
    expected = predict(make_model("classification"), texts)
    with ServingSession(folder) as session:
        given = session.run("serving_default", {"text": strings(texts)})
    labels = [label.decode() for label in given["labels"]]
    assert own["length"] == 64
    assert own["texts"] == len(texts)
    assert own["other_answers"] == sum(
        a != b["label"] for a, b in zip(labels, expected, strict=True)
    )
    assert own["other_answers"] > 0
    scores = np.array([list(answer["scores"].values()) for answer in expected])
    assert own["differences"]["probabilities"] == pytest.approx(
        np.abs(given["probabilities"] - scores).max(), abs=1e-5
    )
    encoded = make_model("classification").tokenizer.encode_batch(texts)
    lengths = np.minimum([len(encoding.input_ids) for encoding in encoded], 64)
    assert own["cut"] == (lengths > 8).sum()
    assert own["not_read"] / own["tokens"] == np.maximum(lengths - 8, 0).sum() / lengths.sum()


def test_a_tagger_reads_short_windows_and_answers_otherwise(make_model, short):
    """Each window has less context, and four of 6 tokens, 5 apart, hold 21."""
    own = short["tagging"][0]["comparison_with_keras"]["own_length"]
    assert own["other_answers"] > own["texts"] / 2
    tokenizer = make_model("tagging").tokenizer
    encoded = tokenizer.encode_batch(comparison_texts(tokenizer, 96 * 2))
    assert own["cut"] == sum(len(encoding.input_ids) > 23 for encoding in encoded)


def test_an_export_at_the_own_length_says_nothing(exported):
    report = json.loads((exported("classification") / "export_report.json").read_text())
    assert report["comparison_with_keras"]["own_length"] is None


def test_the_report_has_the_limit_of_a_batch(short, exported):
    for folder in (short["tagging"][1], exported("classification")):
        report = json.loads((folder / "export_report.json").read_text())
        text = (folder / BATCHING_FILE).read_text()
        assert report["batching"] == {
            "file": BATCHING_FILE,
            "max_batch_size": int(re.search(r"max_batch_size \{ value: (\d+) \}", text)[1]),
        }


def test_the_command_says_both(make_model, tmp_path, capsys):
    model = make_model("tagging")
    save(model, tmp_path / "model", model.tokenizer)
    (tmp_path / "export.toml").write_text("[saved_model]\nmax_request_tokens = 512\n")
    arguments = [tmp_path / "model", tmp_path / "served", "--config", tmp_path / "export.toml"]
    command = ["export", "saved-model", *map(str, arguments), "--max-length", "8"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert re.search(
        r"at the model's own 64 tokens \d+ of 28 built-in texts have other answers than at 8, "
        r"which cuts \d+ of them: [\d.]+% of all tokens are not read",
        out,
    )
    assert re.search(r"rows in a request +4 at most, as batched", out)
