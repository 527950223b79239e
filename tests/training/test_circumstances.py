import json
import os

import pytest
import tensorflow as tf

from bert_keras.training.circumstances import circumstances, other_circumstances, threads


@pytest.fixture
def now():
    return circumstances(tf.distribute.get_strategy())


def test_the_same_circumstances_are_no_matter_once_they_were_kept_as_json(now):
    kept = json.loads(json.dumps(now))
    assert kept["tensorflow"] == tf.__version__
    assert kept["devices"].startswith("1 x ")
    assert other_circumstances(kept, now) == ""


def test_other_cores_and_versions_are_said_in_one_line(now):
    line = other_circumstances(now | {"cores": 97, "keras": "3.1"}, now)
    assert f"(cores: 97 then, {now['cores']} now; keras: 3.1 then, {now['keras']} now)" in line
    assert "the last bits of its numbers may differ" in line
    assert "\n" not in line


def test_what_an_earlier_version_did_not_keep_is_not_compared(now):
    assert other_circumstances({}, now) == ""
    assert "cores" in other_circumstances({"cores": 97, "weather": "fair"}, now)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system binds no process")
def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    mine = os.sched_getaffinity(0)
    assert threads() == len(mine)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert threads() == 1
    finally:
        os.sched_setaffinity(0, mine)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    assert threads() == 5


def test_devices_that_share_a_step_are_counted():
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(cpus)
    assert circumstances(strategy)["devices"].startswith(f"{len(cpus)} x ")
