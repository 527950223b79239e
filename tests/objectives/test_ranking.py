"""The loss of lists against the paper's formula in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.objectives import ListNet, TrainStep
from bert_keras.optimizers import AdamW
from tests.support.models import NO_DROPOUT, small_config

LABELS = np.array([[1, 0, 0], [0, 2, 1], [1, 0, 9], [0, 0, 0]], np.float32)
COUNTS = (3, 3, 2, 0)  # of documents that are there


def made():
    """Lists of ids, of which one lacks a document and one has none, and their logits."""
    draw = np.random.default_rng(0)
    ids = draw.integers(5, 40, size=(4, 3, 6)).astype(np.int32)
    mask = np.ones_like(ids)
    for row, count in enumerate(COUNTS):
        mask[row, count:] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": LABELS}
    return batch, draw.normal(size=(4, 3)).astype(np.float32)


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


def by_hand(logits):
    """The loss of each list with a document."""
    return [
        -(softmax(LABELS[row, :count]) * np.log(softmax(logits[row, :count]))).sum()
        for row, count in enumerate(COUNTS)
        if count
    ]


def test_the_loss_is_the_papers_over_the_documents_that_are_there():
    batch, logits = made()
    means = ListNet().measure(batch, {"logits": logits})
    assert float(means["ranking_loss"].value()) == pytest.approx(np.mean(by_hand(logits)), abs=1e-6)
    best = [logits[row, :count].argmax() for row, count in enumerate(COUNTS) if count]
    right = [
        LABELS[row, place] == LABELS[row, : COUNTS[row]].max() for row, place in enumerate(best)
    ]
    assert float(means["ranking_accuracy"].value()) == pytest.approx(np.mean(right))
    weights = ListNet().weights(batch)
    assert {name: float(value) for name, value in weights.items()} == {
        "ranking_loss": 3.0,
        "ranking_accuracy": 3.0,
    }


def test_example_weights_weigh_the_lists():
    batch, logits = made()
    batch["example_weights"] = np.array([1, 0.5, 2, 7], np.float32)
    means = ListNet().measure(batch, {"logits": logits})
    expected = np.average(by_hand(logits), weights=[1, 0.5, 2])
    assert float(means["ranking_loss"].value()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_the_model_reads_each_document_as_a_pair_of_its_own(packed):
    batch, _ = made()
    batch["labels"] = np.pad(LABELS, [(0, 0), (0, 2)])  # of other batches' longer lists
    model = BertForSequenceClassification(small_config(40, **NO_DROPOUT), packed=packed, labels=1)
    rows = {name: batch[name].reshape(12, 6) for name in ("input_ids", "attention_mask")}
    logits = np.reshape(model(rows)["logits"], (4, 3))
    means = ListNet()(model, batch, training=False)
    assert float(means["ranking_loss"].value()) == pytest.approx(np.mean(by_hand(logits)), abs=1e-5)


@pytest.mark.system
def test_a_batch_may_be_split_over_micro_batches():
    batch, _ = made()
    losses = []
    for parts in (1, 2):
        model = BertForSequenceClassification(small_config(40, **NO_DROPOUT), labels=1)
        settings = ArithmeticConfig(accumulation_steps=parts)
        step = TrainStep(tf.distribute.get_strategy(), model, AdamW(1e-2), ListNet(), settings)
        given = {name: tf.constant(values) for name, values in batch.items()}
        losses.append([float(step(given)["ranking_loss"].value()) for _ in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][2] < losses[0][0]


def test_pairs_are_refused():
    with pytest.raises(InputError, match="ListNet ranks lists"):
        ListNet().measure({"labels": LABELS}, {"logits": LABELS[:, :1]})
