"""Labels and weights in the ways that Keras takes them, against Keras and refused."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    InputError,
)
from bert_keras.modeling.supervised import SupervisedModel
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


def test_weights_weigh_labels_that_are_in_the_batch(
    classifier: BertForSequenceClassification, inputs: Data
) -> None:
    classifier.compile(sgd(), run_eagerly=True)
    apart = classifier.evaluate(inputs, Y, sample_weight=WEIGHTS, verbose=0)
    within = classifier.evaluate(inputs | {"labels": Y}, sample_weight=WEIGHTS, verbose=0)
    assert apart == within != classifier.evaluate(inputs, Y, verbose=0)


@pytest.mark.system
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
    plain = by_hand(model)
    plain.compile(sgd(), losses[problem])
    model.compile(sgd())
    same_training(model, plain, inputs, labels, sample_weight=WEIGHTS)


def test_tokens_are_weighed_and_ignored_labels_are_left_out(
    plain_config: BertConfig, inputs: Data
) -> None:
    model = BertForTokenClassification(plain_config, labels=LABELS)
    tags = np.random.default_rng(0).integers(0, 3, (6, 12))
    tags[:, 0] = tags[1:, 5:] = -100
    plain = by_hand(model)
    plain.compile(sgd(), CROSSENTROPY(from_logits=True, ignore_class=-100), run_eagerly=True)
    model.compile(sgd(), metrics=["accuracy"], run_eagerly=True)
    spread = np.tile(WEIGHTS[:, None], 12)
    expected = plain.train_on_batch(inputs, tags, sample_weight=spread)
    found = model.train_on_batch(inputs, tags, sample_weight=WEIGHTS, return_dict=True)
    assert found["loss"] == pytest.approx(float(expected), rel=2e-5)
    assert found["accuracy"] == pytest.approx(found["tagging_accuracy"])

    per_token = np.array([1.0, 4.0, 0.25], np.float32)[np.maximum(tags, 0)]
    by_class = model.train_on_batch(inputs, tags, class_weight=CLASS_WEIGHTS, return_dict=True)
    plain_loss = plain.train_on_batch(inputs, tags, sample_weight=per_token)
    assert by_class["loss"] == pytest.approx(float(plain_loss), rel=2e-5)


@pytest.mark.parametrize("form", [dict, pytest.param(tuple, marks=pytest.mark.system)])
def test_spans_take_both_ends_as_labels(plain_config: BertConfig, inputs: Data, form: type) -> None:
    model = BertForQuestionAnswering(plain_config)
    starts, ends = np.array([1, 0, 2, 3, 0, -1]), np.array([3, 0, 4, 3, 1, 5])
    y = (starts, ends) if form is tuple else {"start_positions": starts, "end_positions": ends}
    model.compile(sgd(), CROSSENTROPY(from_logits=True))
    logits = model(inputs)
    found = model.evaluate(inputs, y, verbose=0, return_dict=True)
    expected = [
        float(CROSSENTROPY(from_logits=True)(labels[:5], logits[name][:5]))
        for labels, name in ((starts, "start_logits"), (ends, "end_logits"))
    ]
    assert found["loss"] == pytest.approx(sum(expected), rel=1e-5)
    model.compile(sgd())
    own = model.evaluate(inputs, y, verbose=0, return_dict=True)
    assert own["loss"] == pytest.approx(sum(expected) / 2, rel=1e-5)
    weighed = model.evaluate(inputs, y, sample_weight=np.full(6, 3.0), verbose=0)
    assert weighed[0] == pytest.approx(3 * own["loss"], rel=1e-5)


@pytest.mark.parametrize("model_class", [BertForPreTraining, BertForMaskedLM])
@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda model, batch: model.compile(loss="mse"), "loss"),
        (lambda model, batch: model.compile(loss_weights=2.0), "loss_weights"),
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
        ({"class_weight": {"no": 1.0, 0: 2.0}}, "'no' has two weights, by name and by number"),
        ({"class_weight": {"no": None}}, "that of 'no' must be a number, not None"),
        ({"class_weight": {"no": np.nan}}, "that of 'no' must be a number, not nan"),
        ({"class_weight": [1.0, 2.0, 3.0]}, "class_weight: a dictionary from labels to weights"),
        ({"class_weight": {0: 1.0}, "sample_weight": WEIGHTS}, "one of them"),
        ({"sample_weight": 2.0}, r"sample_weight: one number for each example"),
        ({"sample_weight": WEIGHTS * np.nan}, "sample_weight: nan is not a finite number"),
        ({"sample_weight": list("abcdef")}, "sample_weight must be numbers"),
        ({"sample_weight": np.ones((6, 12))}, r"sample_weight, or .* Received \(None, 12\)"),
        ({"x": {"labels": Y}}, "in the batch and in y"),
        ({"x": {"labels": Y}, "y": None, "sample_weight": [[1.0], []]}, "different lengths"),
        ({"y": None}, "trained on 'labels', which the data lack"),
        ({"x": {"example_weights": WEIGHTS}, "loss": "crossentropy"}, "takes sample_weight"),
        ({"x": {"token_type_ids": np.full((6, 12), 2)}}, "token_type_ids: 2 is not from 0 to 1"),
        ({"y": (Y, Y)}, "takes 'labels'. Received: 2"),
        ({"y": {"label": Y}}, "takes 'labels'. Received: 1 with other names"),
        ({"y": ["no"] * 6}, r"y must be numbers \(labels are numbered as in model.labels\)"),
        ({"y": Y + 0.5}, "y: 0.5 is not a whole number"),
        ({"y": Y * np.nan}, "y: nan is not a finite number"),
        ({"y": [[0], [1, 2], [], [], [], []]}, "y: rows have different lengths"),
    ],
)
def test_what_cannot_be_honored_is_refused(
    classifier: BertForSequenceClassification,
    inputs: Data,
    arguments: dict[str, Any],
    message: str,
) -> None:
    classifier.compile(loss=arguments.get("loss"), run_eagerly="None, 12" not in message)
    given = {"x": inputs | arguments.get("x", {}), "y": Y}
    given |= {name: value for name, value in arguments.items() if name not in ("x", "loss")}
    with pytest.raises(InputError, match=message):
        classifier.fit(**given, verbose=0)


SEVERAL = {"labels": LABELS, "problem_type": "multi_label_classification"}
NUMBERS = {"labels": LABELS, "problem_type": "regression"}


@pytest.mark.parametrize(
    ("make", "arguments", "y", "message"),
    [
        (BertForSequenceClassification, SEVERAL, np.full((6, 3), -100), "y: -100 is not from 0"),
        (BertForSequenceClassification, SEVERAL, np.ones((6, 2)), "0 or 1 for each label"),
        (BertForSequenceClassification, SEVERAL, np.ones(6), "0 or 1 for each label"),
        (BertForSequenceClassification, NUMBERS, np.ones((6, 2)), "a number for each value"),
        (BertForSequenceClassification, {"labels": 1}, np.ones((6, 3)), "a number for each value"),
        (BertForTokenClassification, {"labels": LABELS}, Y, "one label for each token"),
        (BertForTokenClassification, {"labels": LABELS}, Y[:, None], "one label for each token"),
        (BertForQuestionAnswering, {}, Y, "takes 'start_positions', 'end_positions'. Received: 1"),
        (BertForQuestionAnswering, {}, (np.ones((6, 2)),) * 2, "one number for each example"),
        (BertForQuestionAnswering, {}, (Y + 0.5, Y), "y: 0.5 is not a whole number"),
    ],
)
def test_labels_of_another_shape_are_refused(
    plain_config: BertConfig,
    inputs: Data,
    make: Callable[..., SupervisedModel],
    arguments: dict[str, Any],
    y: Any,
    message: str,
) -> None:
    model = make(plain_config, **arguments)
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match=message):
        model.fit(inputs, y, verbose=0)
    if isinstance(y, np.ndarray) and "from 0" not in message and "takes" not in message:
        data = tf.data.Dataset.from_tensor_slices((inputs, y)).batch(6)
        with pytest.raises(InputError, match=r"labels: "):
            model.fit(data, verbose=0)


@pytest.mark.parametrize(
    "form",
    [
        "lists",
        "data set",
        *(
            pytest.param(form, marks=pytest.mark.system)
            for form in ("ids", "lists of ids", "tensors", "ragged")
        ),
    ],
)
def test_whatever_a_model_is_called_with_is_data(
    classifier: BertForSequenceClassification, inputs: Data, form: str
) -> None:
    ids = inputs["input_ids"]
    lengths = inputs["attention_mask"].sum(axis=1)
    batch, x, y = {"input_ids": ids}, ids, Y.tolist()
    if form == "lists of ids":
        x = ids.tolist()
    elif form == "lists":
        batch, x = inputs, {name: values.tolist() for name, values in inputs.items()}
    elif form == "tensors":
        batch, x = inputs, {name: tf.constant(values) for name, values in inputs.items()}
    elif form == "ragged":
        batch = batch | {"attention_mask": inputs["attention_mask"]}
        rows = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
        x = tf.ragged.constant(rows, dtype=tf.int32)
    classifier.compile(run_eagerly=True)
    expected = classifier.evaluate(batch, Y, verbose=0, return_dict=True)
    data = (tf.data.Dataset.from_tensor_slices((x, Y)).batch(6),) if form == "data set" else (x, y)
    found = classifier.evaluate(*data, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-6)
    logits = classifier.predict(x, verbose=0)["logits"]
    np.testing.assert_allclose(logits, classifier(batch)["logits"], rtol=1e-5, atol=1e-6)
    if form != "data set":
        weighed = classifier.evaluate(x, y, sample_weight=WEIGHTS.tolist(), verbose=0)
        assert weighed == pytest.approx(
            classifier.evaluate(batch, Y, sample_weight=WEIGHTS, verbose=0), rel=1e-6
        )


@pytest.mark.parametrize("form", [dict, tuple])
def test_weights_of_each_end_are_those_of_keras(
    plain_config: BertConfig, inputs: Data, form: type
) -> None:
    model = BertForQuestionAnswering(plain_config)
    ends = {
        "start_logits": np.array([1, 0, 0, 3, 0, 2]),
        "end_logits": np.array([3, 0, 0, 3, 1, 2]),
    }
    weights = {"start_logits": WEIGHTS, "end_logits": WEIGHTS[::-1].copy()}
    y, by_end = (
        (ends, weights) if form is dict else tuple(map(tuple, map(dict.values, (ends, weights))))
    )
    model.compile(sgd(), CROSSENTROPY(from_logits=True), run_eagerly=True)
    logits = model(inputs)
    expected = sum(
        float(CROSSENTROPY(from_logits=True)(ends[name], logits[name], weights[name]))
        for name in ends
    )
    found = model.evaluate(inputs, y, sample_weight=by_end, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    data = tf.data.Dataset.from_tensor_slices((inputs, y, by_end)).batch(6)
    assert model.evaluate(data, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    model.compile(sgd(), run_eagerly=True)
    with pytest.raises(InputError, match="sample_weight: the model's own loss takes one"):
        model.evaluate(inputs, y, sample_weight=by_end, verbose=0)
