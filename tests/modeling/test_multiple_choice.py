"""Multiple choice against Keras on a functional model, and what is masked or refused."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForMultipleChoice,
    BertForSequenceClassification,
    InputError,
)
from bert_keras.modeling.inputs import SEQUENCES
from tests.support.batches import sequences

B, C, L = 4, 3, 8
Y = np.array([0, 2, 1, 1])
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0], np.float32)
Data = dict[str, np.ndarray]


@pytest.fixture
def inputs() -> Data:
    """Four examples of three choices each."""
    flat = sequences((8, 2, 5, 7, 3, 6, 4, 8, 8, 5, 2, 3), L, 50)
    return {name: rows.reshape(B, C, L) for name, rows in flat.items()}


@pytest.fixture
def model(plain_config: BertConfig) -> BertForMultipleChoice:
    return BertForMultipleChoice(plain_config)


def _by_hand(model: BertForMultipleChoice, scores: Any = None) -> keras.Model:
    """A functional model that asks an encoder of its own for one choice after another."""
    encoder = BertEncoder(model.config)
    encoder.set_weights(model.encoder.get_weights())
    given = {name: keras.Input((C, L), dtype="int32", name=name) for name in SEQUENCES}
    dense = keras.layers.Dense(1)
    pooled = [
        encoder({name: value[:, place] for name, value in given.items()})["pooled_output"]
        for place in range(C)
    ]
    logits = keras.layers.Concatenate()([dense(each) for each in pooled])
    dense.set_weights(model.classifier.output_dense.get_weights())
    return keras.Model(given, keras.layers.Activation(scores)(logits))


def _sgd() -> keras.optimizers.SGD:
    return keras.optimizers.SGD(0.1)


def _assert_same_weights(model: keras.Model, plain: keras.Model) -> None:
    """But for the count of calls, which is of choices there."""
    for mine, other in zip(model.trainable_weights, plain.trainable_weights, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6, err_msg=mine.path)


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_every_choice_is_scored_by_itself(
    plain_config: BertConfig, inputs: Data, packed: bool
) -> None:
    model = BertForMultipleChoice(plain_config, packed=packed)
    logits = model(inputs)["logits"].numpy()
    np.testing.assert_allclose(logits, _by_hand(model)(inputs), atol=1e-5)
    order = [2, 0, 1]
    turned = model({name: rows[:, order] for name, rows in inputs.items()})["logits"]
    np.testing.assert_allclose(turned, logits[:, order], atol=1e-5)


@pytest.mark.system
@pytest.mark.parametrize(
    "arguments",
    [{}, {"sample_weight": WEIGHTS}, {"validation_split": 0.5}],
    ids=["x, y", "sample_weight", "validation_split"],
)
def test_fit_trains_as_keras_does(
    model: BertForMultipleChoice, inputs: Data, arguments: dict[str, Any]
) -> None:
    plain = _by_hand(model)
    plain.compile(_sgd(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.compile(_sgd())
    how = {"epochs": 2, "batch_size": 2, "shuffle": False, "verbose": 0} | arguments
    ours, theirs = (each.fit(inputs, Y, **how).history for each in (model, plain))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, err_msg=name)
    _assert_same_weights(model, plain)
    assert {"choice_loss", "choice_accuracy"} <= ours.keys()


@pytest.mark.system
def test_a_loss_and_metrics_of_keras_get_probabilities_as_they_would_there(
    model: BertForMultipleChoice, inputs: Data
) -> None:
    plain = _by_hand(model, "softmax")
    how = {
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "weighted_metrics": ["sparse_categorical_crossentropy"],
    }
    for each in (model, plain):
        each.compile(_sgd(), **how)
        each.fit(inputs, Y, sample_weight=WEIGHTS, shuffle=False, verbose=0)
    _assert_same_weights(model, plain)
    ours, theirs = (
        each.evaluate(inputs, Y, sample_weight=WEIGHTS, return_dict=True, verbose=0)
        for each in (model, plain)
    )
    for name in ("loss", "accuracy", "sparse_categorical_crossentropy"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4)


@pytest.mark.system
def test_one_hot_labels_go_with_a_loss_that_takes_them(
    model: BertForMultipleChoice, inputs: Data
) -> None:
    plain = _by_hand(model)
    for each in (model, plain):
        each.compile(_sgd(), keras.losses.CategoricalCrossentropy(from_logits=True))
    ours, theirs = (each.train_on_batch(inputs, np.eye(C)[Y]) for each in (model, plain))
    np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def test_labels_of_minus_100_count_nowhere(model: BertForMultipleChoice, inputs: Data) -> None:
    model.compile(_sgd())
    some = {name: rows[1:3] for name, rows in inputs.items()}
    expected = model.evaluate(some, Y[1:3], return_dict=True, verbose=0)
    labels = np.array([-100, 2, 1, -100])
    given = model.evaluate(inputs, labels, return_dict=True, verbose=0)
    assert given == pytest.approx(expected, rel=1e-5)


def _without(inputs: Data, example: int, choice: int) -> Data:
    """The inputs with one choice masked; its ids stay."""
    mask = inputs["attention_mask"].copy()
    mask[example, choice] = 0
    return inputs | {"attention_mask": mask}


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_choice_that_is_masked_everywhere_has_no_probability(
    plain_config: BertConfig, inputs: Data, packed: bool, dtype: str
) -> None:
    model = BertForMultipleChoice(plain_config, packed=packed, dtype=dtype)
    whole = model(inputs)["logits"].numpy()
    logits = model(_without(inputs, 1, 0))["logits"].numpy()
    scores = tf.nn.softmax(tf.cast(logits, tf.float32)).numpy()
    assert scores[1, 0] == 0.0
    is_other = np.ones((B, C), bool)
    is_other[1, 0] = False
    np.testing.assert_allclose(
        logits[is_other], whole[is_other], atol=1e-5 if dtype == "float32" else 1e-2
    )


def test_a_missing_choice_changes_neither_loss_nor_gradient(
    model: BertForMultipleChoice, inputs: Data
) -> None:
    two = {name: rows[:, :2] for name, rows in inputs.items()}
    labels = np.array([0, 1, 1, 0])
    found = []
    padded = inputs
    for example in range(B):
        padded = _without(padded, example, 2)
    for batch in (two, padded):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, labels, model(batch))
        found.append((loss, tape.gradient(loss, model.trainable_weights)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    for weight, a, b in zip(model.trainable_weights, found[0][1], found[1][1], strict=True):
        a, b = tf.convert_to_tensor(a), tf.convert_to_tensor(b)
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=weight.path)


def test_ragged_ids_are_padded_and_their_padding_is_masked(model: BertForMultipleChoice) -> None:
    ids = tf.ragged.constant([[[2, 7, 3], [2, 8, 9, 3]], [[2, 5, 3]]])
    logits = model(ids)["logits"].numpy()
    assert logits.shape == (2, 2)
    for example, choices in enumerate(ids.to_list()):
        for place, choice in enumerate(choices):
            alone = model(np.array([[choice]]))["logits"].numpy()
            assert logits[example, place] == pytest.approx(alone.item(), abs=1e-5)
    assert tf.nn.softmax(logits)[1, 1] == 0.0


def test_embeddings_may_stand_for_ids(model: BertForMultipleChoice, inputs: Data) -> None:
    table = model.encoder.embeddings.word_embeddings.numpy()
    given = {name: inputs[name] for name in SEQUENCES[1:]}
    logits = model(given | {"inputs_embeds": table[inputs["input_ids"]]})["logits"]
    np.testing.assert_allclose(logits, model(inputs)["logits"], atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 8), (2, 2, 2, 8)])
def test_ids_of_other_axes_are_refused(model: BertForMultipleChoice, shape: tuple) -> None:
    message = r"input_ids of a BertForMultipleChoice are \[batch, choices, length\]\. Received"
    with pytest.raises(InputError, match=message):
        model({"input_ids": np.ones(shape, np.int32)})


def test_a_place_that_there_is_not_is_refused(model: BertForMultipleChoice, inputs: Data) -> None:
    model.compile(_sgd())
    with pytest.raises(InputError, match="y: 3 is not from 0 to 2"):
        model.fit(inputs, np.array([0, 3, 1, 1]))
    with pytest.raises(InputError, match="labels: -1 is not from 0 to 2"):
        model.fit(inputs | {"labels": np.array([0, -1, 1, 1])})
    with pytest.raises(InputError, match="y: example 1 has no choice 2; its attention_mask is 0"):
        model.fit(_without(inputs, 1, 2), Y)
    model.test_on_batch(_without(inputs, 1, 2), np.array([0, -100, 1, 1]))


def test_a_missing_choice_is_found_in_whatever_says_so(
    model: BertForMultipleChoice, inputs: Data
) -> None:
    model.compile(_sgd())
    mask = _without(inputs, 1, 2)["attention_mask"].astype(bool)
    with pytest.raises(InputError, match="y: example 1 has no choice 2; its attention_mask is 0"):
        model.fit(inputs | {"attention_mask": mask}, Y)
    ragged = tf.ragged.constant([[[2, 7, 3], [2, 8, 9, 3]], [[2, 5, 3]]])
    with pytest.raises(InputError, match="y: example 1 has no choice 1"):
        model.fit(ragged, np.array([1, 1]))
    with pytest.raises(InputError, match="y: 2 is not from 0 to 1"):
        model.fit(ragged, np.array([1, 2]))


def test_class_weights_are_refused_since_a_place_is_no_class(
    model: BertForMultipleChoice, inputs: Data
) -> None:
    model.compile(_sgd())
    with pytest.raises(InputError, match="is the place of the right choice, and no class"):
        model.fit(inputs, Y, class_weight={0: 2.0})


@pytest.mark.parametrize("labels", [1, 3])
def test_heads_of_other_classes_are_not_taken_for_its_own(
    plain_config: BertConfig, labels: int, tmp_path: Path
) -> None:
    """A regression's has even the shape of it."""
    other = BertForSequenceClassification(plain_config, seed=5, labels=labels)
    bert_keras.save(other, tmp_path / "other")
    model = bert_keras.load(tmp_path / "other", BertForMultipleChoice)
    kernel = "classifier/output/kernel"
    assert kernel in model.report.new
    assert model.classifier.output_dense.kernel.shape == (16, 1)
    bert_keras.save(model, tmp_path / "model")
    again = bert_keras.load(tmp_path / "model")
    assert type(again) is BertForMultipleChoice
    assert not again.report.new
    back = bert_keras.load(tmp_path / "model", BertForSequenceClassification, labels=1)
    assert kernel in back.report.new


def test_its_dropout_is_in_config_json_as_in_transformers(
    plain_config: BertConfig, tmp_path: Path
) -> None:
    model = BertForMultipleChoice(plain_config, classifier_dropout=0.25)
    bert_keras.save(model, tmp_path / "model")
    again = bert_keras.load(tmp_path / "model")
    assert again.classifier_dropout == again.classifier.dropout_rate == 0.25


@pytest.mark.system
def test_keras_own_export_takes_any_number_of_choices(
    model: BertForMultipleChoice, inputs: Data, tmp_path: Path
) -> None:
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported")
    for count in (1, 3):
        given = {name: tf.constant(inputs[name][:, :count]) for name in SEQUENCES}
        np.testing.assert_allclose(
            served.serve(given)["logits"], model(given)["logits"], rtol=1e-5, atol=1e-6
        )
