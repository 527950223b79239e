"""Objectives that compare examples, over micro-batches: the gradients of the whole batch."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic import for_training
from bert_keras.config import ArithmeticConfig
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.objectives import (
    CoSENT,
    InBatchNegatives,
    Matryoshka,
    TrainStep,
    Triplet,
    total_loss,
)
from bert_keras.training.strategy import distribute
from tests.support.models import small_config

BATCH, TEXTS, LENGTH = 8, 3, 6


class Projected(InBatchNegatives):
    """Negatives of the batch, compared after a layer that is trained along."""

    def __init__(self):
        super().__init__(0.5)
        initializer = keras.initializers.GlorotUniform(seed=2)
        self.head = keras.layers.Dense(8, kernel_initializer=initializer)
        self.head.build((None, 16))

    def measure(self, batch, outputs):
        vectors = self.head(outputs["sentence_embedding"])
        return super().measure(batch, {"sentence_embedding": vectors})


OBJECTIVES = {
    "in-batch": lambda: InBatchNegatives(0.5, symmetric=True),
    "cosent": lambda: CoSENT(0.5),
    "triplet": lambda: Triplet(0.5),
    "matryoshka": lambda: Matryoshka(InBatchNegatives(0.5), [8, 16]),
    "head": Projected,
}


def batch_of(name, rows=BATCH):
    """The first of eight examples, whose texts have all lengths; some are equal, one is missing."""
    draw = np.random.default_rng(0)
    texts = 2 if name == "cosent" else TEXTS
    shape = (BATCH, texts, LENGTH)
    mask = np.arange(LENGTH) < draw.integers(2, LENGTH + 1, (BATCH, texts, 1))
    ids = draw.integers(5, 50, shape)
    ids[6], mask[6] = ids[1], mask[1]
    if texts == TEXTS:
        mask[3, 2] = False
    batch = {"input_ids": ids.astype(np.int32), "attention_mask": mask.astype(np.int32)}
    if name == "cosent":
        batch["labels"] = draw.integers(0, 4, BATCH).astype(np.float32)
    return {key: tf.constant(value[:rows]) for key, value in batch.items()}


def make_model(dropout, jit_compile=False, rematerialize=False):
    config = small_config(
        50,
        16,
        initializer_range=0.2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    arithmetic = for_training(jit_compile, rematerialize)
    packed = not jit_compile
    return BertForSentenceEmbedding(config, seed=1, packed=packed, arithmetic=arithmetic)


def gradients(name, strategy=None, dropout=0.0, rows=BATCH, **settings):
    """The means of a step, and the gradients by which plain descent has moved the weights."""
    strategy = strategy or tf.distribute.get_strategy()
    settings = ArithmeticConfig(**({"jit_compile": False} | settings))
    with strategy.scope():
        model = make_model(dropout, settings.jit_compile, settings.rematerialize)
        model.objective = OBJECTIVES[name]()
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(model.trainable_variables)
    before = [variable.numpy() for variable in model.trainable_variables]
    step = TrainStep(strategy, model, optimizer, model.objective, settings)
    dataset = tf.data.Dataset.from_tensors(batch_of(name, rows))
    means = step(next(iter(distribute(strategy, dataset))))
    after = [variable.numpy() for variable in model.trainable_variables]
    moved = [(old - new).ravel() for old, new in zip(before, after, strict=True)]
    return {key: [float(x) for x in mean] for key, mean in means.items()}, np.concatenate(moved)


def by_tape(name, dropout=0.0, count=BATCH, parts=1):
    """The same without a step: all vectors, each part with its own masks, under one tape."""
    model, batch, vectors = make_model(dropout), batch_of(name, count), []
    model.objective = OBJECTIVES[name]()
    size = count // parts
    with tf.GradientTape() as tape:
        for number in range(parts):
            rows = slice(size * number, size * (number + 1))
            part = {key: values[rows] for key, values in batch.items()}
            seed = tf.constant([number, 0], tf.int64)
            vectors.append(model(part, training=True, dropout_seed=seed)["sentence_embedding"])
        means = model.objective.measure(batch, {"sentence_embedding": tf.concat(vectors, axis=0)})
        loss = total_loss(means)
    found = tape.gradient(loss, model.trainable_variables)
    found = [tf.convert_to_tensor(gradient).numpy().ravel() for gradient in found]
    return {key: [float(x) for x in mean] for key, mean in means.items()}, np.concatenate(found)


def assert_same(found, expected):
    for key, (total, weight) in expected[0].items():
        if key != "tokens":  # counted by step and replica
            assert found[0][key] == pytest.approx([total, weight], rel=1e-5, abs=1e-6)
    assert np.abs(expected[1]).max() > 1e-2
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


FURTHER = [
    pytest.param(name, marks=pytest.mark.system)
    for name in ("head", "cosent", "triplet", "matryoshka")
]


@pytest.mark.parametrize("name", ["in-batch", *FURTHER])
def test_the_gradients_over_micro_batches_are_those_of_the_whole_batch(name):
    assert_same(gradients(name, accumulation_steps=4), by_tape(name))


@pytest.mark.system
def test_both_passes_of_a_micro_batch_draw_the_same_dropout():
    found = gradients("in-batch", dropout=0.5, accumulation_steps=4)
    assert_same(found, by_tape("in-batch", dropout=0.5, parts=4))
    assert np.abs(found[1] - by_tape("in-batch")[1]).max() > 1e-2


@pytest.mark.system
@pytest.mark.parametrize("settings", [{"jit_compile": True}, {"rematerialize": True}], ids=str)
def test_other_arithmetic_has_the_same_gradients(settings):
    assert_same(gradients("in-batch", accumulation_steps=4, **settings), by_tape("in-batch"))


# The devices must be split before TensorFlow starts, hence a process of its own.
TWO_DEVICES = """
import importlib.util, json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
spec = importlib.util.spec_from_file_location("cases", sys.argv[1])
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
strategy = tf.distribute.MirroredStrategy()
assert strategy.num_replicas_in_sync == 2
for name, settings in json.loads(sys.argv[2]):
    means, gradient = getattr(cases, settings.pop("by", "gradients"))(name, strategy, **settings)
    print("FOUND", json.dumps([means, gradient.tolist()]))
