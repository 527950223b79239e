import keras
import numpy as np
import tensorflow as tf

from bert_keras.objectives import (
    SoftmaxCrossEntropy,
    WeightedMean,
    divided,
    mean_values,
    total_loss,
)

DRAW = np.random.default_rng(0)
LOGITS = tf.constant(DRAW.normal(size=(4, 3, 10)) * 3, tf.float32)
LABELS = tf.constant(DRAW.integers(0, 10, (4, 3)), tf.int32)
WEIGHTS = tf.constant(DRAW.integers(0, 2, (4, 3)), tf.float32)


def measure(logits, labels, weights):
    objective = SoftmaxCrossEntropy("mlm", "logits", "labels", weights="weights")
    return objective.measure({"labels": labels, "weights": weights}, {"logits": logits})


def test_loss_and_accuracy_equal_keras() -> None:
    means = measure(LOGITS, LABELS, WEIGHTS)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    accuracy.update_state(LABELS, LOGITS, sample_weight=WEIGHTS)
    assert set(means) == {"mlm_loss", "mlm_accuracy"}
    np.testing.assert_allclose(
        means["mlm_loss"].value(), loss(LABELS, LOGITS, sample_weight=WEIGHTS), rtol=1e-6
    )
    np.testing.assert_allclose(means["mlm_accuracy"].value(), accuracy.result(), rtol=1e-6)


def test_without_weights_every_label_counts_once() -> None:
    batch, outputs = {"labels": LABELS}, {"logits": LOGITS}
    means = SoftmaxCrossEntropy("nsp").measure(batch, outputs)
    assert means["nsp_loss"].weight == 12
    expected = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(LABELS, LOGITS, True))
    np.testing.assert_allclose(means["nsp_loss"].value(), expected, rtol=1e-6)


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    whole = measure(LOGITS, LABELS, WEIGHTS)["mlm_loss"]
    parts = [
        measure(LOGITS[rows], LABELS[rows], WEIGHTS[rows])["mlm_loss"]
        for rows in (slice(0, 1), slice(1, 4))
    ]
    total = WeightedMean(*(sum(numbers) for numbers in zip(*parts, strict=True)))
    np.testing.assert_allclose(total.value(), whole.value(), rtol=1e-6)


def test_mean_over_nothing_is_no_loss_and_left_out_of_what_is_told() -> None:
    means = measure(LOGITS, LABELS, tf.zeros_like(WEIGHTS))
    assert float(total_loss(means)) == 0.0
    assert mean_values([means]) == {}
    assert divided({"a_loss": (3.0, 2.0), "b_loss": (0.0, 0.0)}) == {"a_loss": 1.5}
    both = mean_values([means, measure(LOGITS, LABELS, WEIGHTS)])
    assert both.keys() == means.keys()


def test_total_is_the_sum_of_the_losses_alone() -> None:
    two, three, six = tf.constant(2.0), tf.constant(3.0), tf.constant(6.0)
    means = {
        "a_loss": WeightedMean(six, two),
        "b_loss": WeightedMean(six, three),
        "a_accuracy": WeightedMean(six, six),
    }
    assert float(total_loss(means)) == 5.0


def test_loss_is_float32_whatever_the_logits() -> None:
    means = measure(tf.cast(LOGITS, tf.bfloat16), LABELS, WEIGHTS)
    assert {part.dtype for mean in means.values() for part in mean} == {tf.float32}
