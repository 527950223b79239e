"""Two processes on the loopback, started as a user starts them."""

import json
import os
import shutil
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
from bert_keras.training.workers import (
    agreement,
    check_same_step,
    contents_of,
    disagreement,
    lost_workers_named,
    writable_workdir,
)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(commands, folder, program=("-m", "bert_keras")):
    """A command for each worker; beside it only ``TF_CONFIG`` tells them apart."""
    addresses = [f"localhost:{port}" for port in free_ports(len(commands))]
    workers = []
    for index, command in enumerate(commands):
        task = {"type": "worker", "index": index}
        environment = os.environ | {
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
            "TMPDIR": str(folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        workers.append(
            subprocess.Popen(
                [sys.executable, *program, *command],
                env=environment,
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return workers


def start_workers(recipe, workdir, corpus, folder, program=("-m", "bert_keras")):
    """The same command twice."""
    path = folder / "recipe.toml"
    path.write_text(dump_toml(recipe))
    command = ["pretrain", path, "--workdir", workdir, "--corpus", corpus]
    return start([command, command], folder, program)


def refusals(commands, folder):
    """The last line of each worker, all of which must end with exit code 1 and without a trace."""
    lines = []
    for worker in start(commands, folder):
        _, messages = worker.communicate(timeout=300)
        assert worker.returncode == 1, messages
        assert "Traceback" not in messages
        lines.append(messages.splitlines()[-1].removeprefix("bert-keras: "))
    return lines


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
        assert "resuming from step" in messages
    last = read_metrics(tmp_path / "run")[-1]
    pretrain(recipe, tmp_path / "one", corpus_path)
    assert last["step"] == steps
    assert last["mlm_loss"] == pytest.approx(
        read_metrics(tmp_path / "one")[-1]["mlm_loss"], rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("survivor", [0, 1])
def test_a_worker_that_waits_for_one_that_never_comes_ends_at_ctrl_c(
    survivor, recipe, corpus_path, tmp_path
):
    workers = start_workers(recipe, tmp_path / "run", corpus_path, tmp_path)
    workers[1 - survivor].kill()
    workers[1 - survivor].communicate()
    line = workers[survivor].stderr.readline()
    time.sleep(1)  # it has said so, and waits now
    workers[survivor].send_signal(signal.SIGINT)
    try:
        _, messages = workers[survivor].communicate(timeout=10)
    finally:
        workers[survivor].kill()
    assert workers[survivor].returncode == -signal.SIGINT  # which a shell calls 130
    assert line.startswith("waiting for all of the 2 workers localhost:")
    assert not messages
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


@pytest.mark.slow
def test_a_worker_of_several_heeds_sigterm_and_saves_first(without_dropout, corpus_path, tmp_path):
    """TensorFlow sets a handler of its own while the workers meet."""
    recipe = replace(
        without_dropout,
        data=replace(without_dropout.data, phases=()),
        train=replace(without_dropout.train, steps=100_000, eval_every_steps=100_000),
        checkpoint=CheckpointConfig(every_steps=20, keep=2),
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    workers = start_workers(recipe, tmp_path / "run", corpus_path, tmp_path)
    deadline = time.monotonic() + 300
    while not list(checkpoints.glob("step-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers[0].send_signal(signal.SIGTERM)
    try:
        messages = [worker.communicate(timeout=60)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [128 + signal.SIGTERM, 1]
    assert "interrupted at step" in messages[0].splitlines()[-1]
    assert "worker 1 has lost another of the 2 workers" in messages[1].splitlines()[-1]


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
    check_same_step(strategy, 7)
    with writable_workdir(strategy, tmp_path / "run") as own:
        assert own == tmp_path / "run"
        with (
            pytest.raises(InputError, match="another process is training"),
            writable_workdir(strategy, own),
        ):
            pass


def test_what_tensorflow_says_of_one_process_is_left_as_it_is():
    strategy = tf.distribute.get_strategy()
    with pytest.raises(tf.errors.InternalError), lost_workers_named(strategy):
        raise tf.errors.InternalError(None, None, "of this process")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("optimizer.learning_rate=0.002", "optimizer.learning_rate = 0.002, worker 0 has 0.001"),
        ("train.seed=3", "train.seed = 3, worker 0 has 0"),
        ("model.hidden_dropout_prob=0.5", "model.hidden_dropout_prob = 0.5, worker 0 has unset"),
        ("model.num_hidden_layers=1", "model.num_hidden_layers = 1, worker 0 has unset"),
        ("checkpoint.every_steps=5", "checkpoint.every_steps = 5, worker 0 has 4"),
    ],
)
def test_workers_with_other_settings_all_end_with_the_difference(
    change, difference, recipe, corpus_path, tmp_path
):
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run"]
    command += ["--corpus", corpus_path]
    one, two = refusals([command, [*command, "--set", change]], tmp_path)
    assert one == two
    assert one.startswith(f"worker 1 has {difference}; give all workers the same command")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_on_another_corpus_or_a_damaged_one_all_end(
    recipe, corpus_path, other_corpus_path, tmp_path
):
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run", "--corpus"]
    one, two = refusals([[*command, corpus_path], [*command, other_corpus_path]], tmp_path)
    assert one == two
    assert "worker 1 has the data's " in one
    damaged = tmp_path / "damaged"
    shutil.copytree(corpus_path, damaged)
    data = bytearray((damaged / "tokens.npy").read_bytes())
    data[140] ^= 1
    (damaged / "tokens.npy").write_bytes(data)
    one, two = refusals([[*command, damaged], [*command, corpus_path]], tmp_path)
    assert one.startswith(f"{damaged / 'tokens.npy'} is damaged")
    assert two == f"worker 0 cannot begin: {one}"
    one, two = refusals([[*command, corpus_path], [*command, tmp_path / "none"]], tmp_path)
    assert two.startswith(f"{tmp_path / 'none'} is not a corpus")
    assert one == f"worker 1 cannot begin: {two}"


@pytest.mark.slow
def test_the_same_corpus_in_two_places_is_the_same(recipe, corpus_path, tmp_path):
    shutil.copytree(corpus_path, tmp_path / "copy")
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run", "--corpus"]
    for worker in start([[*command, corpus_path], [*command, tmp_path / "copy"]], tmp_path):
        _, messages = worker.communicate(timeout=600)
        assert worker.returncode == 0, messages


def test_the_first_difference_is_named_with_both_values():
    found = {"train.seed": 0, "data.phases": [], "model.init": None}
    assert disagreement([found, dict(found)], "stop") == ""
    others = [found, dict(found), found | {"data.phases": [{"until": 0.5}], "model.init": "m"}]
    line = 'worker 2 has data.phases = [{"until": 0.5}], worker 0 has []; stop'
    assert disagreement(others, "stop") == line
    assert (
        disagreement([found, {}, {}], "stop") == "worker 1 has train.seed = unset, worker 0 "
        "has 0; stop"
    )
    hashes = [{"the data's hash": text * 64} for text in "ab"]
    line = disagreement(hashes, "stop")
    assert line == f"worker 1 has the data's hash = {'b' * 24}…, worker 0 has {'a' * 24}…; stop"


def test_what_a_run_is_made_from_leaves_out_where_its_data_lie():
    tables = {"data": {"corpus": "/c", "train": "a", "dev": "b"}, "train": {"seed": 1}}
    data = {"train": {"examples": 3, "sha256": "f"}, "labels": ["x"]}
    made = contents_of(tables, data, {"vocab.txt": "e"})
    assert made["tensorflow's version"] == tf.__version__
    assert {name: value for name, value in made.items() if "version" not in name} == {
        "train.seed": 1,
        "the data's train.examples": 3,
        "the data's train.sha256": "f",
        "the data's labels": ["x"],
        "the base model's vocab.txt": "e",
    }


def test_a_single_process_hears_of_its_own_failure():
    strategy = tf.distribute.get_strategy()
    with agreement(strategy) as found:
        found["train.seed"] = 1
    with pytest.raises(FileNotFoundError, match="no corpus"), agreement(strategy):
        raise FileNotFoundError("no corpus")
