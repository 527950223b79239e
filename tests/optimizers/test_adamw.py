import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.optimizers import AdamW, WarmupLinearDecay
from tests.optimizers.steps import SHAPES, STEPS, Arrays, assert_close, gradients, start, train


def _originals_training(steps: list[Arrays], rate: Any, clip_norm: float | None) -> Arrays:
    """The update of the original's ``optimization.py``, in float64."""
    weights = {name: value.astype("float64") for name, value in start().items()}
    first = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    second = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    for step, raw in enumerate(steps):
        norm = np.sqrt(sum((gradient.astype("float64") ** 2).sum() for gradient in raw.values()))
        shrink = min(1.0, clip_norm / norm) if clip_norm else 1.0
        for name, value in weights.items():
            gradient = raw[name] * shrink
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            update = first[name] / (np.sqrt(second[name]) + 1e-6)
            if name not in ("bias", "gamma", "beta"):
                update = update + 0.01 * value
            weights[name] = value - rate(step) * update
    return weights


@pytest.mark.parametrize("clip_norm", [1.0, None])
def test_twenty_steps_equal_the_originals(clip_norm: float | None) -> None:
    ours = train(AdamW(0.01, clip_norm=clip_norm), gradients())
    assert_close(ours, _originals_training(gradients(), lambda step: 0.01, clip_norm))


def test_twenty_steps_on_a_schedule_equal_the_originals() -> None:
    schedule = WarmupLinearDecay(0.02, 5, STEPS)
    ours = train(AdamW(schedule), gradients())
    assert_close(ours, _originals_training(gradients(), lambda step: float(schedule(step)), 1.0))


def test_with_bias_correction_and_without_epsilon_it_is_keras_adamw() -> None:
    """Keras adds epsilon to the uncorrected root, which weighs 30 times as much at first."""
    theirs = keras.optimizers.AdamW(0.01, weight_decay=0.01, epsilon=1e-12)
    theirs.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    ours = AdamW(0.01, clip_norm=None, bias_correction=True, epsilon=1e-12)
    assert_close(train(ours, gradients()), train(theirs, gradients()))


def test_epsilon_is_added_to_the_corrected_root_as_in_algorithm_1() -> None:
    """Gradients of epsilon's size, where it matters: the first step is half the rate."""
    variable = keras.Variable(np.zeros(3, "float32"), name="kernel")
    optimizer = AdamW(0.1, weight_decay=0.0, clip_norm=None, bias_correction=True, epsilon=1e-3)
    optimizer.apply([tf.fill([3], 1e-3)], [variable])
    np.testing.assert_allclose(variable.numpy(), -0.05, rtol=1e-4)


def test_biases_and_layer_norms_alone_are_not_decayed() -> None:
    """Without a gradient only the decay moves a weight."""
    still = [{name: np.zeros(shape, "float32") for name, shape in SHAPES.items()}]
    after, before = train(AdamW(0.1, weight_decay=0.5), still), start()
    for name in ("bias", "gamma", "beta"):
        np.testing.assert_array_equal(after[name], before[name])
    for name in ("kernel", "word_embeddings"):
        np.testing.assert_allclose(after[name], before[name] * 0.95, rtol=1e-6)


def test_clipping_makes_the_size_of_large_gradients_irrelevant() -> None:
    large = train(AdamW(0.01), gradients(scale=1e4))
    larger = train(AdamW(0.01), gradients(scale=1e6))
    assert_close(large, larger)


def test_variables_without_a_gradient_stay_as_they_are_until_they_have_one() -> None:
    variables = [keras.Variable(np.ones(3, "float32"), name=name) for name in ("a", "b")]
    gradient = tf.constant([1.0, 2.0, 3.0])
    optimizer = AdamW(0.1)
    optimizer.apply([gradient, None], variables)
    assert not np.array_equal(variables[0], np.ones(3))
    np.testing.assert_array_equal(variables[1], np.ones(3))
    optimizer.apply([None, gradient], variables)
    assert not np.array_equal(variables[1], np.ones(3))


def test_no_gradient_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="No gradients"):
        AdamW(0.1, clip_norm=0).apply([None], [keras.Variable(np.ones(3, "float32"))])


@pytest.mark.parametrize("rate", [1e-3, WarmupLinearDecay(1e-3, 2, 10)])
def test_optimizer_serializes(rate: Any) -> None:
    optimizer = AdamW(rate, 0.02, 0.8, 0.99, 1e-5, clip_norm=0.5, bias_correction=True)
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(clone) is AdamW
    assert clone.get_config() == optimizer.get_config()
    assert_close(train(clone, gradients()), train(optimizer, gradients()))


def test_update_compiles_with_xla() -> None:
    ours = train(AdamW(0.01), gradients(), jit_compile=True)
    assert_close(ours, _originals_training(gradients(), lambda step: 0.01, 1.0))


TWO_REPLICAS = """
import keras
import numpy as np
import tensorflow as tf
from bert_keras.errors import InputError
from bert_keras.optimizers import AdamW

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
draw = np.random.default_rng(0)
shares = tf.constant(draw.normal(size=(20, 2, 6)) * 3, tf.float32)
results = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        variable = keras.Variable(np.ones(6, "float32"), name="kernel")
        optimizer = AdamW(0.1)
        optimizer.build([variable])

    @tf.function
    def step(gradients):
        def update():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            share = gradients[replica] if len(devices) == 2 else tf.reduce_sum(gradients, 0)
            optimizer.apply([share], [variable])
        strategy.run(update)

    for gradients in shares:
        step(gradients)
    results.append(variable.numpy())
np.testing.assert_allclose(*results, rtol=1e-5)
"""


@pytest.mark.system
def test_two_replicas_clip_the_sum_and_train_as_one() -> None:
    """The shares are opposed in part, so each one's norm says little about the sum's."""
    subprocess.run([sys.executable, "-c", TWO_REPLICAS], check=True, timeout=120)


@pytest.mark.parametrize("bias_correction", [False, True])
def test_accumulated_gradients_are_clipped_once_as_their_mean(bias_correction: bool) -> None:
    steps = gradients()[:8]
    means = [
        {name: (first[name] + second[name]) / 2 for name in first}
        for first, second in zip(steps[::2], steps[1::2], strict=True)
    ]
    arguments = {"clip_norm": 0.5, "bias_correction": bias_correction}
    accumulated = train(AdamW(0.01, gradient_accumulation_steps=2, **arguments), steps)
    assert_close(accumulated, train(AdamW(0.01, **arguments), means))


def test_a_rate_factor_that_matches_nothing_is_refused() -> None:
    optimizer = AdamW(0.1, rate_factors={"kernel": 0.5, "embedings/": 0.1})
    with pytest.raises(InputError, match=r"begins with 'embedings/'; they begin with kernel/"):
        optimizer.build([keras.Variable(np.ones(3, "float32"), name="kernel")])
