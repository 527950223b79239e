from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.errors import InputError
from bert_keras.objectives import SpanCrossEntropy

LABELS = ("no", "maybe", "yes")


def _loss(model: Any, batch: dict[str, Any]) -> float:
    return float(model.compute_loss(batch, y_pred=model(batch)))


def test_sequence_logits_are_the_classifier_of_the_pooled_output(
    config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForSequenceClassification(config, labels=LABELS)
    pooled = model.encoder(batch)["pooled_output"]
    dense = model.classifier.output_dense
    np.testing.assert_allclose(
        model(batch)["logits"], pooled @ dense.kernel + dense.bias, rtol=1e-5, atol=1e-6
    )


def test_single_label_loss_equals_keras_and_passes_ignored_rows_over(
    config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForSequenceClassification(config, labels=LABELS)
    logits = model(batch)["logits"].numpy()
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        np.array([0, 2, 1]), logits[[0, 1, 3]]
    )
    batch = batch | {"labels": np.array([0, 2, -100, 1])}
    assert _loss(model, batch) == pytest.approx(float(expected), rel=1e-5)


def test_multi_label_loss_equals_keras(config: BertConfig, batch: dict[str, Any]) -> None:
    model = BertForSequenceClassification(
        config, labels=LABELS, problem_type="multi_label_classification"
    )
    labels = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1]])
    logits = model(batch)["logits"].numpy()
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(labels, logits)
    assert _loss(model, batch | {"labels": labels}) == pytest.approx(float(expected), rel=1e-5)
    means = model.objective.measure(batch | {"labels": labels}, {"logits": logits})
    right = ((logits > 0) == labels).mean()
    assert float(means["classification_accuracy"].value()) == pytest.approx(right)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_label_is_a_regression_on_the_squared_error(
    shape: tuple[int, ...], config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForSequenceClassification(config, labels=1)
    assert model.problem_type == "regression"
    assert set(model.means) == {"regression_loss"}
    targets = np.array([1.5, -2.0, 0.25, 4.0], "float32")
    expected = np.mean((model(batch)["logits"].numpy()[:, 0] - targets) ** 2)
    loss = _loss(model, batch | {"labels": targets.reshape(shape)})
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "problem_type", "function", "resolved"),
    [
        (1, None, None, ("regression", "none")),
        (1, None, "sigmoid", ("regression", "sigmoid")),
        (1, "regression", None, ("regression", "none")),
        (1, "single_label_classification", None, ("regression", "sigmoid")),
        (1, "multi_label_classification", None, ("multi_label_classification", "sigmoid")),
        (3, None, None, ("single_label_classification", "softmax")),
        (3, None, "none", ("single_label_classification", "softmax")),
        (3, None, "sigmoid", ("multi_label_classification", "sigmoid")),
        (3, "single_label_classification", "sigmoid", ("single_label_classification", "softmax")),
        (3, "regression", None, ("regression", "none")),
    ],
)
def test_what_is_given_of_the_problem_is_kept_and_what_is_not_follows(
    labels: int,
    problem_type: str | None,
    function: str | None,
    resolved: tuple[str, str],
    config: BertConfig,
) -> None:
    given = {"problem_type": problem_type, "function_to_apply": function}
    model = BertForSequenceClassification(config, labels=labels, **given)
    assert (model.problem_type, model.function_to_apply) == resolved
    copy = BertForSequenceClassification.from_config(model.get_config())
    assert copy.as_given == given
    assert (copy.problem_type, copy.function_to_apply) == resolved


def test_softmax_of_one_label_is_refused(config: BertConfig) -> None:
    with pytest.raises(InputError, match="a softmax of one label"):
        BertForSequenceClassification(config, labels=1, function_to_apply="softmax")


def test_tagging_loss_counts_the_labeled_tokens_alone(
    config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForTokenClassification(config, labels=LABELS)
    labels = np.where(batch["attention_mask"] == 1, batch["input_ids"] % 3, -100)
    labels[:, 0] = -100
    kept = labels != -100
    logits = model(batch)["logits"].numpy()
    assert logits.shape == (4, 12, 3)
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        labels[kept], logits[kept]
    )
    assert _loss(model, batch | {"labels": labels}) == pytest.approx(float(expected), rel=1e-5)
    means = model.objective.measure(batch | {"labels": labels}, {"logits": logits})
    right = (logits.argmax(-1) == labels)[kept].mean()
    assert float(means["tagging_accuracy"].value()) == pytest.approx(right)


