"""Which texts of a batch are negatives of an anchor; test_embedding.py has the losses."""

import math

import numpy as np
import pytest

from bert_keras.objectives import CoSENT, InBatchNegatives
from tests.support.vectors import H, in_batch, loss_and_gradient, made


def test_a_batch_of_one_pair_teaches_nothing_that_compares_examples():
    batch, vectors = made(1, 2, labels=np.array([0.5], np.float32))
    for objective in (InBatchNegatives(), InBatchNegatives(symmetric=True), CoSENT()):
        loss, gradient = loss_and_gradient(objective, batch, vectors)
        assert float(loss) == 0
        assert not gradient.numpy().any()


def test_an_anchor_is_compared_with_its_own_hard_negatives_in_a_batch_of_one():
    batch, vectors = made(1, 3)
    vectors[0] = np.eye(3, H)
    means = InBatchNegatives().measure(batch, {"sentence_embedding": vectors})
    assert float(means["contrastive_loss"].value()) == pytest.approx(math.log(2), rel=1e-6)
    assert float(means["contrastive_accuracy"].value()) == 0.0  # as near is not nearer


def test_the_same_text_twice_is_a_pair_as_any_other():
    """As in SimCSE, where dropout alone tells the two vectors apart."""
    batch, vectors = made(4, 2)
    expected = in_batch(batch, vectors)["contrastive_loss"]
    batch["input_ids"][:, 1] = batch["input_ids"][:, 0]
    loss, _ = loss_and_gradient(InBatchNegatives(), batch, vectors)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("words", ["no attention_mask", "inputs_embeds"])
def test_without_a_mask_all_texts_are_there_and_without_ids_all_differ(words):
    batch, vectors = made(4, 3)
    expected = in_batch(batch, vectors)["contrastive_loss"]
    ids = batch["input_ids"]
    if words == "inputs_embeds":
        given = {"inputs_embeds": np.ones((*ids.shape, 5), np.float32)}
    else:
        given = {"input_ids": ids}
    loss, _ = loss_and_gradient(InBatchNegatives(), given, vectors)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_texts_differ_by_a_single_bit_of_an_id_or_by_their_length():
    batch, vectors = made(3, 2)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    ids[1:, 1] = ids[0, 1] = 0, 2**30, 3, 0
    ids[1, 1, 1] += 1
    mask[2, 1, 3] = 0  # an id of 0 is not padding
    expected = in_batch(batch, vectors)["contrastive_loss"]
    loss, _ = loss_and_gradient(InBatchNegatives(), batch, vectors)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    ids[1, 1, 1] -= 1
    other, _ = loss_and_gradient(InBatchNegatives(), batch, vectors)
    assert float(other) < float(loss)
