"""Which model a run that has no model/ stands for, and when it is refused."""

import logging
import shutil
from dataclasses import replace

import pytest

from bert_keras.saving import files, load, save
from bert_keras.saving.mark import read_mark
from tests.support.begun_run import Run, assert_weights, make_model
from tests.support.models import refusal


def test_the_best_model_so_far_is_preferred_to_the_newest_checkpoint(tmp_path, caplog):
    run = Run(tmp_path / "run", "BertForTokenClassification")
    best = make_model("BertForTokenClassification", seed=5)
    save(best, run.path / "best")
    (run.path / "best_step").write_text("3\n")
    model = load(run.path)
    assert_weights(model, {v.path: v.numpy() for v in best.trainable_variables})
    assert "its best model so far is used, of step 3 of 10" in caplog.text


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before_and_stays(tmp_path, caplog):
    run = Run(tmp_path / "run")
    for damage in (lambda b: b[:-9], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""):
        caplog.clear()
        whole = run.file(4).read_bytes()
        run.file(4).write_bytes(damage(whole))
        before = sorted(run.path.rglob("*"))
        assert_weights(load(run.path), run.weights(2))
        assert f"{run.file(4)} is passed over" in caplog.messages[0]
        assert "step 2 of 10" in caplog.messages[1]
        assert sorted(run.path.rglob("*")) == before  # only a run itself sets one aside
        assert "is damaged" in refusal(f"{run.path}@4")
        run.file(4).write_bytes(whole)
    run.file(2).write_bytes(b"")
    run.file(4).write_bytes(b"")
    assert "all its checkpoints are damaged" in refusal(run.path)


def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path):
    run, other = (Run(tmp_path / name, total=total) for name, total in (("a", 10), ("b", 20)))
    other.save(6)
    shutil.copy(other.file(6), run.file(6))
    for path in (run.path, f"{run.path}@6"):
        assert f"{run.file(6)} is not of the run that {run.path / 'run.json'}" in refusal(path)
    assert_weights(load(f"{run.path}@4"), run.weights(4))


def test_a_best_model_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path, monkeypatch, caplog
):
    """Else a model has the weights of one and the thresholds of the next."""
    caplog.set_level(logging.INFO, "bert_keras")
    run, real_build = Run(tmp_path / "run", "BertForTokenClassification"), files.build
    first, second = (make_model("BertForTokenClassification", seed=seed) for seed in (5, 6))
    for path in (run.path, run.path / "best"):
        save(first, run.path / "best")
        (run.path / "best_step").write_text("3\n")
        builds = []

        def build(stored, *args, builds=builds, **kwargs):
            if not builds:
                save(second, run.path / "best")
            builds.append(real_build(stored, *args, **kwargs))
            return builds[-1]

        monkeypatch.setattr(files, "build", build)
        model = load(path)
        assert_weights(model, {v.path: v.numpy() for v in second.trainable_variables})
        assert len(builds) == 2
        assert "its best model was replaced while it was read" in caplog.text
        caplog.clear()


@pytest.mark.parametrize("train", [{}, {"steps": "six"}])
def test_a_mark_that_lost_its_steps_is_told_as_damaged(train, tmp_path):
    run = Run(tmp_path / "run")
    replace(read_mark(run.path), config={"train": train}).write(run.path)
    assert "or damaged: config.train.steps is not as this version writes it" in refusal(run.path)


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    line = refusal(Run(tmp_path / "run", steps=()).path)
    assert "has not finished and has no checkpoint yet" in line
    assert "checkpoint.every_steps" in line


def test_a_finished_run_that_lost_its_model_is_told_as_finished(tmp_path, caplog):
    run = Run(tmp_path / "run", steps=(10,))
    ended = replace(read_mark(run.path), model_files={"config.json": "0" * 64})
    ended.write(run.path)
    assert_weights(load(run.path), run.weights(10))
    assert caplog.messages == [
        f"the run in {run.path} has finished, but its model/ is gone or not whole: its newest "
        "checkpoint is used, of step 10 of 10; the command that trained it makes the model again, "
        "if that checkpoint is kept"
    ]
    way_out = f"; put {run.path / 'model'} back, or train the run again"
    run.file(10).write_bytes(b"")
    lost = "its model/ is gone or not whole, and all its checkpoints are damaged"
    assert refusal(run.path).endswith(f"has finished, but {lost}{way_out}")
    shutil.rmtree(run.path / "checkpoints")
    lost = "its model/ is gone or not whole, and it has no checkpoint either"
    assert refusal(run.path).endswith(f"has finished, but {lost}{way_out}")


def test_a_run_that_was_ended_and_goes_on_without_its_model_has_not_finished(tmp_path, caplog):
    run = Run(tmp_path / "run")
    mark = read_mark(run.path)
    replace(mark, model_files={"config.json": "0" * 64}, ended_at=2).write(run.path)
    assert_weights(load(run.path), run.weights(4))
    assert "has not finished: its newest checkpoint is used, of step 4 of 10" in caplog.text
