import json
import re
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import BertConfig, OptimizerConfig, TrainConfig
from bert_keras.modeling import BertForPreTraining
from bert_keras.training import pretrain, read_metrics
from bert_keras.training.optimizer import make_optimizer
from bert_keras.training.steps import TrainStep
from bert_keras.training.strategy import distribute

BATCH, LENGTH, PREDICTIONS, STEPS = 8, 12, 3, 4
ALL_TOGETHER = {"accumulation_steps": 2, "rematerialize": True, "steps_per_call": 2}
CONFIG = BertConfig.from_preset(
    "tiny",
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
)


def batches() -> tf.data.Dataset:
    """Examples with all numbers of masked words, so that micro-batches weigh differently."""
    draw = np.random.default_rng(0)
    rows = (STEPS, BATCH)
    data = {
        "input_ids": draw.integers(0, 50, (*rows, LENGTH)),
        "attention_mask": np.arange(LENGTH) < draw.integers(4, LENGTH + 1, (*rows, 1)),
        "token_type_ids": draw.integers(0, 2, (*rows, LENGTH)),
        "masked_lm_positions": draw.integers(0, 4, (*rows, PREDICTIONS)),
        "masked_lm_ids": draw.integers(0, 50, (*rows, PREDICTIONS)),
        "next_sentence_labels": draw.integers(0, 2, rows),
    }
    data = {name: values.astype("int32") for name, values in data.items()}
    data["masked_lm_weights"] = (
        np.arange(PREDICTIONS) < draw.integers(0, PREDICTIONS + 1, (*rows, 1))
    ).astype("float32")
    return tf.data.Dataset.from_tensor_slices(data)


