"""A pre-training command that is given again: after a kill, a stop, its end, or with other data."""

import shutil
import signal
from dataclasses import replace

import keras
import pytest

from bert_keras.cli.progress import PretrainingProgress
from bert_keras.corpus import prepare_corpus
from bert_keras.errors import InputError, Interrupted
from bert_keras.objectives import make_eval_step
from bert_keras.saving.run_state import digest_of, read_state, state_file
from bert_keras.training import pretrain, trainer
from bert_keras.training.metrics import read_metrics
from bert_keras.training.workdir import locked
from tests.support.files import flip
from tests.training.line import At, Kill, kill

pytestmark = pytest.mark.system


@pytest.mark.parametrize(("step", "jit_compile"), [(3, "auto"), (8, False)])
def test_a_killed_run_ends_with_the_same_bytes(
    step, jit_compile, finished, recipe, corpus_path, tmp_path
):
    """Also where an earlier version began it, whose default for ``jit_compile`` was false."""
    begun = replace(recipe, train=replace(recipe.train, jit_compile=jit_compile))
    with pytest.raises(Kill):
        pretrain(begun, tmp_path / "run", corpus_path, callbacks=[At(step, kill)])
    pretrain(recipe, tmp_path / "run", corpus_path)
    ours, theirs = (
        (folder / "model/model.safetensors", state_file(folder / "checkpoints", 12))
        for folder in (tmp_path / "run", finished)
    )
    assert ours[0].read_bytes() == theirs[0].read_bytes()
    if jit_compile == "auto":  # else the run's id in it is another one
        assert ours[1].read_bytes() == theirs[1].read_bytes()
    arrays = [read_state(path).arrays for path in (ours[1], theirs[1])]
    assert digest_of(arrays[0]) == digest_of(arrays[1])
    held_out = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert held_out == [line for line in read_metrics(finished) if line["split"] == "eval"]


def test_ctrl_c_saves_the_step_and_the_run_ends_with_the_same_bytes(
    finished, recipe, corpus_path, tmp_path
):
    """The signal comes to step 5, which is no checkpoint's; nothing of it is lost."""

    class PressCtrlC(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch + 1 == 5:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="interrupted at step 5") as stop:
        pretrain(recipe, tmp_path / "run", corpus_path, callbacks=[PressCtrlC()])
    assert stop.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert (tmp_path / "run" / "checkpoints" / "step-000000005.safetensors").exists()
    pretrain(recipe, tmp_path / "run", corpus_path)
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (finished / file).read_bytes()


@pytest.mark.parametrize("due", [True, False])
def test_the_held_out_evaluation_gives_way_within_a_batch(
    due, recipe, corpus_path, tmp_path, monkeypatch
):
    """SIGTERM comes in the second of ten batches; the checkpoint of the step is there."""
    config = replace(
        recipe,
        train=replace(recipe.train, eval_batches=10),
        checkpoint=replace(recipe.checkpoint, every_steps=6 if due else 4, keep=9),
    )
    evaluated = []

    def stopping(*arguments):
        step = make_eval_step(*arguments)

        def evaluate(batch):
            evaluated.append(len(evaluated))
            if len(evaluated) == 2:
                signal.raise_signal(signal.SIGTERM)
            return step(batch)

        return evaluate

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "make_eval_step", stopping)
        with pytest.raises(Interrupted, match="interrupted at step 6;"):
            pretrain(config, tmp_path / "run", corpus_path)
    assert len(evaluated) == 2
    assert (tmp_path / "run" / "checkpoints" / "step-000000006.safetensors").exists()
    for workdir in ("run", "undisturbed"):
        pretrain(config, tmp_path / workdir, corpus_path)
    for file in ("model/model.safetensors", "checkpoints/step-000000012.safetensors"):
        contents = [(tmp_path / name / file).read_bytes() for name in ("run", "undisturbed")]
        assert contents[0] == contents[1]
    logs = [read_metrics(tmp_path / name) for name in ("run", "undisturbed")]
    held_out = [[line for line in log if line["split"] == "eval"] for log in logs]
    assert held_out[0] == held_out[1]


def test_a_try_that_failed_does_not_block_the_next(finished, recipe, corpus_path, tmp_path):
    with pytest.raises(FileNotFoundError):
        pretrain(recipe, tmp_path / "run", corpus_path, init=tmp_path / "none")
    once = replace(recipe, train=replace(recipe.train, steps=1))
    assert pretrain(once, tmp_path / "run", corpus_path).exists()


def test_a_second_process_in_the_same_work_directory_is_refused(recipe, corpus_path, tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="another process is training"):
        pretrain(recipe, tmp_path, corpus_path)


