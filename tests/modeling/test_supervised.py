"""Keras's arguments on our models against the same in Keras, by a plain functional model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    InputError,
)
from bert_keras.modeling.supervised import SupervisedModel
from tests.support.batches import sequences

LABELS = ("no", "maybe", "yes")
KEYS = ("input_ids", "attention_mask", "token_type_ids")
Data = dict[str, np.ndarray]
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy


@pytest.fixture
def inputs() -> Data:
    """Six texts."""
    return sequences((12, 1, 5, 7, 3, 9), 12, 50)


@pytest.fixture
def classifier(plain_config: BertConfig) -> BertForSequenceClassification:
    return BertForSequenceClassification(plain_config, labels=LABELS)


def _by_hand(model: SupervisedModel, head: str = "classifier", scores: Any = None) -> keras.Model:
    """A functional model around a ``BertEncoder`` of its own, with the model's weights."""
    with_pooler = head == "classifier" and not model.token_outputs
    encoder = BertEncoder(model.config, with_pooler=with_pooler)
    encoder.set_weights(model.encoder.get_weights())
    given = {key: keras.Input((None,), dtype="int32", name=key) for key in KEYS}
    hidden = encoder(given)["pooled_output" if with_pooler else "sequence_output"]
    dense = getattr(model, head).output_dense
    logits = keras.layers.Dense(dense.units, activation=scores)
    outputs = logits(hidden)
    logits.set_weights(dense.get_weights())
    return keras.Model(given, outputs)


def _same_training(model: keras.Model, plain: keras.Model, *data: Any, **arguments: Any) -> Any:
    """Train both by SGD on the same, and compare losses, metrics and weights; the history."""
    runs = []
    for each in (model, plain):
        runs.append(each.fit(*data, shuffle=False, verbose=0, **arguments).history)
    ours, theirs = ({key: run[key] for key in run if key in runs[1]} for run in runs)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    for mine, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)
    return runs[0]


def _sgd() -> keras.optimizers.SGD:
    return keras.optimizers.SGD(0.1)


Y = np.array([0, 2, 1, 1, 0, 2])
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 3.0, 1.0], np.float32)
CLASS_WEIGHTS = {0: 1.0, 1: 4.0, 2: 0.25}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"sample_weight": WEIGHTS},
        {"class_weight": CLASS_WEIGHTS},
        {"validation_split": 0.34, "sample_weight": WEIGHTS},
    ],
    ids=["x, y", "sample_weight", "class_weight", "validation_split"],
)
def test_fit_on_arrays_trains_as_keras_does(
    classifier: BertForSequenceClassification, inputs: Data, arguments: dict[str, Any]
) -> None:
    plain = _by_hand(classifier)
    plain.compile(_sgd(), CROSSENTROPY(from_logits=True))
    classifier.compile(_sgd())
    history = _same_training(classifier, plain, inputs, Y, epochs=2, batch_size=2, **arguments)
    assert "classification_accuracy" in history


