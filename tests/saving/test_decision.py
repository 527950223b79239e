"""A model's temperature and thresholds in files, and the heads that they do not belong to."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from safetensors.numpy import load_file, save_file

import bert_keras
from bert_keras import (
    BertEncoder,
    BertForPreTraining,
    BertForSequenceClassification,
    BertForTokenClassification,
    Decision,
)
from bert_keras.modeling.model import BertModel
from tests.support.models import TINY, make_model, refusal

LABELS = ["a", "b", "c"]
MANY = {"labels": LABELS, "problem_type": "multi_label_classification"}
DECISION = Decision(1.7, (0.25, 0.5, 0.875))
KEY = "bert_keras_decision"
CALIBRATED = [
    (BertForSequenceClassification, MANY, DECISION),
    (BertForSequenceClassification, {"labels": LABELS}, Decision(0.3)),
    (BertForTokenClassification, {"labels": LABELS}, Decision(3.0)),
]
NAMES = {"huggingface": "model", "google": "model", "keras": "model.keras"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A multi-label model with a decision, as we write it."""
    bert_keras.save(make_model(BertForSequenceClassification, decision=DECISION, **MANY),
                    tmp_path / "model")  # fmt: skip
    return tmp_path / "model"


def _config(path: Path) -> dict:
    return json.loads((path / "config.json").read_text())


@pytest.mark.parametrize("case", range(len(CALIBRATED)))
@pytest.mark.parametrize("layout", NAMES)
def test_every_layout_that_is_written_keeps_it(case: int, layout: str, tmp_path: Path) -> None:
    model_class, arguments, decision = CALIBRATED[case]
    if layout == "google" and model_class is BertForTokenClassification:
        pytest.skip("Google's layout has nothing for it")
    path = tmp_path / NAMES[layout]
    bert_keras.save(make_model(model_class, decision=decision, **arguments), path, format=layout)
    model = bert_keras.load(path)
    assert model.decision == decision
    assert KEY not in model.other_config
    bert_keras.save(model, tmp_path / "again")
    assert bert_keras.load(tmp_path / "again").decision == decision


def test_a_directory_has_it_under_one_key_by_the_labels_names(saved: Path) -> None:
    values = {"temperature": 1.7, "thresholds": dict(zip(LABELS, DECISION.thresholds, strict=True))}
    kept = _config(saved)[KEY]
    assert kept.pop("head") == bert_keras.load(saved).head_digest()
    assert kept == values


def test_keras_itself_opens_it(tmp_path: Path) -> None:
    model = make_model(BertForSequenceClassification, decision=DECISION, **MANY)
    bert_keras.save(model, tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").decision == DECISION


def test_a_model_by_bare_logits_has_no_such_key(tmp_path: Path) -> None:
    model = make_model(BertForSequenceClassification, labels=LABELS, decision=Decision(2.0))
    model.decision = Decision()
    bert_keras.save(model, tmp_path / "model")
    assert KEY not in _config(tmp_path / "model")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"labels": LABELS},
        {"problem_type": "multi_label_classification"},
        {"packed": True},
        MANY,
    ],
    ids=str,
)
def test_the_same_head_keeps_it(saved: Path, arguments: dict, caplog) -> None:
    assert bert_keras.load(saved, **arguments).decision == DECISION
    same = bert_keras.load(saved, BertForSequenceClassification, **arguments)
    assert same.decision == DECISION
    assert not caplog.records


@pytest.mark.parametrize(
    ("model_class", "arguments"),
    [
        (None, {"labels": 4}),
        (None, {"labels": ["a", "b", "d"]}),
        (None, {"labels": LABELS[::-1]}),
        (None, {"problem_type": "single_label_classification"}),
        (None, {"problem_type": "regression"}),
        (BertForTokenClassification, {"labels": LABELS}),
        (BertForPreTraining, {}),
        (BertEncoder, {}),
    ],
    ids=str,
)
def test_another_head_leaves_it_out_and_says_so(
    saved: Path, tmp_path: Path, model_class: type[BertModel] | None, arguments: dict, caplog
) -> None:
    with caplog.at_level(logging.WARNING):
        model = bert_keras.load(saved, model_class, **arguments)
    assert "its decision is left out, as it was fitted to another head" in caplog.text
    assert getattr(model, "decision", Decision()) == Decision()
    bert_keras.save(model, tmp_path / "other")
    assert KEY not in _config(tmp_path / "other")


@pytest.mark.parametrize("change", ["kernel", "bias"])
def test_a_head_that_another_program_trained_on_leaves_it_out_and_says_so(
    saved: Path, change: str, caplog
) -> None:
    file = saved / "model.safetensors"
    tensors = load_file(file)
    name = {"kernel": "classifier.weight", "bias": "classifier.bias"}[change]
    tensors[name].flat[0] += 0.5
    save_file(tensors, file, metadata={"format": "pt"})
    with caplog.at_level(logging.WARNING):
        model = bert_keras.load(saved)
    assert model.decision == Decision()
    assert "as it was fitted to other weights of the head" in caplog.text
    assert bert_keras.load(saved, decision=DECISION).decision == DECISION


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_another_precision_has_the_same_head(saved: Path, dtype: str) -> None:
    assert bert_keras.load(saved, dtype=dtype).decision == DECISION


def test_one_that_is_given_wins(saved: Path, caplog) -> None:
    model = bert_keras.load(saved, labels=["x", "y", "z"], decision=Decision(4.0))
    assert model.decision == Decision(4.0)
    assert not caplog.records


@pytest.mark.parametrize(
    "values",
    [
        None, 2.0, {"temperature": "2"}, {"temperature": -1}, {"temperature": 2, "bias": 1},
        {"temperature": 2, "thresholds": {"a": 0.5}},
        {"temperature": 2, "thresholds": {"a": 0.5, "b": 0.5, "c": 7}},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_one_is_refused_with_the_models_name(saved: Path, values) -> None:
    config = _config(saved) | {KEY: values}
    (saved / "config.json").write_text(json.dumps(config))
    assert f"{saved}: the model's decision is damaged: " in refusal(saved)
    assert bert_keras.load(saved, BertEncoder).report.left_out  # what does not need it opens


def test_thresholds_of_a_model_that_gives_one_label_are_refused(saved: Path) -> None:
    config = _config(saved) | {"problem_type": "single_label_classification"}
    (saved / "config.json").write_text(json.dumps(config))
    assert "thresholds are of multi-label models" in refusal(saved)


def test_new_tokens_keep_it(saved: Path, tmp_path: Path) -> None:
    model = make_model(BertForSequenceClassification, decision=DECISION, **MANY)
    longer = model.like(config=replace(TINY, vocab_size=TINY.vocab_size + 1))
    assert longer.decision == DECISION
