"""The step as XLA compiles it, and on two devices; the small step is that of test_steps.py."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.tpu import assert_for_a_tpu

STEPS_FILE = Path(__file__).with_name("test_steps.py")
spec = importlib.util.spec_from_file_location("small_steps", STEPS_FILE)
assert spec is not None
assert spec.loader is not None
steps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(steps)
ALL_TOGETHER, CONFIG, STEPS = steps.ALL_TOGETHER, steps.CONFIG, steps.STEPS


@pytest.fixture(scope="module")
def plain():
    """One device, one batch at a time, float32, no dropout."""
    return steps.train()


# The devices must be split before TensorFlow starts, hence a process of its own.
TWO_DEVICES = """
import importlib.util, json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
spec = importlib.util.spec_from_file_location("test_steps", sys.argv[1])
steps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(steps)
strategy = tf.distribute.MirroredStrategy()
assert strategy.num_replicas_in_sync == 2
for settings in json.loads(sys.argv[2]):
    try:
        losses, weights = steps.train(strategy, **settings)
        found = {"losses": losses.tolist(), "weights": [w.ravel().tolist() for w in weights]}
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    print("FOUND", json.dumps(found))
"""


def train_on_two_devices(*settings):
    command = [sys.executable, "-c", TWO_DEVICES, STEPS_FILE, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    return [json.loads(line.removeprefix("FOUND ")) for line in lines]


def assert_as_one_device(found, plain, steps_per_call, tolerance):
    expected = plain[0].reshape(-1, steps_per_call, 2).sum(axis=1).ravel()
    np.testing.assert_allclose(found["losses"], expected, rtol=tolerance)


@pytest.mark.system
def test_two_devices_with_everything_on_train_as_one(plain):
    (found,) = train_on_two_devices(ALL_TOGETHER)
    assert_as_one_device(found, plain, 2, 1e-5)
    weights = [np.array(w) for w in found["weights"]]
    assert steps.largest_difference(weights, [w.ravel() for w in plain[1]]) < 5e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("mixed_bfloat16", 2e-2), ("mixed_float16", 5e-3)]
)
def test_two_devices_in_mixed_precision(precision, tolerance, plain):
    alone, together = train_on_two_devices(
        {"precision": precision}, {"precision": precision, **ALL_TOGETHER}
    )
    assert_as_one_device(alone, plain, 1, tolerance)
    assert_as_one_device(together, plain, 2, tolerance)


@pytest.mark.slow
def test_two_devices_compiled_by_xla(plain):
    """Alone, and with everything else on."""
    alone, together = train_on_two_devices(
        {"jit_compile": True}, {"jit_compile": True, "precision": "mixed_float16", **ALL_TOGETHER}
    )
    assert_as_one_device(alone, plain, 1, 1e-5)
    assert_as_one_device(together, plain, 2, 5e-3)


WHOLE_STEP = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy()
with strategy.scope():
    variable = tf.Variable(1.0, aggregation=tf.VariableAggregation.MEAN)
step = tf.function(lambda: variable.assign_add(1.0), jit_compile=True)
try:
    tf.function(lambda: strategy.run(step))()
except tf.errors.InvalidArgumentError as error:
    print("REFUSED", str(error))
"""


@pytest.mark.slow
def test_tensorflow_refuses_to_compile_a_whole_step_for_two_logical_cpus():
    """The reason why ``TrainStep`` compiles the passes apart; when this fails, it need not."""
    command = [sys.executable, "-c", WHOLE_STEP]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert re.search(
        r"REFUSED .*Trying to access resource .* located in device .*CPU:1 from device .*CPU:0",
        done.stdout.replace("\n", " "),
    )


def lowered(**settings):
    """The XLA programs of the step, as TensorFlow hands it over and as it is optimized."""
    step, model, optimizer = steps.make_step(dropout=0.1, jit_compile=True, **settings)
    count = len(model.variables) + len(optimizer.variables)
    (batch, *_) = steps.batches()
    program = step.update.experimental_get_compiler_ir(batch)
    assert len(model.variables) + len(optimizer.variables) == count
    return program(stage="hlo"), program(stage="optimized_hlo")


def multiplications(program):
    return len(re.findall(r" dot\(", program))


@pytest.fixture(scope="module")
def plain_programs():
    return lowered()


@pytest.fixture(scope="module")
def programs():
    return lowered(precision="mixed_float16", accumulation_steps=2, rematerialize=True)


@pytest.mark.system
@pytest.mark.parametrize(
    "name", [pytest.param("plain_programs", marks=pytest.mark.slow), "programs"]
)
def test_the_compiled_step_has_static_shapes_and_does_not_call_the_host(name, request):
    for program in request.getfixturevalue(name):
        assert_for_a_tpu(program)


@pytest.mark.slow
def test_rematerialization_computes_again_and_the_denominators_nothing(plain_programs, programs):
    """Six products a layer are there once more, and none of a forward pass for denominators.

    In 16 bits the gradient of a bias is a product too: four a layer, four in pooler and heads.
    """
    plain, together = (multiplications(pair[1]) for pair in (plain_programs, programs))
    layers = CONFIG.num_hidden_layers
    assert together == plain + 6 * layers + 4 * layers + 4
    assert multiplications(programs[0]) == together  # that pass was never there