@pytest.mark.parametrize("labelled", ["x, y", "x, y, w", "labels in x", "labels in x, weighed"])
def test_fit_on_data_sets_trains_as_keras_does(
    classifier: BertForSequenceClassification, inputs: Data, labelled: str
) -> None:
    plain = _by_hand(classifier)
    plain.compile(_sgd(), CROSSENTROPY(from_logits=True))
    classifier.compile(_sgd())
    data: Any = (inputs, Y, WEIGHTS) if labelled == "x, y, w" else (inputs, Y)
    theirs = tf.data.Dataset.from_tensor_slices(data).batch(4)
    ours = theirs
    if "labels" in labelled:
        ours = tf.data.Dataset.from_tensor_slices(inputs | {"labels": Y}).batch(4)
    weigh = {"class_weight": CLASS_WEIGHTS} if labelled == "labels in x, weighed" else {}
    history = classifier.fit(ours, verbose=0, **weigh).history
    expected = plain.fit(theirs, shuffle=False, verbose=0, **weigh).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=2e-5)
    for mine, other in zip(classifier.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_weights_weigh_labels_that_are_in_the_batch(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(_sgd())
    apart = classifier.evaluate(inputs, Y, sample_weight=WEIGHTS, verbose=0)
    within = classifier.evaluate(inputs | {"labels": Y}, sample_weight=WEIGHTS, verbose=0)
    assert apart == within != classifier.evaluate(inputs, Y, verbose=0)


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

    plain = _by_hand(classifier, scores=None if from_logits else "softmax")
    plain.compile(_sgd(), **measures())
    classifier.compile(_sgd(), **measures())
    history = _same_training(classifier, plain, inputs, Y, sample_weight=WEIGHTS)
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
    classifier.compile(_sgd(), metrics=["accuracy", "crossentropy"])
    found = classifier.evaluate(inputs, Y, return_dict=True, verbose=0)
    assert found["accuracy"] == pytest.approx(found["classification_accuracy"])
    assert found["crossentropy"] == pytest.approx(found["loss"], rel=1e-5)


def test_one_hot_labels_work_with_a_loss_that_takes_them(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    plain = _by_hand(classifier)
    one_hot = keras.utils.to_categorical(Y, 3)
    for model in (plain, classifier):
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(_sgd(), loss, metrics=["accuracy"])
    _same_training(classifier, plain, inputs, one_hot, class_weight=CLASS_WEIGHTS)
    classifier.compile()
    with pytest.raises(InputError, match="CategoricalCrossentropy"):
        classifier.fit(inputs, one_hot, verbose=0)


def test_probabilities_of_several_labels_reach_keras_metrics(
    plain_config: BertConfig, inputs: Data
) -> None:
    model = BertForSequenceClassification(
        plain_config, labels=LABELS, problem_type="multi_label_classification"
    )
    several = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0], [0, 1, 0]])
    plain = _by_hand(model, scores="sigmoid")
    for each in (model, plain):
        each.compile(
            _sgd(),
            "binary_crossentropy",
            metrics=[
                keras.metrics.AUC(multi_label=True, num_labels=3, name="auc"),
                keras.metrics.BinaryAccuracy(),
                keras.metrics.F1Score("macro", threshold=0.5),
            ],
        )
    _same_training(model, plain, inputs, several, sample_weight=WEIGHTS)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_sample_weights_weigh_every_kind_of_label(
    plain_config: BertConfig, inputs: Data, problem: str
) -> None:
    model = BertForSequenceClassification(plain_config, labels=LABELS, problem_type=problem)
    labels = np.random.default_rng(0).integers(0, 2, (6, 3)).astype("float32")
    losses = {
        "regression": keras.losses.MeanSquaredError(),
        "multi_label_classification": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    plain = _by_hand(model)
    plain.compile(_sgd(), losses[problem])
    model.compile(_sgd())
    _same_training(model, plain, inputs, labels, sample_weight=WEIGHTS)


def test_tokens_are_weighed_and_ignored_labels_are_left_out(
    plain_config: BertConfig, inputs: Data
) -> None:
    model = BertForTokenClassification(plain_config, labels=LABELS)
    tags = np.random.default_rng(0).integers(0, 3, (6, 12))
    tags[:, 0] = tags[1:, 5:] = -100
    plain = _by_hand(model)
    plain.compile(_sgd(), CROSSENTROPY(from_logits=True, ignore_class=-100))
    model.compile(_sgd(), metrics=["accuracy"])
    spread = np.tile(WEIGHTS[:, None], 12)
    expected = plain.train_on_batch(inputs, tags, sample_weight=spread)
    found = model.train_on_batch(inputs, tags, sample_weight=WEIGHTS, return_dict=True)
    assert found["loss"] == pytest.approx(float(expected), rel=2e-5)
    assert found["accuracy"] == pytest.approx(found["tagging_accuracy"])

    per_token = np.array([1.0, 4.0, 0.25], np.float32)[np.maximum(tags, 0)]
    by_class = model.train_on_batch(inputs, tags, class_weight=CLASS_WEIGHTS, return_dict=True)
    plain_loss = plain.train_on_batch(inputs, tags, sample_weight=per_token)
    assert by_class["loss"] == pytest.approx(float(plain_loss), rel=2e-5)


@pytest.mark.parametrize("form", [dict, tuple])
def test_spans_take_both_ends_as_labels(plain_config: BertConfig, inputs: Data, form: type) -> None:
    model = BertForQuestionAnswering(plain_config)
    starts, ends = np.array([1, 0, 2, 3, 0, -1]), np.array([3, 0, 4, 3, 1, 5])
    y = (starts, ends) if form is tuple else {"start_positions": starts, "end_positions": ends}
    model.compile(_sgd(), CROSSENTROPY(from_logits=True))
    logits = model(inputs)
    found = model.evaluate(inputs, y, verbose=0, return_dict=True)
    expected = [
        float(CROSSENTROPY(from_logits=True)(labels[:5], logits[name][:5]))
        for labels, name in ((starts, "start_logits"), (ends, "end_logits"))
    ]
    assert found["loss"] == pytest.approx(sum(expected), rel=1e-5)
    model.compile(_sgd())
    own = model.evaluate(inputs, y, verbose=0, return_dict=True)
    assert own["loss"] == pytest.approx(sum(expected) / 2, rel=1e-5)
    weighed = model.evaluate(inputs, y, sample_weight=np.full(6, 3.0), verbose=0)
    assert weighed[0] == pytest.approx(3 * own["loss"], rel=1e-5)


def test_a_function_of_ones_own_gets_the_logits(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    def largest(labels: Any, predictions: Any) -> Any:
        return tf.reduce_max(predictions, axis=-1)

    classifier.compile(_sgd(), loss=largest, metrics=[largest])
    found = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)
    expected = classifier(inputs)["logits"].numpy().max(1).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["largest"] == pytest.approx(expected, rel=1e-5)


def test_added_losses_are_trained_on(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(_sgd())
    before = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)["loss"]
    classifier.classifier.output_dense.kernel_regularizer = keras.regularizers.L2(0.5)
    classifier.classifier.output_dense.kernel.regularizer = keras.regularizers.L2(0.5)
    classifier.compile(_sgd())
    after = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)["loss"]
    squares = (classifier.classifier.output_dense.kernel.numpy() ** 2).sum()
    assert after - before == pytest.approx(0.5 * squares, rel=1e-4)