@pytest.mark.parametrize(("masking", "next_sentence"), [("whole_word", "sop"), ("span", "none")])
def test_every_sentence_task_trains_evaluates_and_resumes(
    masking, next_sentence, tmp_path, recipe, corpus_path
):
    data = replace(recipe.data, masking=masking, next_sentence=next_sentence)
    config = replace(recipe, data=data)
    pretrain(config, tmp_path / "run", corpus_path)
    with pytest.raises(Kill):
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[At(7, kill)])
    with PretrainingProgress() as bar:
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[bar])
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    for line in read_metrics(tmp_path / "run"):
        assert ("nsp_loss" in line) == (next_sentence != "none")
        assert line["mlm_loss"] > 0
    held_out = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert ("nsp_baseline_accuracy" in held_out[0]) == (next_sentence != "none")


def test_the_sentence_task_may_begin_with_a_later_phase(tmp_path, recipe, corpus_path):
    """Kill within the first phase, which has none, and resumed."""
    (short,) = recipe.data.phases
    short = replace(short, next_sentence="none")
    config = replace(recipe, data=replace(recipe.data, phases=(short,)))
    pretrain(config, tmp_path / "run", corpus_path)
    with pytest.raises(Kill):
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[At(5, kill)])
    pretrain(config, tmp_path / "killed", corpus_path)
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    for line in read_metrics(tmp_path / "run"):
        assert ("nsp_loss" in line) == (line["step"] > 6)


def test_a_finished_run_returns_at_once_and_changes_nothing(finished, recipe, corpus_path):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("[!.]*") if p.is_file()}
    assert pretrain(recipe, finished, corpus_path) == finished / "model"
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("[!.]*") if p.is_file()} == before


def test_a_finished_run_is_not_kept_waiting_by_its_corpus(finished, recipe, corpus_path, tmp_path):
    """Nothing is trained on it, so damage in the ids, found by hashing all, is passed over."""
    run = shutil.copytree(finished, tmp_path / "run")
    corpus = shutil.copytree(corpus_path, tmp_path / "corpus")
    flip(corpus / "tokens.npy", -2)
    assert pretrain(recipe, run, corpus) == run / "model"
    shutil.rmtree(run / "model")
    with pytest.raises(InputError, match=r"tokens.npy is damaged \(it does not hold what was prep"):
        pretrain(recipe, run, corpus)


def test_a_damaged_description_is_told_as_damage_and_not_as_another_corpus(
    finished, recipe, corpus_path, tmp_path
):
    corpus = shutil.copytree(corpus_path, tmp_path / "corpus")
    text = (corpus / "corpus.json").read_text()
    digit = text.index('"arrays_hash": "') + len('"arrays_hash": "')
    (corpus / "corpus.json").write_text(
        text[:digit] + ("1" if text[digit] == "0" else "0") + text[digit + 1 :]
    )
    with pytest.raises(InputError, match=r"corpus.json is damaged \(.*; prepare the corpus again"):
        pretrain(recipe, finished, corpus)


def test_a_work_directory_of_another_config_is_refused(finished, recipe, corpus_path):
    other = replace(recipe, train=replace(recipe.train, steps=13))
    with pytest.raises(InputError, match=r"train.steps = 12 there, 13 here"):
        pretrain(other, finished, corpus_path)


def test_a_work_directory_of_another_corpus_is_refused(finished, recipe, other_corpus_path):
    with pytest.raises(InputError, match=r"on other data \((arrays|vocab)_hash differs\)"):
        pretrain(recipe, finished, other_corpus_path)


def test_the_same_texts_prepared_from_another_folder_are_the_same_data(
    finished, recipe, corpus_path, tmp_path
):
    texts = shutil.copytree(corpus_path.parent / "texts", tmp_path / "texts")
    prepare_corpus([texts], corpus_path.parent / "vocab.txt", tmp_path / "corpus")
    assert pretrain(recipe, finished, tmp_path / "corpus") == finished / "model"


def test_a_work_directory_of_another_text_from_the_same_folder_is_refused(
    recipe, corpus_path, tmp_path
):
    """Its file names and its numbers of words, sentences and documents are the same."""
    texts = shutil.copytree(corpus_path.parent / "texts", tmp_path / "texts")
    vocab = corpus_path.parent / "vocab.txt"
    prepare_corpus([texts], vocab, tmp_path / "corpus")
    once = replace(recipe, train=replace(recipe.train, steps=1))
    pretrain(once, tmp_path / "run", tmp_path / "corpus")
    first = texts / "000.txt"
    first.write_text("\n".join(reversed(first.read_text().splitlines())))
    prepare_corpus([texts], vocab, tmp_path / "other")
    with pytest.raises(InputError, match=r"on other data \(arrays_hash differs\)"):
        pretrain(once, tmp_path / "run", tmp_path / "other")
