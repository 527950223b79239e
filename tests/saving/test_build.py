"""Opening a model as another class: what is new, what is left out, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertEncoder,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.errors import InputError
from tests.support.files import edit_json, edit_weights
from tests.support.models import make_model, refusal


def _prefixed(tensors: dict[str, np.ndarray]) -> None:
    for name in list(tensors):
        tensors[f"bert.{name}"] = tensors.pop(name)


def _without_pooler(tensors: dict[str, np.ndarray]) -> None:
    for name in ("pooler.dense.weight", "pooler.dense.bias"):
        del tensors[name]


@pytest.mark.parametrize(
    ("change", "has_pooler"), [(_prefixed, True), (_without_pooler, False)], ids=["prefix", "bare"]
)
def test_bare_encoder_opens_with_prefix_and_without_pooler(
    change: Any, has_pooler: bool, tmp_path: Path
) -> None:
    model = make_model(BertEncoder)
    bert_keras.save(model, tmp_path / "model")
    edit_weights(tmp_path / "model", change)
    loaded = bert_keras.load(tmp_path / "model")
    assert (loaded.pooler is not None) == has_pooler
    batch = {"input_ids": tf.constant([[2, 5, 4, 3]])}
    np.testing.assert_array_equal(loaded(batch)["sequence_output"], model(batch)["sequence_output"])
    bert_keras.save(loaded, tmp_path / "again")
    assert (bert_keras.load(tmp_path / "again").pooler is not None) == has_pooler


def test_pooler_of_an_old_tagger_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    pooler = {
        "bert.pooler.dense.weight": np.ones((4, 4), "float32"),
        "bert.pooler.dense.bias": np.ones(4, "float32"),
    }
    edit_weights(tmp_path / "model", lambda tensors: tensors.update(pooler))
    assert bert_keras.load(tmp_path / "model").report.left_out == sorted(pooler)
    assert "left out: bert.pooler.dense.bias, bert.pooler.dense.weight" in caplog.text


@pytest.mark.parametrize("model_class", [dict, "BertEncoder"])
def test_class_that_is_none_of_ours_is_refused(model_class: Any, saved: Path) -> None:
    with pytest.raises(InputError, match="must be a class of bert_keras"):
        bert_keras.load(saved, model_class)


def test_encoder_under_a_head_that_we_lack_opens_where_the_class_is_given(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForSequenceClassification), tmp_path / "model")
    edit_json(tmp_path / "model" / "config.json", architectures=["BertForMultipleChoice"])
    assert "'BertForMultipleChoice'" in refusal(tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    encoder = bert_keras.load(tmp_path / "model", BertEncoder)
    assert encoder.report.left_out == ["classifier.bias", "classifier.weight"]


def test_encoder_opens_for_a_task_and_says_what_is_new(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = bert_keras.load(saved, BertForSequenceClassification, labels=["no", "yes", "so"])
    assert model.labels == ("no", "yes", "so")
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    assert "cls.seq_relationship.weight" in model.report.left_out
    assert "new and to be trained: classifier/output/kernel" in caplog.text
    whole = bert_keras.load(saved)
    for ours, theirs in zip(
        model.encoder.trainable_weights, whole.encoder.trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    bert_keras.save(model, tmp_path / "tuned")
    assert type(bert_keras.load(tmp_path / "tuned")) is BertForSequenceClassification


def test_missing_encoder_weight_is_an_error_for_a_task_too(saved: Path) -> None:
    edit_weights(
        saved,
        lambda tensors: tensors.pop("bert.encoder.layer.1.output.dense.bias"),
    )
    with pytest.raises(InputError, match=r"lacks the weight bert\.encoder\.layer\.1\.output"):
        bert_keras.load(saved, BertForTokenClassification, labels=4)


def test_half_a_head_is_an_error(saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.pop("cls.seq_relationship.bias"))
    with pytest.raises(InputError, match=r"lacks the weight cls\.seq_relationship\.bias"):
        bert_keras.load(saved, BertForNextSentencePrediction)


def test_head_of_another_task_is_not_taken_for_this_one(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert {path.split("/")[0] for path in model.report.new} == {"pooler", "classifier"}
    assert model.report.left_out == ["classifier.bias", "classifier.weight"]


def test_other_number_of_labels_gets_a_new_head(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    same = bert_keras.load(tmp_path / "model", labels=["O", "B"])
    assert same.report.new == []
    assert same.labels == ("O", "B")
    other = bert_keras.load(tmp_path / "model", BertForTokenClassification, labels=5)
    assert other.report.new == ["classifier/output/kernel", "classifier/output/bias"]


def test_encoder_alone_comes_out_of_a_model_with_heads(saved: Path) -> None:
    encoder = bert_keras.load(saved, BertEncoder, packed=True)
    assert encoder.packed
    assert encoder.pooler is not None
    assert encoder.report.new == []
