"""Batches of any size on a model's devices; one graph at a time is that of test_static.py."""

import subprocess
import sys

import pytest

# The devices must be split before TensorFlow starts, hence a process of its own.
REPLICAS = """
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from bert_keras.modeling import BertForTokenClassification, forward
from tests.support.models import TINY
strategy = tf.distribute.MirroredStrategy()
assert strategy.num_replicas_in_sync == 2
forward.is_tpu = lambda given: given is strategy
alone = BertForTokenClassification(TINY, labels=3)
with strategy.scope():
    together = alone.copy()
draw = np.random.default_rng(0)
for rows in (8, 5, 1):
    batch = {"input_ids": draw.integers(5, 8, (rows, 4)).astype("int32")}
    ours, theirs = together.forward(batch, 7)["logits"], alone.forward(batch, 7)["logits"]
    assert ours.shape == theirs.shape == (rows, 4, 3)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
(graph,) = together._forward._graphs.values()
print("TRACES", graph.experimental_get_tracing_count())
"""


@pytest.mark.system
def test_the_replicas_of_a_tpu_share_the_rows_of_a_batch_that_is_filled_up(repository):
    """Two CPUs are called a TPU: 5 rows and 1 row are filled up to 8, as all 8 are."""
    command = [sys.executable, "-c", REPLICAS]
    done = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "TRACES 1" in done.stdout