def test_steps_per_execution_give_the_same_weights(plain_config: BertConfig, inputs: Data) -> None:
    models = [BertForSequenceClassification(plain_config, labels=LABELS) for _ in range(2)]
    for model, steps in zip(models, (1, 3), strict=True):
        model.compile(_sgd(), steps_per_execution=steps)
        model.fit(inputs, Y, batch_size=2, shuffle=False, verbose=0)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_compiled_model_opens_with_its_loss_and_metrics(
    classifier: BertForSequenceClassification, inputs: Data, tmp_path: Path
) -> None:
    classifier.compile(
        _sgd(), "sparse_categorical_crossentropy", metrics=["accuracy", keras.metrics.AUC()][:1]
    )
    expected = classifier.evaluate(inputs, Y, verbose=0, return_dict=True)
    classifier.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    assert opened.evaluate(inputs, Y, verbose=0, return_dict=True) == pytest.approx(expected)


@pytest.mark.parametrize("model_class", [BertForPreTraining, BertForMaskedLM])
@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda model, batch: model.compile(loss="mse"), "loss"),
        (lambda model, batch: model.compile(metrics=["accuracy"]), "metrics"),
        (lambda model, batch: model.compile(weighted_metrics=["mse"]), "weighted_metrics"),
        (lambda model, batch: model.fit(batch, Y), "y"),
        (lambda model, batch: model.fit(batch, class_weight={0: 1.0}), "class_weight"),
        (lambda model, batch: model.evaluate(batch, sample_weight=WEIGHTS), "sample_weight"),
        (lambda model, batch: model.train_on_batch(batch, Y), "y"),
    ],
)
def test_pretraining_refuses_labels_from_outside(
    plain_config: BertConfig,
    batch: Data,
    model_class: type[SupervisedModel],
    call: Callable[..., Any],
    argument: str,
) -> None:
    model = model_class(plain_config)
    model.compile()
    with pytest.raises(InputError, match=f"^{argument}: {model_class.__name__} takes none"):
        call(model, batch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_weight": {"perhaps": 2.0}}, "no label 'perhaps'"),
        ({"class_weight": {3: 2.0}}, "no label 3"),
        ({"class_weight": {0: 1.0}, "sample_weight": WEIGHTS}, "one of them"),
        ({"x": {"labels": Y}}, "in the batch and in y"),
        ({"y": None}, "trained on 'labels', which the data lack"),
        ({"y": (Y, Y)}, "takes 'labels'. Received 2"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    classifier: BertForSequenceClassification,
    inputs: Data,
    arguments: dict[str, Any],
    message: str,
) -> None:
    classifier.compile()
    given = {"x": inputs | arguments.pop("x", {}), "y": Y} | arguments
    with pytest.raises(InputError, match=message):
        classifier.fit(**given, verbose=0)


def test_callbacks_know_which_way_a_metric_is_better(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(_sgd(), metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping("val_accuracy")  # mode="auto"
    classifier.fit(inputs, Y, validation_data=(inputs, Y), callbacks=[stopping], verbose=0)
    assert bool(stopping.monitor_op(2.0, 1.0))
