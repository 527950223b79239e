"""Every command that takes MODEL, on runs that have not finished."""

import json
import shutil
from dataclasses import replace

import pytest
import tensorflow as tf

import bert_keras
from bert_keras.saving.mark import read_mark
from tests.support.commands import finetune, pretrain, refused, run, write_inputs
from tests.support.files import assert_same_arrays

PRETRAIN = """
[model]
preset = "tiny"
num_hidden_layers = 1
[data]
max_seq_length = 16
max_predictions_per_seq = 3
[train]
steps = 6
batch_size = 4
log_every_steps = 2
eval_every_steps = 3
eval_batches = 1
[checkpoint]
every_steps = 2
"""
FINETUNE = """
[data]
max_seq_length = 16
[train]
steps = 6
batch_size = 4
eval_every_steps = 3
[checkpoint]
every_steps = 2
keep = 3
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished pre-training run, and copies of it as they were at steps 6 and 4, unfinished."""
    folder = tmp_path_factory.mktemp("made")
    write_inputs(folder, pretrain=PRETRAIN, finetune=FINETUNE)
    finished = folder / "finished"
    run(*pretrain(folder, finished))
    copy_unfinished(finished, folder / "stopped")
    return folder


def copy_unfinished(run, path):
    """Copies a finished run as it was before it had its model."""
    shutil.copytree(run, path, ignore=shutil.ignore_patterns("model", ".lock"))
    replace(read_mark(path), model_files=None).write(path)


