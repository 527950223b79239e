import json
import shutil
import signal
from dataclasses import replace

import keras
import numpy as np
import pytest

import bert_keras
from bert_keras.cli.progress import PretrainingProgress
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.errors import InputError, Interrupted
from bert_keras.modeling import BertForPreTraining
from bert_keras.training import measure_seconds_per_step, pretrain, trainer
from bert_keras.training.metrics import read_metrics
from bert_keras.training.optimizer import make_optimizer
from bert_keras.training.phases import pretraining_phases
from bert_keras.training.steps import make_eval_step
from bert_keras.training.workdir import locked


class Killed(BaseException):
    """Not an Exception: nothing on the way may catch it, as nothing catches a kill."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.step:
            raise Killed


@pytest.fixture(scope="module")
def finished(tmp_path_factory, corpus_path, recipe):
    """The work directory of a run that nobody disturbed."""
    workdir = tmp_path_factory.mktemp("run") / "undisturbed"
    pretrain(recipe, workdir, corpus_path)
    return workdir


def test_work_directory_holds_what_it_should(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "config.toml",
        "run.json",
        "checkpoints",
        "metrics.jsonl",
        "logs",
        "curves.png",
        "model",
    }
    assert [p.name for p in sorted((finished / "checkpoints").iterdir())] == [
        "config.json",
        "step-000000008.safetensors",
        "step-000000012.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert {path.name for path in (finished / "model").iterdir()} == {
        ".bert_keras.json",
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
    }


def test_metrics_have_the_contracts_keys_at_the_right_steps(finished):
    lines = read_metrics(finished)
    train = [line for line in lines if line["split"] == "train"]
    held_out = [line for line in lines if line["split"] == "eval"]
    assert [line["step"] for line in train] == [3, 6, 9, 12]
    assert [line["step"] for line in held_out] == [6, 12]
    tasks = {"mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"}
    for line in train:
        assert line.keys() >= tasks | {"learning_rate", "max_seq_length"}
    for line in held_out:
        assert line.keys() >= tasks | {"mlm_baseline_accuracy", "nsp_baseline_accuracy"}
        assert line["mlm_perplexity"] == pytest.approx(np.exp(line["mlm_loss"]))
    assert [line["max_seq_length"] for line in train] == [16, 16, 32, 32]


@pytest.mark.parametrize("step", [3, pytest.param(8, marks=pytest.mark.system)])
def test_a_killed_run_ends_with_the_same_bytes(step, finished, recipe, corpus_path, tmp_path):
    with pytest.raises(Killed):
        pretrain(recipe, tmp_path / "run", corpus_path, callbacks=[KillAt(step)])
    pretrain(recipe, tmp_path / "run", corpus_path)
    for file in ("model/model.safetensors", "checkpoints/step-000000012.safetensors"):
        assert (tmp_path / "run" / file).read_bytes() == (finished / file).read_bytes()
    held_out = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert held_out == [line for line in read_metrics(finished) if line["split"] == "eval"]


@pytest.mark.system
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


@pytest.mark.system
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


@pytest.mark.system
@pytest.mark.parametrize(("masking", "next_sentence"), [("whole_word", "sop"), ("span", "none")])
def test_every_sentence_task_trains_evaluates_and_resumes(
    masking, next_sentence, tmp_path, recipe, corpus_path
):
    data = replace(recipe.data, masking=masking, next_sentence=next_sentence)
    config = replace(recipe, data=data)
    pretrain(config, tmp_path / "run", corpus_path)
    with pytest.raises(Killed):
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[KillAt(7)])
    with PretrainingProgress() as bar:
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[bar])
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    for line in read_metrics(tmp_path / "run"):
        assert ("nsp_loss" in line) == (next_sentence != "none")
        assert line["mlm_loss"] > 0
    held_out = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert ("nsp_baseline_accuracy" in held_out[0]) == (next_sentence != "none")


@pytest.mark.system
def test_the_sentence_task_may_begin_with_a_later_phase(tmp_path, recipe, corpus_path):
    """Killed within the first phase, which has none, and resumed."""
    (short,) = recipe.data.phases
    short = replace(short, next_sentence="none")
    config = replace(recipe, data=replace(recipe.data, phases=(short,)))
    pretrain(config, tmp_path / "run", corpus_path)
    with pytest.raises(Killed):
        pretrain(config, tmp_path / "killed", corpus_path, callbacks=[KillAt(5)])
    pretrain(config, tmp_path / "killed", corpus_path)
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    for line in read_metrics(tmp_path / "run"):
        assert ("nsp_loss" in line) == (line["step"] > 6)


def test_a_finished_run_returns_at_once_and_changes_nothing(finished, recipe, corpus_path):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("[!.]*") if p.is_file()}
    assert pretrain(recipe, finished, corpus_path) == finished / "model"
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("[!.]*") if p.is_file()} == before


@pytest.mark.system
def test_first_ten_steps_equal_fits(finished, recipe, corpus_path):
    """The loop and ``model.fit`` on the same batches, dropout on: the same losses."""
    config = replace(
        recipe,
        data=replace(recipe.data, phases=()),
        train=replace(recipe.train, steps=10, log_every_steps=1),
    )
    corpus = Corpus.open(corpus_path)
    loop_dir = finished.parent / "as-fit"
    pretrain(config, loop_dir, corpus_path)
    by_loop = [line for line in read_metrics(loop_dir) if line["split"] == "train"]

    model = BertForPreTraining(config.model.bert_config(corpus.vocab_size), seed=0)
    model.compile(make_optimizer(config.optimizer, config.train.steps))
    (phase,) = pretraining_phases(config, corpus)
    losses = []
    one_by_one = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: losses.append(logs))
    model.fit(
        phase.batches_from(0),
        epochs=10,
        steps_per_epoch=1,
        verbose=0,
        shuffle=False,
        callbacks=[one_by_one],
    )
    for name in ("mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"):
        np.testing.assert_allclose(
            [logs[name] for logs in losses], [line[name] for line in by_loop], rtol=1e-6
        )
    saved = bert_keras.load(loop_dir / "model")
    for ours, theirs in zip(saved.trainable_weights, model.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_training_learns_more_than_the_most_frequent_word(tmp_path, recipe, corpus_path):
    config = replace(
        recipe,
        model=replace(
            recipe.model,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        ),
        data=replace(recipe.data, phases=()),
        optimizer=replace(recipe.optimizer, learning_rate=5e-3, bias_correction=True),
        train=replace(
            recipe.train, steps=120, log_every_steps=60, eval_every_steps=120, batch_size=32
        ),
        checkpoint=replace(recipe.checkpoint, every_steps=120),
    )
    pretrain(config, tmp_path / "run", corpus_path)
    last = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"][-1]
    assert last["mlm_accuracy"] > 1.5 * last["mlm_baseline_accuracy"]


@pytest.mark.system
def test_init_starts_from_the_saved_weights(tmp_path, finished, recipe, corpus_path):
    still = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=0.0))
    pretrain(still, tmp_path / "run", corpus_path, init=finished / "model")
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (finished / file).read_bytes()


def test_init_of_another_architecture_is_refused(tmp_path, finished, recipe, corpus_path):
    wider = replace(recipe, model=replace(recipe.model, intermediate_size=96))
    with pytest.raises(InputError, match="cannot start this run"):
        pretrain(wider, tmp_path / "run", corpus_path, init=finished / "model")


def test_a_work_directory_of_another_config_is_refused(finished, recipe, corpus_path):
    other = replace(recipe, train=replace(recipe.train, steps=13))
    with pytest.raises(InputError, match=r"train.steps = 12 there, 13 here"):
        pretrain(other, finished, corpus_path)


def test_a_work_directory_of_another_corpus_is_refused(finished, recipe, other_corpus_path):
    with pytest.raises(InputError, match=r"on other data \((arrays|vocab)_hash is another\)"):
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
    with pytest.raises(InputError, match=r"on other data \(arrays_hash is another\)"):
        pretrain(once, tmp_path / "run", tmp_path / "other")


def test_no_corpus_says_how_to_give_one(tmp_path, recipe):
    with pytest.raises(InputError, match="--corpus"):
        pretrain(recipe, tmp_path / "run")


def test_held_out_documents_are_never_trained_on(recipe, corpus_path):
    train, held_out = Corpus.open(corpus_path).split(recipe.data.eval_fraction)
    first = {tuple(document) for document in train.documents.tolist()}
    second = {tuple(document) for document in held_out.documents.tolist()}
    assert first.isdisjoint(second)
    assert len(first) + len(second) == 40
    assert second


@pytest.mark.system
def test_seconds_per_step_weighs_the_phases(recipe, corpus_path):
    seconds = measure_seconds_per_step(recipe, Corpus.open(corpus_path), seconds=0.2)
    assert 0 < seconds < 10


def test_metrics_are_json_without_nan(finished):
    for line in (finished / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
