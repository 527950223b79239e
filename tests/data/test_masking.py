import math
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.data.masking import TokenMasking
from tests.support.batches import special_texts

CLS, SEP, MASK, VOCAB = 2, 3, 4, 1000
LENGTH, PREDICTIONS = 64, 10


def masking_of(**changes) -> TokenMasking:
    settings = {
        "max_seq_length": LENGTH,
        "max_predictions_per_seq": PREDICTIONS,
        "masking_rate": 0.15,
        "vocab_size": VOCAB,
        "special_ids": (CLS, SEP),
        "mask_id": MASK,
    }
    return TokenMasking(**(settings | changes))


def texts(lengths, length=LENGTH):
    return special_texts(lengths, length, VOCAB)


def mask(masking, ids, attention, seed=0, step=0):
    draws = masking.draw(len(ids), seed, tf.constant(step, tf.int64))
    batch = masking(tf.constant(ids), tf.constant(attention), draws)
    return {name: value.numpy() for name, value in batch.items()}


@pytest.fixture(scope="module")
def large():
    """20,000 texts of all lengths, and the same masked."""
    ids, attention = texts(np.random.default_rng(1).integers(5, LENGTH + 1, 20_000))
    return ids, attention, mask(masking_of(), ids, attention)


@pytest.mark.parametrize(
    ("rate", "predictions", "length"), [(0.15, 20, 128), (0.15, 77, 512), (0.4, 60, 128)]
)
def test_the_count_is_right_for_every_length(rate, predictions, length):
    lengths = np.arange(5, length + 1)
    masking = masking_of(
        max_seq_length=length, max_predictions_per_seq=predictions, masking_rate=rate
    )
    counts = mask(masking, *texts(lengths, length))["masked_lm_weights"].sum(1)
    for number, count in zip(lengths.tolist(), counts.tolist(), strict=True):
        # The float product, then halves to the even number, as Python 3's `round` has it.
        product = Decimal(number * rate).to_integral_value(ROUND_HALF_EVEN)
        assert count == min(predictions, max(1, int(product)))


def test_halves_are_rounded_to_the_even_number():
    # 0.15 * 10 = 1.5, 0.15 * 30 = 4.5, 0.15 * 50 = 7.5; 0.15 * 3 is less than a half.
    assert [masking_of().counts_by_length()[n] for n in (10, 30, 50, 3)] == [2, 4, 8, 1]


def test_only_words_are_chosen_each_once_in_ascending_order(large):
    ids, _, batch = large
    for row in range(len(ids)):
        positions = batch["masked_lm_positions"][row][batch["masked_lm_weights"][row] == 1]
        assert (np.diff(positions) > 0).all()
        assert ids[row, positions].min() >= 5


def test_unused_slots_come_last_and_hold_zeros(large):
    _, _, batch = large
    unused = batch["masked_lm_weights"] == 0
    assert set(np.unique(batch["masked_lm_weights"]).tolist()) == {0.0, 1.0}
    assert (np.diff(batch["masked_lm_weights"], axis=1) <= 0).all()
    assert (batch["masked_lm_positions"][unused] == 0).all()
    assert (batch["masked_lm_ids"][unused] == 0).all()


def test_the_labels_restore_the_text_exactly(large):
    ids, _, batch = large
    restored = batch["input_ids"].copy()
    rows, slots = np.nonzero(batch["masked_lm_weights"])
    restored[rows, batch["masked_lm_positions"][rows, slots]] = batch["masked_lm_ids"][rows, slots]
    np.testing.assert_array_equal(restored, ids)
    assert (batch["input_ids"] != ids).any()


