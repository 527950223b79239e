"""Keras's losses and metrics on our logits, against Keras on a plain functional model."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig, BertForSequenceClassification, InputError
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


@pytest.mark.system
@pytest.mark.parametrize("from_logits", [True, False])
def test_losses_and_metrics_of_keras_get_what_they_want(
    classifier: BertForSequenceClassification, inputs: Data, from_logits: bool
) -> None:
    def measures() -> dict[str, Any]:
        return {
            "loss": CROSSENTROPY(from_logits=from_logits),
            "metrics": [
                "accuracy",
                keras.metrics.SparseCategoricalCrossentropy(from_logits=from_logits, name="nats"),
                keras.metrics.SparseTopKCategoricalAccuracy(2),
            ],
            "weighted_metrics": ["acc"],
        }

    plain = by_hand(classifier, scores=None if from_logits else "softmax")
    plain.compile(sgd(), **measures())
    classifier.compile(sgd(), **measures())
    history = same_training(classifier, plain, inputs, Y, sample_weight=WEIGHTS)
    assert set(history) == {
        "loss",
        "accuracy",
        "nats",
        "sparse_top_k_categorical_accuracy",
        "acc",
    }


def test_metrics_stand_beside_the_models_own_objective(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(sgd(), metrics=["accuracy", "crossentropy"])
    found = classifier.evaluate(inputs, Y, return_dict=True, verbose=0)
    assert found["accuracy"] == pytest.approx(found["classification_accuracy"])
    assert found["crossentropy"] == pytest.approx(found["loss"], rel=1e-5)


@pytest.mark.system
def test_one_hot_labels_work_with_a_loss_that_takes_them(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    plain = by_hand(classifier)
    one_hot = keras.utils.to_categorical(Y, 3)
    for model in (plain, classifier):
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(sgd(), loss, metrics=["accuracy"])
    same_training(classifier, plain, inputs, one_hot, class_weight=CLASS_WEIGHTS)
    classifier.compile()
    with pytest.raises(InputError, match="CategoricalCrossentropy"):
        classifier.fit(inputs, one_hot, verbose=0)


@pytest.mark.system
def test_probabilities_of_several_labels_reach_keras_metrics(
    plain_config: BertConfig, inputs: Data
) -> None:
    model = BertForSequenceClassification(
        plain_config, labels=LABELS, problem_type="multi_label_classification"
    )
    several = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0], [0, 1, 0]])
    plain = by_hand(model, scores="sigmoid")
    for each in (model, plain):
        each.compile(
            sgd(),
            "binary_crossentropy",
            metrics=[
                keras.metrics.AUC(multi_label=True, num_labels=3, name="auc"),
                keras.metrics.BinaryAccuracy(),
                keras.metrics.F1Score("macro", threshold=0.5),
            ],
        )
    same_training(model, plain, inputs, several, sample_weight=WEIGHTS)


def test_a_function_of_ones_own_gets_the_logits(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    def largest(labels: Any, predictions: Any) -> Any:
        return tf.reduce_max(predictions, axis=-1)

    classifier.compile(sgd(), loss=largest, metrics=[largest])
    found = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)
    expected = classifier(inputs)["logits"].numpy().max(1).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["largest"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_one_number_is_that_of_all_labels_or_is_refused(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    def one_number(labels: Any, logits: Any) -> Any:
        return tf.reduce_mean(logits[:, 0])

    classifier.compile(sgd(), loss=one_number)
    expected = classifier(inputs)["logits"].numpy()[:, 0].mean()
    assert classifier.evaluate(inputs, Y, verbose=0) == pytest.approx(expected, rel=1e-5)
    ignored = np.where(np.arange(6) == 1, -100, Y)
    with pytest.raises(tf.errors.InvalidArgumentError, match="in which labels of -100 would count"):
        classifier.evaluate(inputs, ignored, verbose=0)


def test_a_compiled_model_opens_with_its_loss_and_metrics(
    classifier: BertForSequenceClassification, inputs: Data, tmp_path: Path
) -> None:
    classifier.compile(
        sgd(), "sparse_categorical_crossentropy", metrics=["accuracy", keras.metrics.AUC()][:1]
    )
    expected = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)
    classifier.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    assert opened.evaluate(inputs, Y, verbose=0, return_dict=True) == pytest.approx(expected)


def test_callbacks_know_which_way_a_metric_is_better(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(sgd(), metrics=["accuracy"], run_eagerly=True)
    stopping = keras.callbacks.EarlyStopping("val_accuracy")  # mode="auto"
    classifier.fit(inputs, Y, validation_data=(inputs, Y), callbacks=[stopping], verbose=0)
    assert bool(stopping.monitor_op(2.0, 1.0))


@pytest.mark.parametrize("name", ["accuracy", "Accuracy", "acc"])
def test_a_name_is_keras_own_whatever_its_case(
    classifier: BertForSequenceClassification, inputs: Data, name: str
) -> None:
    classifier.compile(sgd(), metrics=[name], run_eagerly=True)
    found = classifier.evaluate(inputs, Y, return_dict=True, verbose=0)
    assert found[name] == pytest.approx(found["classification_accuracy"])


def test_classes_stand_for_their_objects(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    metrics = [keras.metrics.SparseCategoricalAccuracy]
    classifier.compile(sgd(), CROSSENTROPY, metrics=metrics, run_eagerly=True)
    found = classifier.evaluate(inputs, Y, return_dict=True, verbose=0)
    classifier.compile(sgd(), "crossentropy", metrics=["accuracy"], run_eagerly=True)
    expected = classifier.evaluate(inputs, Y, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert found["sparse_categorical_accuracy"] == expected["accuracy"]


class _Unweighted(keras.metrics.Metric):
    """A user's metric that knows no weights: the labels that it was given."""

    def __init__(self) -> None:
        super().__init__(name="seen")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any) -> None:
        self.count.assign_add(tf.cast(tf.shape(y_pred)[0], tf.float32))

    def result(self) -> Any:
        return self.count


def test_a_metric_without_weights_is_given_the_labels_that_count(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(sgd(), metrics=[_Unweighted()], run_eagerly=True)
    labels = np.where(Y == 2, -100, Y)
    assert classifier.evaluate(inputs, labels, return_dict=True, verbose=0)["seen"] == 4
    classifier.compile(sgd(), weighted_metrics=[_Unweighted()], run_eagerly=True)
    with pytest.raises(InputError, match="weighted_metrics: seen takes no sample_weight"):
        classifier.evaluate(inputs, Y, sample_weight=WEIGHTS, verbose=0)
