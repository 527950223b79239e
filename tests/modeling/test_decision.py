"""A model's decision: what it may be, that it goes with copies, and that training drops it."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from bert_keras import (
    BertForSequenceClassification,
    BertForTokenClassification,
    Decision,
    InputError,
)

LABELS = ("a", "b", "c")
DECISION = Decision(2.5, (0.2, 0.5, 0.9))


@pytest.fixture
def several(plain_config):
    """A multi-label model that was calibrated."""
    return BertForSequenceClassification(
        plain_config, labels=LABELS, problem_type="multi_label_classification", decision=DECISION
    )


@pytest.mark.parametrize("make", [np.asarray, tf.constant], ids=["numpy", "tensorflow"])
def test_arrays_and_tensors_are_decided_alike(make):
    logits = np.array([[-3.0, 0.0, 8.0], [-4.0, -0.1, 3.0]], np.float32)
    scaled = np.asarray(DECISION.scaled(make(logits)))
    np.testing.assert_allclose(scaled, logits / 2.5, rtol=1e-6)
    np.testing.assert_allclose(DECISION.unscaled(make(scaled)), logits, rtol=1e-6)
    given = DECISION.is_given(make(expit(scaled)))
    assert np.asarray(given).tolist() == [[True, True, True], [False, False, False]]
    half = Decision().is_given(make(np.array([0.5, 0.49999], np.float32)))
    assert np.asarray(half).tolist() == [True, False]


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf"), 1e-7, True, "2", None])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(InputError, match="between 1e-6 and 1e6"):
        Decision(temperature)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), True, "0.5"])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(InputError, match=r"a threshold must lie in \[0, 1\]"):
        Decision(1.0, (0.5, threshold))


@pytest.mark.parametrize("thresholds", [0.5, None, "0.5"])
def test_thresholds_are_as_many_as_labels(thresholds):
    with pytest.raises(InputError, match="thresholds are one for each label"):
        Decision(1.0, thresholds)


def test_numbers_of_numpy_are_numbers():
    decision = Decision(np.float32(2), np.array([0.25, 1], np.float32))
    assert decision == Decision(2.0, (0.25, 1.0))
    assert {type(n) for n in (decision.temperature, *decision.thresholds)} == {float}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, "a temperature and thresholds by label"),
        ({"temperature": 2.0, "offset": 1}, "a temperature and thresholds by label"),
        ({"temperature": 2.0, "thresholds": [0.5] * 3}, "a temperature and thresholds by label"),
        ({"temperature": None}, "between 1e-6 and 1e6"),
        ({"thresholds": {"a": 0.5, "b": 0.5}}, "see 'c'"),
        ({"thresholds": {"a": 0.5, "b": 0.5, "d": 0.5}}, "see 'c', 'd'"),
    ],
    ids=str,
)
def test_values_that_are_no_decision_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Decision.from_values(values, LABELS)


def test_values_of_a_file_are_read_back_by_the_labels_names():
    values = DECISION.to_values(LABELS)
    assert values == {"temperature": 2.5, "thresholds": {"a": 0.2, "b": 0.5, "c": 0.9}}
    assert Decision.from_values(values, LABELS) == DECISION
    assert Decision.from_values(values, LABELS[::-1]).thresholds == (0.9, 0.5, 0.2)


def test_the_same_labels_are_given_at_another_temperature():
    logits = np.random.default_rng(0).normal(size=(200, 3), scale=5)
    moved = DECISION.at_temperature(0.7)
    assert moved.temperature == 0.7
    assert moved.thresholds[1] == 0.5
    before, after = (d.is_given(expit(d.scaled(logits))) for d in (DECISION, moved))
    np.testing.assert_array_equal(before, after)
    assert before.any(axis=0).all()
    assert Decision(3.0).at_temperature(2.0) == Decision(2.0)
    assert Decision(1.0, (0.0, 1.0)).at_temperature(1e-6).thresholds == (0.0, 1.0)


def test_a_decision_that_does_not_suit_the_labels_is_refused(plain_config, several):
    single = BertForSequenceClassification(plain_config, labels=LABELS)
    number = BertForSequenceClassification(plain_config, labels=1)
    for model, decision, message in (
        (single, DECISION, "thresholds are of multi-label models"),
        (BertForTokenClassification(plain_config, labels=LABELS), DECISION, "of multi-label"),
        (several, Decision(1.0, (0.5,)), "for each of 3 labels. Received: 1"),
        (number, Decision(2.0), "which a regression does not give"),
        (single, None, "a Decision is needed. Received: None"),
    ):
        before = model.decision
        with pytest.raises(InputError, match=message):
            model.decision = decision
        assert model.decision == before
    single.decision = Decision(2.0)


def test_copies_and_keras_serialization_keep_it(several):
    assert several.decision == DECISION
    assert several.copy(packed=True).decision == DECISION
    assert type(several).from_config(several.get_config()).decision == DECISION
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(several))
    assert again.decision == DECISION


def test_a_model_without_one_says_nothing_of_it(plain_config):
    model = BertForSequenceClassification(plain_config, labels=LABELS)
    assert model.decision == Decision()
    assert "decision" not in model.get_config()


def test_logits_do_not_change(several, batch):
    bare = several.copy(decision=None)
    assert bare.decision == Decision()
    np.testing.assert_array_equal(several(batch)["logits"], bare(batch)["logits"])


@pytest.mark.parametrize("way", ["fit", pytest.param("train_on_batch", marks=pytest.mark.system)])
def test_training_drops_it_with_a_warning(several, batch, caplog, way):
    ids = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    labels = np.zeros([len(batch["input_ids"]), 3], np.float32)
    several.compile(keras.optimizers.SGD(0.1))
    several.evaluate(ids, labels, verbose=0)
    with pytest.raises(InputError):  # trained on nothing
        several.fit(ids, labels, class_weight={0: 2.0})
    assert several.decision == DECISION
    with caplog.at_level(logging.WARNING):
        getattr(several, way)(ids, labels)
    assert several.decision == Decision()
    assert caplog.text.count("which training changes") == 1
    assert "temperature=2.5" in caplog.text