def test_80_percent_are_masked_10_kept_10_random_words_of_the_whole_vocabulary(large):
    _, _, batch = large
    rows, slots = np.nonzero(batch["masked_lm_weights"])
    seen = batch["input_ids"][rows, batch["masked_lm_positions"][rows, slots]]
    original = batch["masked_lm_ids"][rows, slots]
    total = len(seen)
    is_mask, is_kept = seen == MASK, seen == original
    # A random word is [MASK] or the word itself once in VOCAB draws.
    for share, expected in (
        (is_mask.mean(), 0.8 + 0.1 / VOCAB),
        (is_kept.mean(), 0.1 + 0.1 / VOCAB),
        ((~is_mask & ~is_kept).mean(), 0.1 - 0.2 / VOCAB),
    ):
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / total)
    words = np.bincount(seen[~is_mask & ~is_kept], minlength=VOCAB)
    assert len(words) == VOCAB
    assert (words[:4] > 0).any()  # Special tokens are words of the vocabulary too, as they were.
    others = np.delete(words, MASK)
    expected = others.mean()
    chi_square = ((others - expected) ** 2 / expected).sum()
    assert abs(chi_square - (VOCAB - 2)) < 4 * math.sqrt(2 * VOCAB)


def test_every_word_of_a_text_is_chosen_equally_often():
    count, number = 20_000, 40
    ids, attention = texts([number] * count)
    batch = mask(masking_of(), ids, attention)
    positions = batch["masked_lm_positions"][batch["masked_lm_weights"] == 1]
    times = np.bincount(positions, minlength=LENGTH)
    words = np.setdiff1d(np.arange(number), [0, number // 2, number - 1])
    assert times.sum() == times[words].sum() == count * 6
    expected = count * 6 / len(words)
    # Without replacement, a word's count varies as a coin with p = 6 / 37.
    variance = expected * (1 - 6 / len(words))
    assert np.abs(times[words] - expected).max() < 4.5 * math.sqrt(variance)
    # The action hangs on no position either.
    changed = (batch["input_ids"] == MASK).sum(0)[words] / times[words]
    assert np.abs(changed - 0.8).max() < 4.5 * math.sqrt(0.16 / expected)


def test_pairs_of_words_are_chosen_together_equally_often():
    count = 20_000
    ids, attention = texts([13] * count)
    batch = mask(masking_of(), ids, attention)
    assert (batch["masked_lm_weights"].sum(1) == 2).all()
    pairs = batch["masked_lm_positions"][:, :2]
    _, times = np.unique(pairs, axis=0, return_counts=True)
    assert len(times) == 45
    expected = count / 45
    assert ((times - expected) ** 2 / expected).sum() < 44 + 4 * math.sqrt(88)


def test_special_tokens_in_the_text_are_treated_as_by_the_original():
    # [CLS] and [SEP] are excluded wherever they stand; [MASK] and others are words.
    ids, attention = texts([60] * 2000)
    ids[:, 10], ids[:, 11], ids[:, 12] = CLS, SEP, MASK
    batch = mask(masking_of(), ids, attention)
    chosen = np.bincount(batch["masked_lm_positions"].ravel(), minlength=LENGTH)
    assert chosen[10] == chosen[11] == 0
    assert chosen[12] > 100


def test_a_text_with_fewer_words_than_the_count_has_them_all_predicted():
    ids, attention = texts([8])
    ids[0, 1:3] = SEP
    masking = masking_of(masking_rate=1.0)
    batch = mask(masking, ids, attention)
    assert batch["masked_lm_weights"].sum() == 3
    assert batch["masked_lm_positions"][0, :4].tolist() == [3, 5, 6, 0]


def test_the_seed_and_the_step_alone_decide_the_masks():
    ids, attention = texts([60] * 32)
    before = mask(masking_of(), ids, attention, seed=5, step=6)
    again = mask(masking_of(), ids, attention, seed=5, step=6)
    for name, value in before.items():
        assert value.tobytes() == again[name].tobytes()
    for seed, step in ((6, 6), (5, 7), (6, 5)):
        other = mask(masking_of(), ids, attention, seed=seed, step=step)
        same = (other["masked_lm_positions"] == before["masked_lm_positions"]).mean()
        assert same < 0.2


def test_it_compiles_under_xla_with_static_shapes_to_the_same_numbers():
    ids, attention = texts([5, 30, 60, 64])
    masking = masking_of()
    compiled = tf.function(
        lambda step: masking(tf.constant(ids), tf.constant(attention), masking.draw(4, 1, step)),
        jit_compile=True,
    )
    expected = mask(masking, ids, attention, seed=1, step=9)
    for name, value in compiled(tf.constant(9, tf.int64)).items():
        np.testing.assert_array_equal(value.numpy(), expected[name])