def make_step(strategy=None, dropout=0.0, name="adamw", **settings):
    strategy = strategy or tf.distribute.get_strategy()
    train = TrainConfig(batch_size=BATCH, **settings)
    config = replace(CONFIG, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    with strategy.scope():
        model = BertForPreTraining(config, seed=1, dtype=train.precision)
        model.encoder.rematerialize = train.rematerialize
        optimizer = OptimizerConfig(name=name, learning_rate=1e-2, warmup_ratio=0.0)
        optimizer = make_optimizer(optimizer, 100, precision=train.precision)
        optimizer.build(model.trainable_variables)
    return TrainStep(strategy, model, optimizer, train), model, optimizer


def train(strategy=None, dropout=0.0, **settings):
    """Trains a few steps; returns the losses of each call, and the weights."""
    strategy = strategy or tf.distribute.get_strategy()
    step, model, _ = make_step(strategy, dropout, **settings)
    iterator = iter(distribute(strategy, batches()))
    losses, count = [], settings.get("steps_per_call", 1)
    for _ in range(STEPS // count):
        ratios = step.take(iterator, count)
        losses += [float(ratios[f"{t}_loss"].numerator) for t in ("mlm", "nsp")]
    return np.array(losses), [variable.numpy() for variable in model.trainable_variables]


@pytest.fixture(scope="module")
def plain():
    """One batch at a time, float32, no dropout."""
    return train()


def largest_difference(ours, theirs):
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def test_four_micro_batches_are_one_batch_of_four_times_the_size(plain):
    losses, weights = train(accumulation_steps=4)
    np.testing.assert_allclose(losses, plain[0], rtol=1e-5)
    assert largest_difference(weights, plain[1]) < 2e-5


def test_micro_batches_of_equal_weight_would_be_wrong(plain):
    """What the test above would miss if every micro-batch had as many masked words."""
    (first, *_) = batches()
    weights = np.split(first["masked_lm_weights"].numpy(), 4)
    assert len({float(part.sum()) for part in weights}) > 1


def test_several_steps_a_call_are_the_same_bit_for_bit(plain):
    losses, weights = train(steps_per_call=4)
    assert largest_difference(weights, plain[1]) == 0.0
    sums = plain[0].reshape(STEPS, 2).sum(axis=0)
    np.testing.assert_allclose(losses, sums, rtol=1e-6)


@pytest.mark.parametrize("dropout", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
def test_rematerialised_layers_draw_the_masks_they_drew(dropout, plain):
    kept = train(dropout=dropout) if dropout else plain
    again = train(dropout=dropout, rematerialize=True)
    np.testing.assert_allclose(again[0], kept[0], rtol=1e-5)
    assert largest_difference(again[1], kept[1]) < 2e-5


@pytest.mark.slow
def test_every_micro_batch_draws_its_own_masks():
    """Four copies of two examples: masks that repeat would leave no more than two gradients."""
    step, model, _ = make_step(dropout=0.5, accumulation_steps=4)
    (batch, *_) = batches()
    batch = {name: tf.concat([rows[:2]] * 4, axis=0) for name, rows in batch.items()}
    whole = step(batch)["mlm_loss"]
    model.encoder.dropout_seeds.step.assign(0)
    alone, _, _ = make_step(dropout=0.5)
    part = alone({name: rows[:2] for name, rows in batch.items()})["mlm_loss"]
    assert float(whole.denominator) == 4 * float(part.denominator)
    assert abs(float(whole.numerator) - 4 * float(part.numerator)) > 1e-3


def test_dropout_steps_are_counted_once_for_each_micro_batch():
    step, model, _ = make_step(dropout=0.1, accumulation_steps=2)
    for batch in batches():
        step(batch)
    assert int(model.encoder.dropout_seeds.step.numpy()) == 2 * STEPS


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"precision": "mixed_bfloat16"}, marks=pytest.mark.slow),
        {"precision": "mixed_float16"},
        pytest.param({"precision": "mixed_bfloat16", **ALL_TOGETHER}, marks=pytest.mark.slow),
        pytest.param({"precision": "mixed_float16", **ALL_TOGETHER}, marks=pytest.mark.slow),
        {"precision": "mixed_float16", "jit_compile": True, **ALL_TOGETHER},
        pytest.param(
            {"precision": "mixed_bfloat16", "jit_compile": True, **ALL_TOGETHER},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_each_arithmetic_trains_as_float32_to_its_own_precision(settings, plain):
    losses, _ = train(**settings)
    expected = plain[0].reshape(-1, settings.get("steps_per_call", 1), 2).sum(axis=1).ravel()
    tolerance = {"mixed_bfloat16": 2e-2, "mixed_float16": 5e-3}.get(settings.get("precision"), 1e-5)
    np.testing.assert_allclose(losses, expected, rtol=tolerance)


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
    command = [sys.executable, "-c", TWO_DEVICES, __file__, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    return [json.loads(line.removeprefix("FOUND ")) for line in lines]


def assert_as_one_device(found, plain, steps_per_call, tolerance):
    expected = plain[0].reshape(-1, steps_per_call, 2).sum(axis=1).ravel()
    np.testing.assert_allclose(found["losses"], expected, rtol=tolerance)


def test_two_devices_with_everything_on_train_as_one(plain):
    (found,) = train_on_two_devices(ALL_TOGETHER)
    assert_as_one_device(found, plain, 2, 1e-5)
    weights = [np.array(w) for w in found["weights"]]
    assert largest_difference(weights, [w.ravel() for w in plain[1]]) < 5e-5


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
    """The XLA programs of the step, as TensorFlow hands it over and as it is optimised."""
    step, model, optimizer = make_step(dropout=0.1, jit_compile=True, **settings)
    count = len(model.variables) + len(optimizer.variables)
    (batch, *_) = batches()
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


@pytest.mark.parametrize(
    "name", [pytest.param("plain_programs", marks=pytest.mark.slow), "programs"]
)
def test_the_compiled_step_has_static_shapes_and_does_not_call_the_host(name, request):
    """What a TPU asks of it; ``[<=8]`` is how a program writes a size that may change."""
    for program in request.getfixturevalue(name):
        assert "ENTRY" in program
        assert "<=" not in program
        assert "custom-call" not in program
        assert not re.search(r"\b(infeed|outfeed|send|recv|set-dimension-size)\(", program)


@pytest.mark.slow
def test_rematerialisation_computes_again_and_the_denominators_nothing(plain_programs, programs):
    """Six products a layer are there once more, and none of a forward pass for denominators."""
    plain, together = (multiplications(pair[1]) for pair in (plain_programs, programs))
    assert together == plain + 6 * CONFIG.num_hidden_layers
    assert multiplications(programs[0]) > together  # XLA has taken that pass out


def test_the_step_makes_no_variable():
    step, _, _ = make_step(precision="mixed_float16", **ALL_TOGETHER)
    made = []

    def note(make, **arguments):
        made.append(arguments.get("name"))
        return make(**arguments)

    with tf.variable_creator_scope(note):
        step.take(iter(batches()), 2)
    assert made == []


def test_heads_without_labels_stay_as_they_are_over_micro_batches():
    step, model, _ = make_step(accumulation_steps=2)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    (batch, *_) = batches()
    ratios = step({name: rows for name, rows in batch.items() if name != "next_sentence_labels"})
    assert "nsp_loss" not in ratios
    for variable in model.trainable_variables:
        has_moved = not np.array_equal(before[variable.path], variable.numpy())
        assert has_moved != variable.path.startswith(("pooler", "next_sentence_head"))


def test_a_killed_run_with_everything_on_ends_with_the_same_bytes(recipe, corpus_path, tmp_path):
    """Calls of three steps are cut short at checkpoints; the loss scale is in them."""
    arithmetic = {"precision": "mixed_float16", "accumulation_steps": 2, "rematerialize": True}
    config = replace(recipe, train=replace(recipe.train, steps_per_call=3, **arithmetic))
    config = replace(config, data=replace(recipe.data, phases=()))
    pretrain(config, tmp_path / "whole", corpus_path)

    class Killed(BaseException):
        pass

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch + 1 >= 8:
                raise Killed

    with pytest.raises(Killed):
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[Kill()])
    pretrain(config, tmp_path / "killed", corpus_path)
    for name in ("model/model.safetensors", "checkpoints/step-000000012.safetensors"):
        files = [tmp_path / run / name for run in ("whole", "killed")]
        assert files[0].read_bytes() == files[1].read_bytes()
    steps = [(line["split"], line["step"]) for line in read_metrics(tmp_path / "whole")]
    assert steps == [
        ("train", 3), ("train", 6), ("eval", 6), ("train", 9), ("train", 12), ("eval", 12)
    ]  # fmt: skip


@pytest.mark.slow
def test_fit_in_float16_scales_the_loss_and_learns():
    """Keras wraps the optimizer into its own ``LossScaleOptimizer`` there."""
    model = BertForPreTraining(CONFIG, seed=1, dtype="mixed_float16")
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    history = model.fit(batches().repeat(), epochs=2, steps_per_epoch=STEPS, verbose=0).history
    assert history["mlm_loss"][1] < history["mlm_loss"][0]
