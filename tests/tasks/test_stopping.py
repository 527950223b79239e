"""Fine-tuning that is stopped in its evaluation, against a run that nobody disturbed."""

import signal

import pytest

from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
    dump_toml,
)
from bert_keras.errors import Interrupted
from bert_keras.modeling import BertForMaskedLM, BertForSequenceClassification
from bert_keras.tasks import finetune
from bert_keras.training import read_metrics
from tests.support.processes import DisturbedRun
from tests.support.runs import outcome

STEP, BATCHES = 3, 100  # the first evaluation: when, and of how many batches


@pytest.fixture(scope="module")
def data(tmp_path_factory, write_reviews):
    folder = tmp_path_factory.mktemp("large")
    write_reviews(folder / "train.tsv", 32)
    write_reviews(folder / "dev.tsv", 4 * BATCHES, seed=1)
    return folder


def recipe(every_steps, task="classification", **train):
    return FinetuneConfig(
        model=FinetuneModelConfig(hidden_dropout_prob=0.1),
        data=TaskDataConfig(task=task, max_seq_length=32),
        train=FinetuneTrainConfig(
            steps=7, batch_size=4, log_every_steps=2, eval_every_steps=STEP, **train
        ),
        checkpoint=CheckpointConfig(every_steps=every_steps, keep=9),
    )


@pytest.fixture(scope="module")
def undisturbed(encoder_path, data, tmp_path_factory):
    """Runs by their recipe, each once."""
    runs = {}

    def get(config):
        if config not in runs:
            runs[config] = tmp_path_factory.mktemp("undisturbed")
            train(config, runs[config], encoder_path, data)
        return runs[config]

    return get


def train(config, workdir, encoder_path, data):
    files = str(data / "train.tsv"), str(data / "dev.tsv")
    finetune(config, workdir, encoder_path, *files)


def stop_at(monkeypatch, model_class, batch):
    """Sends SIGTERM within that batch of an evaluation; returns the list of those begun."""
    begun, forward = [], model_class.forward

    def counted(model):
        begun.append(len(begun))
        if len(begun) == batch:
            signal.raise_signal(signal.SIGTERM)
        return forward.__get__(model, model_class)

    monkeypatch.setattr(model_class, "forward", property(counted))  # asked for once a batch
    return begun


def checkpoints(workdir):
    return [int(path.stem[-9:]) for path in sorted(workdir.glob("checkpoints/step-*"))]


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


CASES = [
    (recipe(every_steps=STEP), BertForSequenceClassification, BATCHES),  # a checkpoint is due
    (recipe(every_steps=100), BertForSequenceClassification, BATCHES),  # none is
    slow(recipe(every_steps=2, patience=1), BertForSequenceClassification, BATCHES),
    slow(recipe(every_steps=2, task="masked_lm"), BertForMaskedLM, 2 * BATCHES),  # labels are texts
]


@pytest.mark.system
@pytest.mark.parametrize(("config", "model_class", "batches"), CASES)
@pytest.mark.parametrize("evaluation", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_evaluation_gives_way_within_a_batch_and_is_made_up_for(
    config, model_class, batches, evaluation, encoder_path, data, undisturbed, tmp_path, monkeypatch
):
    stopped_in = evaluation * batches + 5
    with monkeypatch.context() as patch:
        begun = stop_at(patch, model_class, stopped_in)
        with pytest.raises(Interrupted, match=f"at step {STEP * (evaluation + 1)};") as stop:
            train(config, tmp_path, encoder_path, data)
    assert stop.value.exit_code == 128 + signal.SIGTERM
    assert len(begun) == stopped_in
    assert STEP * (evaluation + 1) in checkpoints(tmp_path)
    assert len([line for line in read_metrics(tmp_path) if line["split"] == "eval"]) == evaluation
    train(config, tmp_path, encoder_path, data)
    assert outcome(tmp_path) == outcome(undisturbed(config))


@pytest.mark.system
def test_a_due_checkpoint_is_whole_before_the_evaluation_ends(
    encoder_path, data, tmp_path, monkeypatch
):
    """However the evaluation ends: here by an error of its own."""

    def failing(model):
        raise RuntimeError("the evaluation fails")

    monkeypatch.setattr(BertForSequenceClassification, "forward", property(failing))
    with pytest.raises(RuntimeError):
        train(recipe(every_steps=STEP), tmp_path, encoder_path, data)
    assert checkpoints(tmp_path) == [STEP]


@pytest.mark.system
def test_a_stop_in_an_evaluation_that_is_made_up_for_is_one_as_well(
    encoder_path, data, undisturbed, tmp_path, monkeypatch
):
    config = recipe(every_steps=STEP)
    for batch in (5, 50):
        with monkeypatch.context() as patch:
            begun = stop_at(patch, BertForSequenceClassification, batch)
            with pytest.raises(Interrupted, match=f"at step {STEP};"):
                train(config, tmp_path, encoder_path, data)
        assert len(begun) == batch
    train(config, tmp_path, encoder_path, data)
    assert outcome(tmp_path) == outcome(undisturbed(config))


@pytest.mark.slow
def test_the_command_itself_stops_in_its_evaluation(encoder_path, data, undisturbed, tmp_path):
    """A process and a signal from outside. Far more texts than it could evaluate meanwhile."""
    config = recipe(every_steps=STEP)
    (tmp_path / "recipe.toml").write_text(dump_toml(config))
    (tmp_path / "dev.tsv").write_text(500 * (data / "dev.tsv").read_text())
    command = ["finetune", str(tmp_path / "recipe.toml"), "--model", str(encoder_path)]
    command += ["--train", str(data / "train.tsv"), "--dev"]
    run = DisturbedRun([*command, str(tmp_path / "dev.tsv")], tmp_path / "run")
    code, errors = run.stop(signal.SIGTERM, at_step=STEP, delay=0.5)
    assert code == 128 + signal.SIGTERM, errors
    assert errors.splitlines()[-1] == (
        f"bert-keras: interrupted at step {STEP}; the same command resumes the run"
    )
    assert not [line for line in read_metrics(run.workdir) if line["split"] == "eval"]
