import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import ArithmeticConfig, DistributionConfig, dump_toml
from bert_keras.corpus import Corpus
from bert_keras.errors import InputError
from bert_keras.training.phases import pretraining_phases
from bert_keras.training.strategy import (
    check_batches,
    find_strategy,
    make_strategy,
    warn_of_unseen_devices,
)
from tests.support.machines import gpu_machine, tpu_machine

# The devices must be split before TensorFlow starts, hence a process of its own.
RUN = """
import sys
import tensorflow as tf
devices = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from bert_keras.config import PretrainConfig, load_toml
from bert_keras.training import pretrain
from bert_keras.training.strategy import make_strategy
config = load_toml(PretrainConfig, sys.argv[2])
assert make_strategy(config.distribution).num_replicas_in_sync == devices
pretrain(config, sys.argv[3], sys.argv[4])
"""


@pytest.fixture(scope="module")
def config(recipe):
    """Eight steps, each logged, dropout off."""
    return replace(
        recipe,
        model=replace(recipe.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        data=replace(recipe.data, phases=()),
        train=replace(recipe.train, steps=8, log_every_steps=1, eval_every_steps=8),
    )


def run(config, devices, corpus_path, folder):
    """The logged lines of a run of its own process."""
    path = folder / "recipe.toml"
    path.write_text(dump_toml(config))
    command = [sys.executable, "-c", RUN, str(devices), path, folder / "run", corpus_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    text = (folder / "run" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def losses(config, corpus_path, tmp_path_factory):
    """The logged lines of the same run on one and on two devices."""
    lines = {}
    for devices, strategy in ((1, "auto"), (2, "mirrored")):
        config = replace(config, distribution=DistributionConfig(strategy=strategy))
        lines[devices] = run(config, devices, corpus_path, tmp_path_factory.mktemp(strategy))
    return lines


@pytest.mark.system
@pytest.mark.parametrize("name", ["mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"])
def test_two_devices_give_the_losses_of_one(losses, name):
    one, two = ([line[name] for line in losses[devices]] for devices in (1, 2))
    assert len(one) == 9
    np.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.slow
def test_a_compiled_run_on_two_devices_trains_and_evaluates_as_one_device(
    losses, config, corpus_path, tmp_path
):
    config = replace(
        config,
        distribution=DistributionConfig(strategy="mirrored"),
        train=replace(config.train, jit_compile=True),
    )
    two = run(config, 2, corpus_path, tmp_path)
    for name in ("mlm_loss", "nsp_loss"):
        expected = [line[name] for line in losses[1]]
        np.testing.assert_allclose(expected, [line[name] for line in two], rtol=1e-5)


WORKERS = {"worker": ["localhost:1", "localhost:2"]}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"cluster": WORKERS, "task": {"type": "worker", "index": 1}}, "multi_worker"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}, "one_device"),
        ({}, "one_device"),
    ],
)
def test_several_workers_in_the_environment_are_found(config, name, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert find_strategy(DistributionConfig()) == name


def test_a_tpu_that_has_a_name_is_looked_for(monkeypatch):
    assert find_strategy(DistributionConfig(tpu="local")) == "tpu"
    monkeypatch.setenv("TPU_NAME", "mine")
    assert find_strategy(DistributionConfig()) == "tpu"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}'],
)
def test_an_environment_that_names_no_cluster_is_one_clear_line(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG must be as") as error:
        make_strategy(DistributionConfig())
    assert "\n" not in str(error.value)


def test_several_workers_without_the_environment_say_what_they_need(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="needs the environment variable TF_CONFIG"):
        make_strategy(DistributionConfig(strategy="multi_worker"))


def test_a_tpu_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError, match="no TPU 'local' can be reached") as error:
        make_strategy(DistributionConfig(strategy="tpu", tpu="local"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("size", "parts"), [(8, 3), (12, 8)])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(size, parts):
    settings = ArithmeticConfig(accumulation_steps=parts)
    with pytest.raises(InputError, match=f"a batch of {size} cannot be shared evenly"):
        check_batches(tf.distribute.get_strategy(), settings, [24, size])


HOSTS = """
import sys
import tensorflow as tf
devices = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError
from bert_keras.training.strategy import check_batches, distribute
strategy = tf.distribute.MirroredStrategy()
batches = tf.data.Dataset.range(6 * 10).batch(6).map(lambda rows: {"rows": rows})
for number, batch in enumerate(distribute(strategy, batches)):
    shares = strategy.experimental_local_results(batch["rows"])
    shares = [share.numpy().tolist() for share in shares]
    assert [len(share) for share in shares] == [3, 3], shares
    assert sum(shares, []) == list(range(6 * number, 6 * number + 6)), shares
try:
    check_batches(strategy, ArithmeticConfig(), [6, 7])
except InputError as error:
    print("REFUSED", error)
"""


@pytest.mark.system
def test_each_replica_gets_its_rows_and_batches_that_leave_some_over_are_refused():
    command = [sys.executable, "-c", HOSTS, "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "REFUSED a batch of 7 cannot be shared evenly by 2 device(s)" in done.stdout


@pytest.mark.system
def test_the_hosts_rows_together_are_the_global_batches(recipe, corpus_path):
    corpus = Corpus.open(corpus_path)
    recipe = replace(recipe, data=replace(recipe.data, phases=()))
    (whole,) = pretraining_phases(recipe, corpus)
    parts = [pretraining_phases(recipe, corpus, (number, 2))[0] for number in range(2)]
    for of in (lambda phase: phase.batches_from(3).take(2), lambda phase: phase.evaluation.batches):
        streams = [of(phase).as_numpy_iterator() for phase in (whole, *parts)]
        for batch, *shares in zip(*streams, strict=True):
            for name, rows in batch.items():
                np.testing.assert_array_equal(rows, np.concatenate([s[name] for s in shares]))
    assert parts[0].evaluation.constants == whole.evaluation.constants


def test_auto_warns_of_accelerators_that_tensorflow_does_not_see(tmp_path, caplog, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    warn_of_unseen_devices("one_device", tmp_path)
    assert caplog.messages == []
    gpu_machine(tpu_machine(tmp_path))
    warn_of_unseen_devices("one_device", tmp_path)
    assert "this machine has NVIDIA L4, TPU v5e, and TensorFlow does not see it" in caplog.text
    caplog.clear()
    warn_of_unseen_devices("tpu", tmp_path)
    assert len(caplog.messages) == 1, "of the GPU"
    caplog.clear()
    for setting in ("-1", "", "-1,0", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
        warn_of_unseen_devices("tpu", tmp_path)
    assert caplog.messages == [], "hidden on purpose"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    warn_of_unseen_devices("tpu", tmp_path)
    assert len(caplog.messages) == 1, "one is asked for"
