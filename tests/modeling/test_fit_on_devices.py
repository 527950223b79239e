"""``fit``, ``evaluate`` and ``predict`` of two devices against one with the same global batches."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

# The devices must be split before TensorFlow starts, hence a process of its own.
SCRIPT = """
import json, sys
from contextlib import nullcontext
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from bert_keras import BertForSentenceEmbedding, BertForSequenceClassification, InputError
from bert_keras.objectives import InBatchNegatives
from tests.support.batches import sequences
from tests.support.by_hand import CLASS_WEIGHTS, LABELS, WEIGHTS, Y, sgd
from tests.support.models import NO_DROPOUT, small_config

TWO = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
CONFIG = small_config(
    50, hidden_size=16, max_position_embeddings=16, initializer_range=0.2, **NO_DROPOUT
)
X = sequences((12, 1, 5, 7, 3, 9), 12, 50)
SOME = np.array([-100, -100, 1, 1, 0, 2])  # one device of the first batch has none
SEVERAL = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]], "float32")
KERAS = {
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
    "weighted_metrics": ["crossentropy"],
}
# How it is compiled, its labels, further arguments of fit. Of six texts the last batch is uneven:
# its one text lies on one device.
CASES = {
    "sample_weight": ({}, Y, {"sample_weight": WEIGHTS}),
    "class_weight": ({"metrics": ["accuracy"]}, Y, {"class_weight": CLASS_WEIGHTS}),
    "loss": (KERAS, SOME, {"sample_weight": WEIGHTS}),
    "several labels": ({"loss": "binary_crossentropy"}, SEVERAL, {}),
    "weights divide": (
        {"loss": keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")},
        SOME, {"sample_weight": WEIGHTS},
    ),
}


def trained(strategy, compiled, labels, arguments):
    kind = {"problem_type": "multi_label_classification"} if labels.ndim > 1 else {}
    with strategy.scope() if strategy else nullcontext():
        model = BertForSequenceClassification(CONFIG, labels=LABELS, **kind)
    model.compile(sgd(), **compiled)  # which needs no scope
    given = {name: rows[:5] for name, rows in X.items()}
    arguments = {
        name: value[:5] if name == "sample_weight" else value for name, value in arguments.items()
    }
    history = model.fit(
        given, labels[:5], batch_size=4, epochs=2, shuffle=False, verbose=0, **arguments,
        validation_data=(given, labels[:5]),
    ).history
    return {
        "history": history,
        "weights": [weight.ravel().tolist() for weight in model.get_weights()],
        "odd": model.evaluate(given, labels[:5], verbose=0, return_dict=True),
        "logits": model.predict(given, batch_size=4, verbose=0)["logits"].tolist(),
    }


def one_number(labels, logits):
    return tf.reduce_mean(tf.square(logits - labels))


def outside(compiled):
    model = BertForSequenceClassification(CONFIG, labels=LABELS)
    with TWO.scope() if compiled else nullcontext():
        model.compile(sgd())
    with TWO.scope():
        model.fit(X, Y, verbose=0)


class OfMoreThanVectors(InBatchNegatives):
    compares = ""


def compared_in_halves():
    with TWO.scope():
        model = BertForSentenceEmbedding(CONFIG)
        model.objective = OfMoreThanVectors()
        model.compile()


for attempt in (
    lambda: trained(TWO, {"loss": one_number}, SEVERAL, {}),
    lambda: trained(TWO, {"steps_per_execution": 2}, Y, {}),
    lambda: trained(TWO, {"jit_compile": True}, Y, {}),
    lambda: outside(compiled=True),
    lambda: outside(compiled=False),
    compared_in_halves,
):
    try:
        attempt()
    except InputError as error:
        print("REFUSED", error)
for name in sys.argv[1:]:
    both = [trained(strategy, *CASES[name]) for strategy in (None, TWO)]
    print("FOUND", json.dumps(both))
"""
CASES = ("sample_weight", "class_weight", "loss", "several labels", "weights divide")

REFUSED = (
    "one_number gives one number for a whole batch",
    "steps_per_execution: Keras fails with it on several devices",
    "jit_compile: Keras fails with it on several devices",
    "compile: make the model, or load it, in this strategy's scope too",
    "fit: make the model, or load it, in this strategy's scope too",
    "OfMoreThanVectors compares the examples of a batch with each other",
)


@pytest.mark.system
def test_two_devices_train_and_report_as_one_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *CASES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("REFUSED ")]
    for line, reason in zip(refused, REFUSED, strict=True):
        assert reason in line
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert len(lines) == len(CASES)
    for case, line in zip(CASES, lines, strict=True):
        one, two = json.loads(line.removeprefix("FOUND "))
        _assert_same(case, one, two)


def _assert_same(case: str, one: dict[str, Any], two: dict[str, Any]) -> None:
    for reported in ("history", "odd"):  # by ``fit`` and of a batch that two cannot share evenly
        assert one[reported].keys() == two[reported].keys()
        for name, values in one[reported].items():
            np.testing.assert_allclose(
                two[reported][name], values, rtol=2e-5, err_msg=f"{case}: {name}"
            )
    for mine, other in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6, err_msg=case)
    np.testing.assert_allclose(one["logits"], two["logits"], rtol=1e-4, atol=1e-6, err_msg=case)
