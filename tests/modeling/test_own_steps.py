"""Steps and losses of a user's own, in a subclass of ours and around a model of ours."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig, BertForSequenceClassification, InputError
from bert_keras.modeling.inputs import SEQUENCES
from tests.support.by_hand import CROSSENTROPY, LABELS, WEIGHTS, Data, Y, sgd


def _compile(model: keras.Model, **how: Any) -> None:
    """Compile it to run as it is written: tracing takes longer by far."""
    model.compile(sgd(), run_eagerly=True, **how)


class OwnStep(BertForSequenceClassification):
    """As Keras's guide writes a step, with ``compute_metrics`` at its end."""

    def train_step(self, data: Any) -> Any:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weights)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.measured(x, y, outputs, weights)

    def measured(self, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
        return self.compute_metrics(x, y, outputs, weights)


class GuidesLoop(OwnStep):
    def measured(self, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
        for metric in self.metrics:
            if metric.name != "loss":
                metric.update_state(y, outputs)
        return {metric.name: metric.result() for metric in self.metrics}


def _trained(model: keras.Model, inputs: Data, **arguments: Any) -> dict[str, Any]:
    return model.fit(inputs, Y, batch_size=4, shuffle=False, verbose=0, **arguments).history


def test_a_step_of_ones_own_trains_and_measures_as_ours(
    plain_config: BertConfig, inputs: Data
) -> None:
    models = [
        kind(plain_config, labels=LABELS) for kind in (BertForSequenceClassification, OwnStep)
    ]
    for model in models:
        _compile(model, metrics=["accuracy"])
    ours, theirs = (_trained(model, inputs, sample_weight=WEIGHTS) for model in models)
    for name in ("accuracy", "classification_accuracy", "classification_loss"):
        assert theirs[name] == pytest.approx(ours[name], rel=1e-6)
    for mine, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_the_objectives_means_are_not_updated_from_labels_and_predictions(
    plain_config: BertConfig, inputs: Data
) -> None:
    model = GuidesLoop(plain_config, labels=LABELS)
    _compile(model, metrics=["accuracy"])
    with pytest.raises(InputError, match=r"return self\.compute_metrics\(x, y, y_pred, sample_w"):
        _trained(model, inputs)
    _compile(model, loss=CROSSENTROPY(from_logits=True), metrics=["accuracy"])
    with pytest.raises(InputError, match="classification_loss is updated by compute_loss"):
        _trained(model, inputs)


def test_a_loss_of_ones_own_reports_no_measures_that_nothing_measured(
    plain_config: BertConfig, inputs: Data
) -> None:
    class OwnLoss(BertForSequenceClassification):
        def compute_loss(self, x: Any, y: Any, y_pred: Any, *others: Any, **more: Any) -> Any:
            return CROSSENTROPY(from_logits=True)(y, y_pred["logits"])

    model = OwnLoss(plain_config, labels=LABELS)
    _compile(model, metrics=["accuracy"])
    history = _trained(model, inputs)
    assert history["loss"][0] > 0
    assert 0 <= history["accuracy"][0] <= 1
    for name in ("classification_accuracy", "classification_loss"):
        assert np.isnan(history[name]).all()


def test_a_loss_with_ours_in_it_reports_its_measures(
    plain_config: BertConfig, inputs: Data
) -> None:
    class Twice(BertForSequenceClassification):
        def compute_loss(self, *data: Any, **more: Any) -> Any:
            return 2 * super().compute_loss(*data, **more)

    model = Twice(plain_config, labels=LABELS)
    _compile(model)
    history = _trained(model, inputs)
    assert history["loss"][0] == pytest.approx(2 * history["classification_loss"][0])


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.system)])
def test_a_model_around_ours_may_ask_it_for_its_loss(
    plain_config: BertConfig, inputs: Data, compiled: bool
) -> None:
    class Around(keras.Model):
        def __init__(self, inner: BertForSequenceClassification) -> None:
            super().__init__()
            self.inner = inner

        def call(self, x: Any, training: bool = False) -> Any:
            return self.inner(x, training=training)["logits"]

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.inner.compute_loss(x, y, self.inner(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    given = {name: inputs[name] for name in SEQUENCES}
    model, inner = (BertForSequenceClassification(plain_config, labels=LABELS) for _ in range(2))
    around = Around(inner)
    if compiled:
        _compile(inner)
    for each in (model, around):
        _compile(each)
        _trained(each, given, epochs=2)
    for mine, other in zip(model.get_weights(), inner.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
