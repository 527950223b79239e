import math

import numpy as np
import pytest

from bert_keras.data.draws import Draws, Purpose

WORD = 2**64


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> list[int]:
    """Philox 4x64 with ten rounds, from the paper's definition, in Python's integers."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2E7470EE14C6C93 * x0, 0xCA5A826395121157 * x2
        x0, x1, x2, x3 = (
            (right // WORD) ^ x1 ^ k0,
            right % WORD,
            (left // WORD) ^ x3 ^ k1,
            left % WORD,
        )
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return [x0, x1, x2, x3]


def test_the_raw_words_are_those_of_the_published_generator():
    # The first is the known answer that the generator's authors ship with Random123.
    assert philox((0, 0, 0, 0), (0, 0))[0] == 0x16554D9ECA36314C
    words = Draws(seed=12, epoch=34, purpose=Purpose.TRIM).raw(8)
    blocks = [philox((block, 0, Purpose.TRIM, 34), (12, 0)) for block in (1, 2)]
    assert words.tolist() == blocks[0] + blocks[1]


def test_draws_go_on_where_the_last_ones_ended():
    whole = Draws(1, 2, Purpose.CUT).raw(100)
    draws = Draws(1, 2, Purpose.CUT)
    np.testing.assert_array_equal(np.concatenate([draws.raw(33), draws.raw(67)]), whole)


def test_another_seed_epoch_or_purpose_gives_other_words():
    streams = [
        Draws(seed, epoch, purpose).raw(1000)
        for seed in (0, 1, 2**63 - 1)
        for epoch in (0, 1)
        for purpose in Purpose
    ]
    words = np.concatenate(streams)
    assert len(np.unique(words)) == len(words)


def test_uniform_fills_the_unit_interval_evenly():
    values = Draws(0, 0, Purpose.CUT).uniform(100_000)
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.bincount((values * 100).astype(int), minlength=100)
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert abs(chi_square - 99) < 4 * math.sqrt(2 * 99)


def test_integers_take_every_value_below_their_size_equally_often():
    values = Draws(0, 0, Purpose.CUT).integers(np.full(70_000, 7))
    counts = np.bincount(values)
    assert len(counts) == 7
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 6 + 4 * math.sqrt(12)


@pytest.mark.parametrize("tosses", [1, 5, 63, 64, 65, 200])
def test_heads_are_binomial(tosses):
    count = 40_000
    heads = Draws(3, 0, Purpose.TRIM).heads(np.full(count, tosses))
    ways = np.array([math.comb(tosses, k) for k in range(tosses + 1)], dtype=object)
    expected = (ways * count / 2**tosses).astype(float)
    observed = np.bincount(heads, minlength=tosses + 1)
    assert len(observed) == tosses + 1
    common = expected >= 10
    chi_square = ((observed - expected) ** 2 / expected)[common].sum()
    freedom = common.sum()
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)
    assert observed[~common].sum() <= 3 * (expected[~common].sum() + 5)


def test_heads_of_no_tosses_are_none():
    heads = Draws(3, 0, Purpose.TRIM).heads(np.array([0, 90, 0]))
    assert heads[[0, 2]].tolist() == [0, 0]
    assert 0 < heads[1] < 90


def test_permutations_of_three_come_in_all_orders_equally_often():
    draws = Draws(5, 0, Purpose.SHUFFLE)
    orders = [tuple(draws.permutation(3).tolist()) for _ in range(6000)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert ((counts - 1000) ** 2 / 1000).sum() < 5 + 4 * math.sqrt(10)
