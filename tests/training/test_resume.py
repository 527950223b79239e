"""Runs of the real command, killed and stopped, against one that nobody disturbed."""

import signal
from dataclasses import replace

import keras
import pytest

from bert_keras.config import dump_toml
from bert_keras.training import pretrain, read_metrics
from tests.support.processes import DisturbedRun
from tests.support.runs import outcome

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def long_recipe(recipe):
    """Several epochs in each of two phases; intervals that do not divide one another."""
    train = replace(recipe.train, steps=100, log_every_steps=7, eval_every_steps=40, eval_batches=2)
    return replace(recipe, train=train, checkpoint=replace(recipe.checkpoint, every_steps=2))


@pytest.fixture(scope="module")
def undisturbed(long_recipe, corpus_path, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    pretrain(long_recipe, workdir, corpus_path)
    return workdir


@pytest.fixture
def start(long_recipe, corpus_path, tmp_path):
    """Makes the command of the same run in another work directory."""

    def make(config=long_recipe):
        (tmp_path / "recipe.toml").write_text(dump_toml(config))
        command = ["pretrain", str(tmp_path / "recipe.toml"), "--corpus", str(corpus_path)]
        return DisturbedRun(command, tmp_path / "run")

    return make


def test_three_kills_and_a_sigterm_leave_no_trace(start, undisturbed):
    run = start()
    run.kill_at_random(kills=3, steps=40, seed=0)
    code, errors = run.stop(signal.SIGTERM, at_step=run.steps() + 2)
    assert code == 128 + signal.SIGTERM
    (word,) = (line for line in errors.splitlines() if "interrupted" in line)
    assert word == (
        f"bert-keras: interrupted at step {run.steps()}; the same command resumes the run"
    )
    run.finish()
    assert outcome(run.workdir) == outcome(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_twenty_runs_killed_at_random_moments_end_with_the_same_bytes(seed, start, undisturbed):
    run = start()
    run.kill_at_random(kills=5, steps=90, seed=seed + 1)
    run.finish()
    assert outcome(run.workdir) == outcome(undisturbed)


@pytest.mark.slow
def test_the_newest_checkpoint_cut_short_is_passed_over_and_the_run_ends_the_same(
    start, undisturbed
):
    run = start()
    run.stop(signal.SIGKILL, at_step=10)
    newest = max(run.workdir.glob("checkpoints/step-*"))
    newest.write_bytes(newest.read_bytes()[:-1000])
    errors = run.finish()
    assert f"{newest} is skipped" in " ".join(errors.split())
    assert outcome(run.workdir) == outcome(undisturbed)


def test_the_minutes_between_checkpoints_do_not_change_the_weights(
    long_recipe, corpus_path, undisturbed, tmp_path
):
    often = replace(long_recipe.checkpoint, every_steps=0, every_minutes=1e-6, keep=1000)
    pretrain(replace(long_recipe, checkpoint=often), tmp_path / "run", corpus_path)
    written = list((tmp_path / "run").glob("checkpoints/step-*"))
    assert len(written) == long_recipe.train.steps
    assert outcome(tmp_path / "run") == outcome(undisturbed)


def test_a_killed_run_with_everything_on_ends_with_the_same_bytes(recipe, corpus_path, tmp_path):
    """Calls of three steps are cut short at checkpoints; the loss scale is in them."""
    arithmetic = {"precision": "mixed_float16", "accumulation_steps": 2, "rematerialize": True}
    config = replace(recipe, train=replace(recipe.train, steps_per_call=3, **arithmetic))
    fixed = replace(recipe.model, positions="sinusoidal")
    config = replace(config, model=fixed, data=replace(recipe.data, phases=()))
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
