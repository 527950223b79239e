"""Two processes on the loopback, started as a user starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from bert_keras.config import CheckpointConfig, WatchConfig, dump_toml
from bert_keras.errors import InputError
from bert_keras.training import pretrain
from bert_keras.training.metrics import read_metrics
from bert_keras.training.strategy import is_chief
from bert_keras.training.workers import agree_on, own_workdir, telling_of_lost_workers


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(recipe, workdir, corpus, folder, program=("-m", "bert_keras")):
    """The same command twice; only ``TF_CONFIG`` tells the workers apart."""
    path = folder / "recipe.toml"
    path.write_text(dump_toml(recipe))
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        environment = os.environ | {
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
            "TMPDIR": str(folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, *program, "pretrain", path]
        command += ["--workdir", workdir, "--corpus", corpus]
        workers.append(
            subprocess.Popen(
                command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
    return workers


@pytest.fixture(scope="module")
def without_dropout(recipe):
    model = replace(recipe.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    train = replace(recipe.train, log_every_steps=1)
    return replace(recipe, model=model, train=train)


@pytest.mark.slow
def test_two_workers_train_as_one_process_does(without_dropout, corpus_path, tmp_path):
    """Two phases and three evaluations on the way, at the losses and weights of one device."""
    pretrain(without_dropout, tmp_path / "one", corpus_path)
    workers = start_workers(without_dropout, tmp_path / "two", corpus_path, tmp_path)
    for worker in workers:
        _, messages = worker.communicate(timeout=600)
        assert worker.returncode == 0, messages
    one, two = (read_metrics(tmp_path / name) for name in ("one", "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    for name in ("mlm_loss", "nsp_loss", "mlm_accuracy", "mlm_baseline_accuracy"):
        of_one, of_two = ([line.get(name, 0) for line in lines] for lines in (one, two))
        np.testing.assert_allclose(of_one, of_two, rtol=1e-5)
    weights = [load_file(tmp_path / name / "model/model.safetensors") for name in ("one", "two")]
    for name, values in weights[0].items():
        np.testing.assert_allclose(values, weights[1][name], atol=1e-5)
    # The second worker's files are gone with it, and the directory is as one process leaves it.
    assert not list(tmp_path.glob("bert-keras-worker-*"))
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_a_worker_dies_the_other_says_so_and_the_run_goes_on(
    victim, without_dropout, corpus_path, tmp_path
):
    steps = 200
    recipe = replace(
        without_dropout,
        data=replace(without_dropout.data, phases=()),
        train=replace(
            without_dropout.train, steps=steps, log_every_steps=50, eval_every_steps=steps
        ),
        checkpoint=CheckpointConfig(every_steps=20, keep=2),
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    workers = start_workers(recipe, tmp_path / "run", corpus_path, tmp_path)
    deadline = time.monotonic() + 300
    while not list(checkpoints.glob("step-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers[victim].send_signal(signal.SIGKILL)
    _, messages = workers[1 - victim].communicate(timeout=300)
    workers[victim].communicate()
    assert workers[1 - victim].returncode == 1
    assert f"worker {1 - victim} has lost another of the 2 workers" in messages.splitlines()[-1]
    assert "Traceback" not in messages
    assert not (tmp_path / "run" / "model").exists()

    for worker in start_workers(recipe, tmp_path / "run", corpus_path, tmp_path):
        _, messages = worker.communicate(timeout=600)
        assert worker.returncode == 0, messages
        assert "going on from step" in messages
    last = read_metrics(tmp_path / "run")[-1]
    pretrain(recipe, tmp_path / "one", corpus_path)
    assert last["step"] == steps
    assert last["mlm_loss"] == pytest.approx(
        read_metrics(tmp_path / "one")[-1]["mlm_loss"], rel=1e-3
    )


# The command, on a disk that takes its time for a checkpoint.
SLOW_DISK = """
import sys, time
from bert_keras.cli.main import main
from bert_keras.training import checkpoint

write_state = checkpoint.write_state
checkpoint.write_state = lambda *arguments: (time.sleep(5), write_state(*arguments))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_workers_roll_back_to_a_checkpoint_that_the_chief_is_still_writing(
    without_dropout, corpus_path, tmp_path
):
    """Where nothing is learned, every other loss is above the median."""
    recipe = replace(
        without_dropout,
        data=replace(without_dropout.data, phases=()),
        optimizer=replace(without_dropout.optimizer, learning_rate=1e-12),
        train=replace(without_dropout.train, steps=40, eval_every_steps=40),
        checkpoint=CheckpointConfig(every_steps=20, keep=2),
        watch=WatchConfig(
            on_divergence="roll_back", loss_factor=1.0001, skip_steps=1, max_roll_backs=1
        ),
    )
    program = ["-c", SLOW_DISK]
    for worker in start_workers(recipe, tmp_path / "run", corpus_path, tmp_path, program):
        _, messages = worker.communicate(timeout=600)
        assert "back to step 20, the data of steps" in " ".join(messages.split())
        assert "do not find the same checkpoints" not in messages


def test_a_single_process_is_the_chief_and_agrees_with_itself(tmp_path):
    strategy = tf.distribute.get_strategy()
    assert is_chief(strategy)
    agree_on(strategy, 7)
    with own_workdir(strategy, tmp_path / "run") as own:
        assert own == tmp_path / "run"
        with (
            pytest.raises(InputError, match="another process is training"),
            own_workdir(strategy, own),
        ):
            pass


def test_what_tensorflow_says_of_one_process_is_left_as_it_is():
    strategy = tf.distribute.get_strategy()
    with pytest.raises(tf.errors.InternalError), telling_of_lost_workers(strategy):
        raise tf.errors.InternalError(None, None, "of this process")
