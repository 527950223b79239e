"""``fit`` of our models against Keras's own, of a plain functional model."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig, BertForSequenceClassification
from tests.support.by_hand import (
    CLASS_WEIGHTS,
    CROSSENTROPY,
    LABELS,
    WEIGHTS,
    Data,
    Y,
    by_hand,
    same_training,
    sgd,
)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, marks=pytest.mark.system),
        {"class_weight": CLASS_WEIGHTS},
        pytest.param({"sample_weight": WEIGHTS}, marks=pytest.mark.system),
        pytest.param(
            {"validation_split": 0.34, "sample_weight": WEIGHTS}, marks=pytest.mark.system
        ),
        pytest.param(
            {"validation_split": 0.34, "class_weight": CLASS_WEIGHTS}, marks=pytest.mark.system
        ),
    ],
    ids=["x, y", "class_weight", "sample_weight", "split and weighed", "split, classes weighed"],
)
def test_fit_on_arrays_trains_as_keras_does(
    classifier: BertForSequenceClassification, inputs: Data, arguments: dict[str, Any]
) -> None:
    plain = by_hand(classifier)
    plain.compile(sgd(), CROSSENTROPY(from_logits=True))
    classifier.compile(sgd())
    history = same_training(classifier, plain, inputs, Y, epochs=2, batch_size=2, **arguments)
    assert "classification_accuracy" in history


@pytest.mark.parametrize(
    "labeled",
    [
        "x, y, w",
        pytest.param("x, y", marks=pytest.mark.system),
        pytest.param("labels in x", marks=pytest.mark.system),
        pytest.param("labels in x, weighed", marks=pytest.mark.system),
    ],
)
def test_fit_on_data_sets_trains_as_keras_does(
    classifier: BertForSequenceClassification, inputs: Data, labeled: str
) -> None:
    plain = by_hand(classifier)
    plain.compile(sgd(), CROSSENTROPY(from_logits=True))
    classifier.compile(sgd())
    data: Any = (inputs, Y, WEIGHTS) if labeled == "x, y, w" else (inputs, Y)
    theirs = tf.data.Dataset.from_tensor_slices(data).batch(4)
    ours = theirs
    if "labels" in labeled:
        ours = tf.data.Dataset.from_tensor_slices(inputs | {"labels": Y}).batch(4)
    weigh = {"class_weight": CLASS_WEIGHTS} if labeled == "labels in x, weighed" else {}
    history = classifier.fit(ours, verbose=0, **weigh).history
    expected = plain.fit(theirs, shuffle=False, verbose=0, **weigh).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=2e-5)
    for mine, other in zip(classifier.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_added_losses_are_trained_on(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(sgd())
    before = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)["loss"]
    classifier.classifier.output_dense.kernel_regularizer = keras.regularizers.L2(0.5)
    classifier.classifier.output_dense.kernel.regularizer = keras.regularizers.L2(0.5)
    classifier.compile(sgd())
    after = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)["loss"]
    squares = (classifier.classifier.output_dense.kernel.numpy() ** 2).sum()
    assert after - before == pytest.approx(0.5 * squares, rel=1e-4)


@pytest.mark.system
def test_steps_per_execution_give_the_same_weights(plain_config: BertConfig, inputs: Data) -> None:
    models = [BertForSequenceClassification(plain_config, labels=LABELS) for _ in range(2)]
    for model, steps in zip(models, (1, 3), strict=True):
        model.compile(sgd(), steps_per_execution=steps)
        model.fit(inputs, Y, batch_size=2, shuffle=False, verbose=0)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
