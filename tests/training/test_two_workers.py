"""Two processes on the loopback, started as a user starts them."""

import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from bert_keras.config import CheckpointConfig, WatchConfig
from bert_keras.training import pretrain
from bert_keras.training.metrics import read_metrics
from tests.training.processes import start_workers


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
from bert_keras.__main__ import run as main
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