"""


def on_two_devices(*cases):
    command = [sys.executable, "-c", TWO_DEVICES, __file__, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    for (name, settings), line in zip(cases, lines, strict=True):
        means, gradient = json.loads(line.removeprefix("FOUND "))
        expected = by_tape(name, count=7 if "by" in settings else BATCH)
        assert_same((means, np.array(gradient)), expected)


def fitted(name, strategy):
    """As ``gradients``, by Keras's ``fit`` on seven examples, four and three."""
    batch = batch_of(name, 7)
    with strategy.scope():
        model = make_model(dropout=0.0)
        model.objective = OBJECTIVES[name]()
        model.compile(keras.optimizers.SGD(1.0))
    before = [variable.numpy() for variable in model.trainable_variables]
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    after = [variable.numpy() for variable in model.trainable_variables]
    moved = [(old - new).ravel() for old, new in zip(before, after, strict=True)]
    weights = model.objective.weights(batch)
    means = {key: [history[key][0] * float(w), float(w)] for key, w in weights.items()}
    return means, np.concatenate(moved)


@pytest.mark.system
def test_two_devices_compare_the_examples_of_both():
    on_two_devices(["in-batch", {}], ["cosent", {"accumulation_steps": 2}])


@pytest.mark.system
def test_two_devices_compare_all_examples_by_each_kind_of_step():
    kinds = {"jit_compile": True}, {"jit_compile": True, "accumulation_steps": 2}, {"by": "fitted"}
    others = ["cosent", {"by": "fitted"}], ["head", {"accumulation_steps": 2}]
    on_two_devices(*(["matryoshka", kind] for kind in kinds), *others)


PEAK = """
import resource, sys
import numpy as np
import tensorflow as tf
from bert_keras import BertConfig
from bert_keras.arithmetic import for_training
from bert_keras.config import ArithmeticConfig, OptimizerConfig
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.objectives import InBatchNegatives, TrainStep
from bert_keras.training.run import make_optimizer
rows, parts = int(sys.argv[1]), int(sys.argv[2])
config = BertConfig(  # of MiniLM
    vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
    intermediate_size=1536,
)
model = BertForSentenceEmbedding(config, packed=True, arithmetic=for_training(False))
optimizer = make_optimizer(OptimizerConfig(), 10)
optimizer.build(model.trainable_variables)
settings = ArithmeticConfig(accumulation_steps=parts, jit_compile=False)
strategy = tf.distribute.get_strategy()
step = TrainStep(strategy, model, optimizer, InBatchNegatives(), settings)
ids = np.random.default_rng(0).integers(5, 30000, (rows, 2, 16)).astype(np.int32)
batch = {"input_ids": tf.constant(ids), "attention_mask": tf.ones_like(ids)}
for _ in range(2):
    step(batch)
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(rows, parts):
    """The most memory that a process of two steps has held, in the system's unit."""
    command = [sys.executable, "-c", PEAK, str(rows), str(parts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("PEAK ")[1])


@pytest.mark.slow
def test_a_batch_of_1024_takes_the_memory_of_64():
    small, cached, whole = peak(64, 1), peak(1024, 16), peak(1024, 1)
    print(f"1024 by 64: {cached / small:.2f} times 64, 1024 whole: {whole / small:.2f} times")
    assert cached < 1.3 * small  # 1.21: the sums of the gradients are held as well
    assert whole > 4 * small
