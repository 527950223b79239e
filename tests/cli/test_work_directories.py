"""Runs and what lies in their folders: nothing that a run did not write is read or replaced."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.support.commands import finetune, pretrain, refused, run, write_inputs
from tests.support.files import assert_same_arrays, content

pytestmark = pytest.mark.system

PRETRAIN = """
[model]
preset = "tiny"
num_hidden_layers = 1
[data]
max_seq_length = 16
max_predictions_per_seq = 3
[train]
steps = 4
batch_size = 4
log_every_steps = 1
eval_every_steps = 2
eval_batches = 1
[checkpoint]
every_steps = 1
keep = 9
"""
FINETUNE = """
[data]
max_seq_length = 16
[train]
steps = 6
batch_size = 4
eval_every_steps = 2
[checkpoint]
every_steps = 2
keep = 9
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus, rows, recipes, a base model and a fine-tuning run from it."""
    folder = tmp_path_factory.mktemp("made")
    write_inputs(folder, pretrain=PRETRAIN, finetune=FINETUNE)
    run(*pretrain(folder, folder / "first"))
    shutil.copytree(folder / "first" / "model", folder / "alone" / "model")
    run(*finetune(folder, folder / "tuned", folder / "alone" / "model"))
    return folder


@pytest.fixture
def base(made, tmp_path):
    """The base model, at a place of its own."""
    return shutil.copytree(made / "alone", tmp_path / "alone") / "model"


@pytest.fixture
def interrupted(made, tmp_path):
    """A copy of the fine-tuning run as it was after step 4, with nothing best yet."""
    workdir = tmp_path / "interrupted"
    shutil.copytree(made / "tuned", workdir, ignore=shutil.ignore_patterns("model", "best*"))
    mark = json.loads((workdir / "run.json").read_text())
    (workdir / "run.json").write_text(json.dumps(mark | {"model_files": None}))
    (workdir / "checkpoints" / "step-000000006.safetensors").unlink()
    return workdir


@pytest.mark.parametrize("start", ["finetune", "pretrain"])
def test_a_base_model_in_the_work_directory_is_not_taken_for_a_finished_run(
    start, made, base, capsys
):
    before = content(base.parent)
    if start == "finetune":
        command = finetune(made, base.parent, base)
    else:
        command = pretrain(made, base.parent, "--init", base)
    assert f"{base} is not of a run that began in {base.parent}" in refused(capsys, *command)
    assert content(base.parent) == before
    assert not (base.parent / ".lock").exists()


def test_a_finished_run_is_no_base_of_another_in_its_own_folder(made, tmp_path, capsys):
    workdir = shutil.copytree(made / "first", tmp_path / "run")
    before = content(workdir)
    for model in (workdir, workdir / "model"):
        line = refused(capsys, *finetune(made, workdir, model))
        assert "is what the run reads" in line or "a run of pretrain, not of finetune" in line
    assert content(workdir) == before


def test_a_corpus_or_a_model_is_no_work_directory(made, base, tmp_path, capsys):
    corpus = shutil.copytree(made / "corpus", tmp_path / "corpus")
    before = content(corpus)
    command = ["pretrain", made / "pretrain.toml", "--corpus", corpus, "--workdir", corpus]
    assert f"{corpus} is what the run reads" in refused(capsys, *command)
    assert content(corpus) == before
    before = content(base)
    assert f"{base} is what the run reads" in refused(capsys, *finetune(made, base, base))
    assert content(base) == before
    # Another corpus than the run's own, too: none of its files is touched.
    run(*pretrain(made, corpus))
    there = content(corpus)
    kept = {name: there[name] for name in ("corpus.json", "tokens.npy", "vocab.txt")}
    original = content(made / "corpus")
    assert kept == {name: original[name] for name in kept}


def test_ones_own_recipe_in_the_work_directory_stays_as_it_is(made, tmp_path):
    recipe = tmp_path / "run" / "config.toml"
    recipe.parent.mkdir()
    text = "# what I tried in May\n" + PRETRAIN
    recipe.write_text(text)
    command = ["pretrain", recipe, "--corpus", made / "corpus", "--workdir", recipe.parent]
    for _ in range(2):
        run(*command)
    assert recipe.read_text() == text
    weights = "model/model.safetensors"
    assert (recipe.parent / weights).read_bytes() == (made / "first" / weights).read_bytes()


def test_a_base_whose_content_changed_is_refused_and_the_file_named(
    made, base, interrupted, capsys
):
    vocabulary = base / "vocab.txt"
    pieces = vocabulary.read_text().split("\n")
    pieces[5], pieces[6] = pieces[6], pieces[5]
    before = content(interrupted)
    whole = vocabulary.read_text()
    vocabulary.write_text("\n".join(pieces))
    assert "(vocab.txt differs)" in refused(capsys, *finetune(made, interrupted, base))
    vocabulary.write_text(whole)
    weights = load_file(base / "model.safetensors")
    name = max(weights)
    save_file(weights | {name: weights[name] + np.float32(1e-3)}, base / "model.safetensors")
    assert "(model.safetensors differs)" in refused(capsys, *finetune(made, interrupted, base))
    assert content(interrupted) == before


@pytest.mark.parametrize("fate", ["moved", "deleted"])
def test_a_run_goes_on_when_its_base_has_moved_or_is_gone(
    fate, made, base, interrupted, tmp_path, capsys
):
    if fate == "moved":
        model = base.rename(tmp_path / "elsewhere")
    else:
        mark = interrupted / "run.json"
        mark.write_text(mark.read_text().replace(str(made / "alone" / "model"), str(base)))
        shutil.rmtree(base)
        model = base
    run(*finetune(made, interrupted, model))
    said = f"{base} is gone; the run in {interrupted} resumes from its own checkpoint"
    assert (said in capsys.readouterr().err) == (fate == "deleted")
    last = "checkpoints/step-000000006.safetensors"
    assert_same_arrays(interrupted / last, made / "tuned" / last)


def test_a_base_that_never_was_there_is_refused(made, interrupted, tmp_path, capsys):
    line = refused(capsys, *finetune(made, interrupted, tmp_path / "typo"))
    assert "no such model" in line


@pytest.mark.parametrize("run_of", ["first", "tuned"])
class TestAFinishedRun:
    @pytest.fixture
    def finished(self, run_of, made, tmp_path):
        return shutil.copytree(made / run_of, tmp_path / "run")

    @pytest.fixture
    def again(self, run_of, made, finished):
        if run_of == "first":
            return pretrain(made, finished)
        return finetune(made, finished, made / "alone" / "model")

    def test_trains_nothing_and_says_so(self, finished, again, capsys):
        before = content(finished)
        run(*again)
        captured = capsys.readouterr()
        assert f"the run in {finished} has finished: nothing is trained" in captured.err
        assert f"model: {finished / 'model'}" in captured.out
        assert content(finished) == before

    @pytest.mark.parametrize("what", ["deleted", "emptied"])
    def test_makes_its_model_again_to_the_same_bytes(self, what, finished, again):
        before = content(finished / "model")
        shutil.rmtree(finished / "model")
        if what == "emptied":
            (finished / "model").mkdir()
        run(*again)
        assert content(finished / "model") == before

    def test_with_a_cut_model_is_not_done(self, finished, again, capsys):
        weights = finished / "model" / "model.safetensors"
        os.truncate(weights, weights.stat().st_size - 100)
        cut = weights.read_bytes()
        line = refused(capsys, *again)
        assert "is not as the run wrote it (model.safetensors differs); put it back" in line
        assert weights.read_bytes() == cut


def test_a_finished_trial_is_not_taken_for_the_whole_run(made, tmp_path, capsys):
    base = made / "alone" / "model"
    epoch = ["--set", "train.epochs=1", "--set", "train.eval_every_steps=0"]
    whole = [*epoch, "--set", "train.steps=0"]
    run(*finetune(made, tmp_path / "trial", base, *epoch, "--set", "train.steps=2"))
    line = refused(capsys, *finetune(made, tmp_path / "trial", base, *whole))
    assert "another config (train.steps = 2 there, 0 here)" in line
    for _ in range(2):
        run(*finetune(made, tmp_path / "whole", base, *whole))
    assert "has finished: nothing is trained" in capsys.readouterr().err
    assert "\nsteps = 4\n" in (tmp_path / "whole" / "config.toml").read_text()


def test_a_best_model_that_cannot_be_made_again_is_not_replaced_by_another(made, tmp_path, capsys):
    workdir = shutil.copytree(made / "tuned", tmp_path / "run")
    shutil.rmtree(workdir / "model")
    best = int((workdir / "best_step").read_text())
    (workdir / "checkpoints" / f"step-{best:09d}.safetensors").unlink()
    (workdir / "checkpoints" / "step-000000006.safetensors").touch()  # the newest, if that was it
    command = finetune(made, workdir, made / "alone" / "model")
    if best != 6:
        shutil.copy(made / "tuned" / "checkpoints" / "step-000000006.safetensors",
                    workdir / "checkpoints")  # fmt: skip
        line = refused(capsys, *command)
        assert f"of step {best}, is gone" in line
        assert f"bert-keras finish {workdir} makes a model of the newest one, of step 6" in line
        run("finish", workdir)
        run(*command)


def test_a_run_whose_checkpoints_are_all_damaged_stops_and_keeps_its_log(made, tmp_path, capsys):
    workdir = shutil.copytree(made / "first", tmp_path / "run")
    shutil.rmtree(workdir / "model")
    for file in (workdir / "checkpoints").glob("step-*"):
        os.truncate(file, file.stat().st_size - 100)
    before = content(workdir)
    for _ in range(2):
        line = refused(capsys, *pretrain(made, workdir))
        assert f"all checkpoints in {workdir / 'checkpoints'} are damaged; to start again" in line
    assert content(workdir) == before


def test_what_the_program_made_among_the_texts_is_no_text(made, tmp_path, capsys):
    texts = shutil.copytree(made / "texts", tmp_path / "texts")
    run("vocab", texts, "--out", texts / "vocab.txt", "--size", "80")
    for name in ("corpus", "first", "tuned"):
        shutil.copytree(made / name, texts / name)
    run("convert", made / "first", texts / "google", "--to", "google")
    answers = texts / "answers.jsonl"
    run("predict", made / "tuned", "--input", made / "rows.tsv", "--out", answers)
    corpora = []
    for number, inputs in enumerate((texts, f"{texts}/*", f"{texts}/**/*", f"{texts}/**")):
        capsys.readouterr()
        corpora.append(tmp_path / f"corpus{number}")
        run("prepare", inputs, "--vocab", texts / "vocab.txt", "--out", corpora[-1])
        said = " ".join(capsys.readouterr().err.split())
        assert str(texts / "vocab.txt") in said
        assert f"it is a model's answers: {answers}" in said
        if number != 1:  # which names nothing below
            for name in ("corpus", "first", "tuned", "google"):
                assert said.count(f"left out {texts / name}: it is not text") == 1
    for corpus in corpora:
        assert (corpus / "tokens.npy").read_bytes() == (made / "corpus/tokens.npy").read_bytes()


def test_a_quickstart_takes_no_folder_that_is_not_its_own(tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine.txt").write_text("mine")
    line = refused(capsys, "quickstart", "--workdir", tmp_path)
    assert "is not empty and not the folder of a quickstart" in line
    assert content(tmp_path) == {"texts/mine.txt": hashlib.sha256(b"mine").hexdigest()}


def test_a_picture_that_no_run_drew_is_not_replaced(made, tmp_path, capsys):
    shutil.copy(made / "first" / "metrics.jsonl", tmp_path)
    run("plot", tmp_path)
    assert "is not of a run, and stays as it is" in refused(capsys, "plot", tmp_path)
    run("plot", shutil.copytree(made / "first", tmp_path / "run"))