@pytest.fixture
def stopped(made, tmp_path):
    """A run of six steps that was stopped after the fourth was saved."""
    shutil.copytree(made / "stopped", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-000000006.safetensors").unlink()
    return tmp_path / "run"


@pytest.fixture(scope="module")
def tuned(made, tmp_path_factory):
    """A finished fine-tuning run."""
    workdir = tmp_path_factory.mktemp("tuned") / "run"
    run(*finetune(made, workdir, made / "finished"))
    return workdir


def note(capsys):
    """The one line on standard error that says what was taken."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "has not finished" in line]
    return line


@pytest.mark.system
def test_the_newest_checkpoint_of_a_stopped_run_is_the_model_of_one_that_ends_there(made, capsys):
    run("convert", made / "stopped", made / "converted")
    assert "its newest checkpoint is used, of step 6 of 6" in note(capsys)
    assert_same_arrays(made / "converted", made / "finished" / "model")
    for name in ("vocab.txt", "tokenizer_config.json"):
        converted = (made / "converted" / name).read_bytes()
        assert converted == (made / "finished" / "model" / name).read_bytes(), name
    configs = [made / folder / "config.json" for folder in ("converted", "finished/model")]
    converted, final = (json.loads(path.read_text()) for path in configs)
    assert converted == final


def test_masks_are_filled_from_a_stopped_run_and_standard_output_is_the_answer_alone(
    stopped, capsys
):
    capsys.readouterr()
    run("fill-mask", stopped, "The [MASK] sees.", "--json")
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["masks"][0]) == 5
    assert "its newest checkpoint is used, of step 4 of 6" in captured.err
    run("fill-mask", f"{stopped}@4", "The [MASK] sees.", "--json")
    assert capsys.readouterr().out == captured.out


@pytest.mark.system
def test_export_takes_a_stopped_run(stopped, tmp_path, capsys):
    run("export", "tflite", stopped, tmp_path / "x.tflite", "--length", "8")
    assert "step 4 of 6" in note(capsys)
    assert (tmp_path / "x.tflite").stat().st_size > 0


@pytest.mark.system
def test_pretraining_starts_from_a_stopped_run_and_is_the_same_run_when_that_went_on(
    made, stopped, tmp_path, capsys
):
    start = pretrain(made, tmp_path / "new", "--init", stopped)
    run(*start, "--set", "optimizer.learning_rate=0.0")
    assert "step 4 of 6" in note(capsys)
    assert f'init = "{stopped}@4"' in (tmp_path / "new" / "config.toml").read_text()
    run("convert", f"{stopped}@4", tmp_path / "start")
    assert_same_arrays(tmp_path / "new" / "model", tmp_path / "start")
    shutil.copytree(made / "finished" / "model", stopped / "model")
    shutil.rmtree(tmp_path / "new" / "model")
    run(*start, "--set", "optimizer.learning_rate=0.0")


@pytest.mark.system
def test_finetuning_from_a_checkpoint_that_is_gone_since_goes_on(made, stopped, tmp_path, capsys):
    whole = tmp_path / "whole"
    run(*finetune(made, whole, stopped))
    assert "step 4 of 6" in note(capsys)
    cut = tmp_path / "cut"
    shutil.copytree(whole, cut, ignore=shutil.ignore_patterns("model", "best*", ".lock"))
    (cut / "checkpoints" / "step-000000006.safetensors").unlink()
    (stopped / "checkpoints" / "step-000000004.safetensors").rename(
        stopped / "checkpoints" / "step-000000005.safetensors"
    )
    run(*finetune(made, cut, stopped))
    last = "checkpoints/step-000000006.safetensors"
    assert_same_arrays(cut / last, whole / last)


@pytest.mark.system
def test_a_stopped_finetuning_run_is_its_best_model_so_far(made, tuned, tmp_path, capsys):
    stopped = tmp_path / "run"
    copy_unfinished(tuned, stopped)
    shutil.copytree(tuned / "model", stopped / "best")
    best = (stopped / "best_step").read_text().strip()
    capsys.readouterr()
    run("predict", stopped, "a small house", "--json")
    captured = capsys.readouterr()
    assert f"its best model so far is used, of step {best} of 6" in captured.err
    run("predict", tuned, "a small house", "--json")
    assert capsys.readouterr().out == captured.out
    shutil.rmtree(stopped / "best")
    run("evaluate", stopped, "--data", made / "rows.tsv")
    assert "its newest checkpoint is used, of step 6 of 6" in note(capsys)


@pytest.mark.system
def test_finish_makes_the_newest_checkpoint_the_model_and_the_run_can_go_on_without_it(
    made, stopped, capsys
):
    run("convert", f"{stopped}@4", stopped.parent / "start")
    run("finish", stopped)
    assert f"model: {stopped / 'model'}" in capsys.readouterr().out
    assert_same_arrays(stopped / "model", stopped.parent / "start")
    capsys.readouterr()
    run(*pretrain(made, stopped))  # it has finished
    assert "ended at step 4 of 6; to resume it remove" in capsys.readouterr().err
    assert_same_arrays(stopped / "model", stopped.parent / "start")
    shutil.rmtree(stopped / "model")
    run(*pretrain(made, stopped))
    assert_same_arrays(stopped / "model", made / "finished" / "model")
    capsys.readouterr()
    run(*pretrain(made, stopped))
    assert "ended at step" not in capsys.readouterr().err


@pytest.mark.system
def test_finish_keeps_the_best_model_also_for_a_run_that_goes_on(made, tuned, tmp_path):
    stopped = tmp_path / "run"
    copy_unfinished(tuned, stopped)
    shutil.copytree(tuned / "model", stopped / "best")
    run("finish", stopped)
    assert_same_arrays(stopped / "model", tuned / "model")
    shutil.rmtree(stopped / "model")
    other = bert_keras.load(tuned / "model")
    other.trainable_weights[0].assign_add(tf.ones_like(other.trainable_weights[0]))
    bert_keras.save(other, stopped / "best")
    shutil.copytree(stopped / "best", tmp_path / "best")  # which the last step's model is not
    run(*finetune(made, stopped, made / "finished"))
    assert_same_arrays(stopped / "model", tmp_path / "best")


@pytest.mark.system
def test_a_damaged_best_step_is_named_and_without_it_the_newest_checkpoint_counts(
    made, tuned, tmp_path, capsys
):
    stopped = tmp_path / "run"
    copy_unfinished(tuned, stopped)
    shutil.copytree(tuned / "model", stopped / "best")
    for damaged in (b"", b"4v\n", b"\xff"):
        (stopped / "best_step").write_bytes(damaged)
        for command in (
            ["predict", stopped, "a small house"],
            ["finish", stopped],
            finetune(made, stopped, made / "finished"),
        ):
            assert "best_step is damaged: it must hold the step" in refused(capsys, *command)
    assert not (stopped / "model").exists()
    (stopped / "best_step").unlink()
    run("finish", stopped)
    assert "its newest checkpoint is used, of step 6 of 6" in note(capsys)


def test_what_is_no_run_cannot_be_finished(made, tmp_path, capsys):
    assert "is not the work directory of a run" in refused(capsys, "finish", made / "corpus")
    (tmp_path / "config.toml").touch()
    assert "it has no run.json" in refused(capsys, "finish", tmp_path)
    shutil.copy(made / "stopped" / "run.json", tmp_path)
    assert "has no checkpoint yet" in refused(capsys, "finish", tmp_path)
    assert not (tmp_path / "model").exists()


def test_nothing_by_the_name_of_a_model(made, tmp_path, capsys):
    for name in ("nowhere", "nowhere@3"):
        line = refused(capsys, "fill-mask", tmp_path / name, "a [MASK]")
        assert "no such model directory" in line
    assert "is not a model" in refused(capsys, "fill-mask", made / "texts", "a [MASK]")
    line = refused(capsys, "fill-mask", f"{made / 'finished'}@5", "a [MASK]")
    assert "no checkpoint of step 5" in line
