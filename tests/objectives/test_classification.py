import numpy as np
import pytest
import tensorflow as tf

from bert_keras.objectives import (
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SpanCrossEntropy,
    SquaredError,
    SumOf,
)

DRAW = np.random.default_rng(0)
INPUTS = {"input_ids": np.zeros((4, 6), "int32")}
LOGITS = {"logits": tf.constant(DRAW.normal(size=(4, 3)), tf.float32)}
# Of each objective: itself, the labels of a batch, what a model would answer.
CASES = {
    "ignored": (
        SoftmaxCrossEntropy("classification"), {"labels": np.array([0, -100, 2, 1])}, LOGITS
    ),
    "weighted": (
        SoftmaxCrossEntropy("classification"),
        {
            "labels": np.array([0, -100, 2, 1]),
            "example_weights": np.array([0.5, 2, 3, 1], "float32"),
        },
        LOGITS,
    ),
    "masked": (
        SoftmaxCrossEntropy("mlm", labels="masked_lm_ids", weights="masked_lm_weights"),
        {
            "masked_lm_ids": np.array([0, 1, 2, 1]),
            "masked_lm_weights": np.array([1, 0, 1, 1], "float32"),
        },
        LOGITS,
    ),
    "sigmoid": (SigmoidCrossEntropy("classification"), {"labels": np.eye(4, 3)}, LOGITS),
    "squared": (SquaredError("regression"), {"labels": DRAW.normal(size=(4, 3))}, LOGITS),
    "span": (
        SpanCrossEntropy(),
        {"start_positions": np.array([0, 2, 6, 3]), "end_positions": np.array([1, 2, 3, 9])},
        {
            f"{edge}_logits": tf.constant(DRAW.normal(size=(4, 6)), tf.float32)
            for edge in ("start", "end")
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_weights_follow_from_the_labels_alone_and_are_those_of_the_means(case):
    objective, labels, outputs = CASES[case]
    batch = INPUTS | labels
    means = objective.measure(batch, outputs)
    weights = objective.weights(batch)
    assert tuple(means) == tuple(weights) == objective.names
    for name, mean in means.items():
        assert float(mean.weight) == float(weights[name]) > 0


def test_example_weights_weigh_the_loss_and_not_the_accuracy():
    objective, labels, outputs = CASES["weighted"]
    means = objective.measure(labels, outputs)
    kept, weights = [0, 2, 3], labels["example_weights"]
    losses = -np.log(tf.nn.softmax(outputs["logits"]).numpy()[kept, labels["labels"][kept]])
    expected = np.average(losses, weights=weights[kept])
    assert float(means["classification_loss"].value()) == pytest.approx(expected, rel=1e-5)
    assert float(means["classification_accuracy"].weight) == 3


def test_a_sum_measures_what_the_batch_has_labels_for():
    masked, next_sentence = CASES["masked"][0], SoftmaxCrossEntropy("nsp", labels="is_random")
    objective = SumOf(masked, {"is_random": next_sentence})
    batch = CASES["masked"][1]
    assert objective.names == ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    assert tuple(objective.measure(batch, LOGITS)) == masked.names
    both = batch | {"is_random": np.array([0, 1, 0, 1])}
    assert tuple(objective.measure(both, LOGITS)) == tuple(objective.weights(both))
    assert set(objective.weights(both)) == set(objective.names)
    with pytest.raises(KeyError, match="masked_lm_ids"):
        objective.measure({"is_random": both["is_random"]}, LOGITS)
