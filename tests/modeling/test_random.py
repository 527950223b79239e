import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic import PLAIN, TPU, Arithmetic
from bert_keras.modeling.random import (
    DropoutSeeds,
    dropout,
    fold_in,
    kernel_initializer,
)

ONES = tf.ones([200, 500])
SEED = tf.constant([7, 1], tf.int64)


# Drawn by Philox from 16 bits, and as on a TPU (which a CPU does by Philox too) from 32.
GENERATORS = pytest.mark.parametrize("arithmetic", [PLAIN, TPU()], ids=["plain", "tpu"])


def _mask(arithmetic: Arithmetic, seed: object = SEED, site: int = 3) -> np.ndarray:
    return dropout(ONES, 0.1, tf.constant(seed, tf.int64), site, arithmetic).numpy() > 0


@GENERATORS
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_its_share_and_scales_the_rest(rate: float, arithmetic: Arithmetic) -> None:
    dropped = dropout(ONES, rate, SEED, 3, arithmetic).numpy()
    share = (dropped == 0).mean()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / dropped.size) ** 0.5
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - rate), rtol=1e-6)


def test_dropout_without_a_seed_or_rate_drops_nothing() -> None:
    np.testing.assert_array_equal(dropout(ONES, 0.5, None, 3), ONES)
    np.testing.assert_array_equal(dropout(ONES, 0.0, SEED, 3), ONES)


@GENERATORS
def test_same_step_replica_and_site_draw_the_same_mask_in_eager_and_graph(
    arithmetic: Arithmetic,
) -> None:
    graph = tf.function(lambda seed: dropout(ONES, 0.1, seed, 3, arithmetic))
    np.testing.assert_array_equal(_mask(arithmetic), _mask(arithmetic))
    np.testing.assert_array_equal(_mask(arithmetic), graph(SEED).numpy() > 0)


@GENERATORS
def test_xla_draws_the_same_mask(arithmetic: Arithmetic) -> None:
    compiled = tf.function(lambda seed: dropout(ONES, 0.1, seed, 3, arithmetic), jit_compile=True)
    np.testing.assert_array_equal(_mask(arithmetic), compiled(SEED).numpy() > 0)


@GENERATORS
@pytest.mark.parametrize(
    ("seed", "site"), [((8, 1), 3), ((7, 2), 3), ((7, 1), 4)], ids=["step", "replica", "site"]
)
def test_another_step_replica_or_site_draws_an_unrelated_mask(
    seed: tuple[int, int], site: int, arithmetic: Arithmetic
) -> None:
    # Two independent masks agree on 0.9 * 0.9 + 0.1 * 0.1 of their places.
    first, second = _mask(arithmetic), _mask(arithmetic, seed, site)
    assert abs((first == second).mean() - 0.82) < 0.01
    # Nor is one the other's continuation.
    assert abs((first.ravel()[4:] == second.ravel()[:-4]).mean() - 0.82) < 0.01


def test_dropout_keeps_the_dtype() -> None:
    assert dropout(tf.cast(ONES, tf.bfloat16), 0.1, SEED, 3).dtype == tf.bfloat16


def test_gradient_flows_through_the_kept_places_only() -> None:
    with tf.GradientTape() as tape:
        tape.watch(ONES)
        dropped = dropout(ONES, 0.1, SEED, 3)
    np.testing.assert_allclose(tape.gradient(dropped, ONES), _mask(PLAIN) / 0.9, rtol=1e-6)


def test_dropout_seeds_count_the_calls() -> None:
    seeds = DropoutSeeds()
    seeds.build()
    assert [seeds.next().numpy().tolist() for _ in range(3)] == [[0, 0], [1, 0], [2, 0]]


def test_a_call_with_a_seed_of_its_own_is_not_counted() -> None:
    seeds = DropoutSeeds()
    seeds.build()
    assert seeds.for_call(True, SEED) is SEED
    assert seeds.for_call(False, SEED) is None
    assert int(seeds.step) == 0
    assert seeds.for_call(True, None).numpy().tolist() == [0, 0]


def test_fold_in_tells_names_and_seeds_apart() -> None:
    seeds = {fold_in(seed, name) for seed in range(50) for name in ("query", "key", "value")}
    assert len(seeds) == 150
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_fold_in_is_the_same_on_every_machine() -> None:
    """A changed value would give every seeded run other weights: a break to announce."""
    assert fold_in(0, "embeddings") == 2030438630


def test_initial_weights_are_normal_and_cut_at_two_sigma() -> None:
    values = kernel_initializer(0.02, seed=1)((500, 500)).numpy()
    assert np.abs(values).max() <= 0.04
    assert np.abs(values).max() > 0.0399
    assert abs(values.mean()) < 2e-4
    # A normal distribution cut at two sigma keeps 0.8796 of its deviation.
    assert abs(values.std() / (0.02 * 0.8796) - 1) < 0.01
