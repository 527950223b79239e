"""``bert-keras evaluate`` with ``--calibrate``, ``--thresholds``, ``--out`` and ``--diagram``."""

import json

import numpy as np
import pytest

from bert_keras import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    load,
    predict,
    save,
)
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.commands import output, refused, run
from tests.support.models import NO_DROPOUT, make_model, small_config

WORDS = ["a fine film", "lovely and warm", "a dull film", "cold and slow", "once more", "no fun"]
TOPICS = ["film", "fun", "rare"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier, a multi-label model and rows for them, which chance has a part in."""
    folder, draw = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    tokenizer = BertTokenizer(learn_vocabulary(WORDS, 80, Casing()))
    config = small_config(tokenizer.vocab_size, hidden_size=8, **NO_DROPOUT)
    kinds = {
        "one": {"labels": ["bad", "good"]},
        "many": {"labels": TOPICS, "problem_type": "multi_label_classification"},
    }
    texts = [" ".join(draw.choice(WORDS, 3)) for _ in range(60)]
    scores = {}
    for name, arguments in kinds.items():
        model = make_model(BertForSequenceClassification, 1, config, **arguments)
        save(model, folder / name, tokenizer)
        scores[name] = [answer["scores"] for answer in predict(load(folder / name), texts)]
    save(BertForQuestionAnswering(config), folder / "span", tokenizer)

    def right_mostly(score):
        return (score > 0.5) == (draw.random() < 0.75)

    labels = {
        "one": ["good" if right_mostly(of["good"]) else "bad" for of in scores["one"]],
        "many": ["|".join(t for t in TOPICS[:2] if right_mostly(of[t])) for of in scores["many"]],
    }
    for name, column in labels.items():
        lines = ["text\tlabel", *map("\t".join, zip(texts, column, strict=True))]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_calibrated_model_is_written_and_predict_goes_by_it(made, tmp_path, capsys):
    data, out = made / "one.tsv", tmp_path / "calibrated"
    arguments = ["evaluate", made / "one", "--data", data, "--calibrate", "--out", out]
    found = json.loads(output(capsys, *arguments, "--json"))
    kept = json.loads((out / "config.json").read_text())["bert_keras_decision"]
    assert kept.keys() == {"temperature", "head"}
    assert found["decision"] == {"temperature": kept["temperature"]}
    errors = [of["expected_calibration_error"] for of in (found["before"], found)]
    assert errors[0] > errors[1]
    assert found["accuracy"] == found["before"]["accuracy"]
    again = json.loads(output(capsys, "evaluate", out, "--data", data, "--json"))
    assert again == found
    sure, less = (
        json.loads(output(capsys, "predict", path, "no fun", "--json"))["predictions"][0]
        for path in (made / "one", out)
    )
    assert sure["label"] == less["label"]
    ratios = [np.log(a["scores"]["good"] / a["scores"]["bad"]) for a in (sure, less)]
    assert ratios[0] / ratios[1] == pytest.approx(kept["temperature"], rel=1e-4)
    shown = output(capsys, "evaluate", out, "--data", data)
    assert f"decides by: temperature {kept['temperature']:.6g}" in shown
    assert ["metric", "before", "after"] in [line.split() for line in shown.splitlines()]


def test_thresholds_are_shown_for_each_label_and_kept(made, tmp_path, capsys):
    out = tmp_path / "kept"
    arguments = ["evaluate", made / "many", "--data", made / "many.tsv", "--out", out]
    capsys.readouterr()
    run(*arguments, "--calibrate", "--thresholds")
    captured = capsys.readouterr()
    assert "no example has 'rare': the threshold stays at 0.5" in captured.err
    assert f"the model with what was found: {out}" in captured.err
    lines = [line.split() for line in captured.out.splitlines()]
    thresholds = load(out).decision.thresholds
    for label, threshold in zip(TOPICS, thresholds, strict=True):
        (row,) = [line for line in lines if line[:1] == [label] and len(line) == 5]
        assert row[2] == f"{threshold:.4f}"
    assert any(line[:1] == ["confidence"] for line in lines)
    (answer,) = json.loads(output(capsys, "predict", out, "no fun", "--json"))["predictions"]
    given = [t for t, limit in zip(TOPICS, thresholds, strict=True) if answer["scores"][t] >= limit]
    assert answer["labels"] == given


def test_without_a_folder_nothing_is_kept_and_a_diagram_is_in_place_of_the_table(
    made, tmp_path, capsys
):
    before = (made / "one" / "config.json").read_bytes()
    capsys.readouterr()
    diagram = tmp_path / "reliability.svg"
    run("evaluate", made / "one", "--data", made / "one.tsv", "--calibrate", "--diagram", diagram)
    captured = capsys.readouterr()
    assert "nothing is kept: --out FOLDER writes the model" in captured.err
    assert "answers by confidence" not in captured.out
    assert "before: expected calibration error" in diagram.read_text()
    assert (made / "one" / "config.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.svg"]


def test_a_model_by_bare_logits_has_a_diagram_and_the_metrics_that_it_had(made, tmp_path, capsys):
    data = ["evaluate", made / "one", "--data", made / "one.tsv", "--json"]
    plain = json.loads(output(capsys, *data))
    assert json.loads(output(capsys, *data, "--diagram", tmp_path / "a.png")) == plain
    assert not any("calibration" in name for name in plain)


def test_what_is_not_asked_rightly_is_refused_and_writes_nothing(made, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    one = ["evaluate", made / "one", "--data", made / "one.tsv"]
    span = ["evaluate", made / "span", "--data", made / "one.tsv"]
    for arguments, message in (
        ([*one, "--out", tmp_path / "new"], "is for a model with what --calibrate"),
        ([*one, "--calibrate", "--out", tmp_path / "there"], "already exists"),
        ([*one, "--calibrate", "--out", tmp_path / "m.keras"], "--out is a folder"),
        ([*one, "--diagram", tmp_path / "a.pdf"], "a diagram is a .png or a .svg"),
        ([*one, "--thresholds"], "thresholds are for models that give several labels"),
        ([*span, "--calibrate"], "the task span gives no probabilities of labels"),
        ([*span, "--diagram", tmp_path / "a.png"], "the task span gives no probabilities"),
    ):
        assert message in refused(capsys, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