def test_span_loss_is_the_mean_of_both_ends_and_never_lies_in_padding(
    config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForQuestionAnswering(config)
    answers = {"start_positions": np.array([3, 0, 99, 2]), "end_positions": np.array([5, 0, 9, 6])}
    outputs = {name: logits.numpy() for name, logits in model(batch).items()}
    kept = [0, 1, 3]
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = sum(
        float(entropy(answers[f"{edge}_positions"][kept], outputs[f"{edge}_logits"][kept]))
        for edge in ("start", "end")
    )
    assert _loss(model, batch | answers) == pytest.approx(expected / 2, rel=1e-5)
    for logits in outputs.values():
        weights = tf.nn.softmax(logits).numpy()
        assert (weights[batch["attention_mask"] == 0] == 0).all()


def test_of_the_span_heads_two_columns_the_first_scores_the_start(
    config: BertConfig, batch: dict[str, Any]
) -> None:
    """As in Google's and in Hugging Face's files, where neither has a name."""
    model = BertForQuestionAnswering(config)
    dense, is_real = model.span_head.output_dense, batch["attention_mask"] == 1
    scores = (model.encoder(batch)["sequence_output"] @ dense.kernel + dense.bias).numpy()
    outputs = model(batch)
    for column, name in enumerate(("start_logits", "end_logits")):
        np.testing.assert_allclose(
            outputs[name].numpy()[is_real], scores[..., column][is_real], rtol=1e-5, atol=1e-6
        )


def test_span_is_right_only_when_both_ends_are() -> None:
    start = 9.0 * np.eye(4, dtype="float32")[[1, 1, 1]]
    end = 9.0 * np.eye(4, dtype="float32")[[2, 3, 2]]
    answers = {"start_positions": np.array([1, 1, 0]), "end_positions": np.array([2, 2, 2])}
    outputs = {"start_logits": tf.constant(start), "end_logits": tf.constant(end)}
    batch = answers | {"input_ids": np.zeros((3, 4), "int32")}
    means = SpanCrossEntropy().measure(batch, outputs)
    assert float(means["span_accuracy"].value()) == pytest.approx(1 / 3)


def test_classifier_drops_its_input_in_training_alone(
    plain_config: BertConfig, batch: dict[str, Any]
) -> None:
    model = BertForSequenceClassification(plain_config, labels=LABELS, classifier_dropout=0.5)
    calm = model(batch)["logits"].numpy()
    np.testing.assert_array_equal(model(batch)["logits"], calm)
    first, second = (model(batch, training=True)["logits"].numpy() for _ in range(2))
    assert not np.allclose(first, calm)
    assert not np.allclose(first, second)


def test_models_learn_by_fit_and_come_back_from_a_keras_file(
    plain_config: BertConfig, batch: dict[str, Any], tmp_path: Path
) -> None:
    model = BertForSequenceClassification(plain_config, labels=LABELS, classifier_dropout=0.0)
    data = tf.data.Dataset.from_tensors(batch | {"labels": np.array([0, 2, 1, 1])}).repeat(30)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(data, epochs=2, steps_per_epoch=15, verbose=0).history
    assert history["classification_loss"][1] < 0.5 * history["classification_loss"][0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.labels == LABELS
    np.testing.assert_array_equal(loaded(batch)["logits"], model(batch)["logits"])


@pytest.mark.parametrize("labels", [0, [], ["a", "a"]])
def test_impossible_labels_are_refused(labels: Any, config: BertConfig) -> None:
    with pytest.raises(InputError, match="labels must be"):
        BertForTokenClassification(replace(config, num_hidden_layers=1), labels=labels)


def test_unknown_problem_type_is_refused(config: BertConfig) -> None:
    with pytest.raises(InputError, match="problem_type must be one of regression"):
        BertForSequenceClassification(config, problem_type="ranking")
