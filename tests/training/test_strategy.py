import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bert_keras.config import DistributionConfig, dump_toml

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
def losses(recipe, corpus_path, tmp_path_factory):
    """The logged lines of the same run on one and on two devices, dropout off."""
    folder = tmp_path_factory.mktemp("strategy")
    config = replace(
        recipe,
        model=replace(recipe.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        data=replace(recipe.data, phases=()),
        train=replace(recipe.train, steps=8, log_every_steps=1, eval_every_steps=8),
    )
    lines = {}
    for devices, strategy in ((1, "auto"), (2, "mirrored")):
        path = folder / f"{strategy}.toml"
        config = replace(config, distribution=DistributionConfig(strategy=strategy))
        path.write_text(dump_toml(config))
        command = [sys.executable, "-c", RUN, str(devices), path, folder / strategy, corpus_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        text = (folder / strategy / "metrics.jsonl").read_text()
        lines[devices] = [json.loads(line) for line in text.splitlines()]
    return lines


@pytest.mark.parametrize("name", ["mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"])
def test_two_devices_give_the_losses_of_one(losses, name):
    one, two = ([line[name] for line in losses[devices]] for devices in (1, 2))
    assert len(one) == 9
    np.testing.assert_allclose(one, two, rtol=1e-5)
