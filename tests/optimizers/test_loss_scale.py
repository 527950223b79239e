import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.optimizers import LAMB, AdamW
from bert_keras.optimizers.loss_scale import LossScale

BAD_STEPS = (0, 1, 4, 9)  # those of overflow, the very first one among them


def gradients() -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    steps = [draw.normal(size=(5, 3)).astype("float32") for _ in range(12)]
    for step, value in zip(BAD_STEPS, (np.inf, np.nan, -np.inf, np.nan), strict=True):
        steps[step][2, 1] = value
    return steps


def make(optimizer: Any) -> Any:
    start = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    variable = keras.Variable(start, name="kernel")
    optimizer.build([variable])
    return variable


def take_step(optimizer: Any, gradient: np.ndarray) -> None:
    """As after ``tape.gradient(optimizer.scale_loss(loss))``."""
    optimizer.apply([optimizer.scale_loss(tf.convert_to_tensor(gradient))])


def test_it_trains_and_scales_as_keras_own_does() -> None:
    """Keras wraps an optimizer and branches around it; ours leaves out the same steps."""
    theirs = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.AdamW(0.01, weight_decay=0.01, epsilon=1e-6), dynamic_growth_steps=2000
    )
    ours = AdamW(0.01, clip_norm=None, bias_correction=True, loss_scaling=True)
    expected, found = make(theirs), make(ours)
    for gradient in gradients():
        take_step(theirs, gradient)
        take_step(ours, gradient)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
        assert ours.loss_scale is not None
        assert float(ours.loss_scale.factor.numpy()) == float(theirs.dynamic_scale.numpy())
    assert int(ours.loss_scale.skipped.numpy()) == len(BAD_STEPS)
    assert float(ours.loss_scale.factor.numpy()) == 2.0 ** (15 - len(BAD_STEPS))


@pytest.mark.parametrize("kind", [AdamW, LAMB])
@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.system), False])
def test_steps_that_overflow_leave_no_trace(kind, bias_correction, jit_compile) -> None:
    """The same as a run, without scaling, that never saw them; the scale is a power of two."""
    results = []
    for scales in (True, False):
        optimizer = kind(0.01, bias_correction=bias_correction, loss_scaling=scales)
        variable = make(optimizer)
        step = tf.function(lambda g, o=optimizer: take_step(o, g), jit_compile=jit_compile)
        for number, gradient in enumerate(gradients()):
            if scales or number not in BAD_STEPS:
                step(tf.constant(gradient))
        moments = [v.numpy() for v in optimizer.variables if "kernel" in v.path]
        results.append([variable.numpy(), *moments])
    for with_scale, without in zip(*results, strict=True):
        np.testing.assert_allclose(with_scale, without, rtol=1e-6, atol=1e-9)


def test_the_scale_grows_after_many_good_steps_and_has_bounds(monkeypatch) -> None:
    monkeypatch.setattr(LossScale, "GROWTH_STEPS", 3)
    monkeypatch.setattr(LossScale, "LARGEST", 2.0**17)
    optimizer = AdamW(0.01, loss_scaling=True)
    make(optimizer)
    assert optimizer.loss_scale is not None
    scales = []
    for _ in range(12):
        take_step(optimizer, np.ones((5, 3), "float32"))
        scales.append(float(np.log2(optimizer.loss_scale.factor.numpy())))
    assert scales == [15, 15, 16, 16, 16, 17, 17, 17, 17, 17, 17, 17]
    for _ in range(20):
        take_step(optimizer, np.full((5, 3), np.inf, "float32"))
    assert float(optimizer.loss_scale.factor.numpy()) == 1.0


def test_its_state_is_the_optimizers_and_so_in_every_checkpoint() -> None:
    optimizer = AdamW(loss_scaling=True)
    make(optimizer)
    names = {variable.path.rsplit("/", 1)[-1] for variable in optimizer.variables}
    assert {"loss_scale_factor", "loss_scale_skipped", "loss_scale_good_steps"} <= names


TWO_REPLICAS = """
import keras
import numpy as np
import tensorflow as tf
from bert_keras.optimizers import AdamW

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
draw = np.random.default_rng(0)
shares = draw.normal(size=(8, 2, 6)).astype("float32")
shares[2, 1, 3] = np.inf  # on one replica alone
results = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        variable = keras.Variable(np.ones(6, "float32"), name="kernel")
        optimizer = AdamW(0.1, loss_scaling=True)
        optimizer.build([variable])

    @tf.function
    def step(gradients):
        def update():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            share = gradients[replica] if len(devices) == 2 else tf.reduce_sum(gradients, 0)
            optimizer.apply([optimizer.scale_loss(share)], [variable])
        strategy.run(update)

    for gradients in shares:
        step(tf.constant(gradients))
    copies = [copy.numpy() for copy in strategy.experimental_local_results(variable.value)]
    for copy in copies:
        np.testing.assert_array_equal(copy, copies[0])
    assert int(optimizer.loss_scale.skipped.numpy()) == 1
    results.append(copies[0])
np.testing.assert_allclose(*results, rtol=1e-5)
"""


@pytest.mark.system
def test_replicas_leave_a_step_out_together() -> None:
    subprocess.run([sys.executable, "-c", TWO_REPLICAS], check=True, timeout=300)
