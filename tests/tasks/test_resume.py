"""Fine-tuning of every task, killed in its own process, against a run that nobody disturbed."""

import json
import signal

import keras
import numpy as np
import pytest

from bert_keras.__main__ import run as main
from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneTrainConfig,
    FinetuneWatchConfig,
    TaskDataConfig,
    dump_toml,
)
from bert_keras.tasks import finetune
from bert_keras.training import read_metrics
from tests.support.processes import DisturbedRun
from tests.support.runs import outcome

ADJECTIVES = ["fine", "dull", "warm", "cold"]
NOUNS = ["film", "joy", "fun", "pain"]
PAIRS = [(adjective, noun) for adjective in ADJECTIVES for noun in NOUNS]


def tagging(folder):
    blocks = [f"a O\n{a} B-how\n{n} B-what\n" for a, n in PAIRS]
    (folder / "train.conll").write_text("\n".join(blocks))
    return folder / "train.conll"


def span(folder):
    paragraphs = [
        {
            "context": f"as i said a {a} {n} indeed",
            "qas": [
                {
                    "id": f"{a}-{n}",
                    "question": f"a {a} what",
                    "answers": [{"text": n, "answer_start": len(f"as i said a {a} ")}],
                }
            ],
        }
        for a, n in PAIRS
    ]
    (folder / "train.json").write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]})
    )
    return folder / "train.json"


def regression(folder):
    rows = [f"a {a} {n}\t{i / 8 - 1}" for i, (a, n) in enumerate(PAIRS)]
    (folder / "train.tsv").write_text("\n".join(rows) + "\n")
    return folder / "train.tsv"


def multi_label(folder):
    labels = ["red|blue", "", "red", "blue"]
    rows = [f"a {a} {n}\t{labels[i % 4]}" for i, (a, n) in enumerate(PAIRS)]
    (folder / "train.tsv").write_text("\n".join(rows) + "\n")
    return folder / "train.tsv"


@pytest.mark.system
@pytest.mark.parametrize(
    "write",
    [
        tagging,
        pytest.param(span, marks=pytest.mark.slow),
        pytest.param(regression, marks=pytest.mark.slow),
        pytest.param(multi_label, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_of_any_task_ends_with_the_same_bytes(write, encoder_path, tmp_path):
    data = str(write(tmp_path))
    config = FinetuneConfig(
        model=FinetuneModelConfig(hidden_dropout_prob=0.1),
        data=TaskDataConfig(task=write.__name__, max_seq_length=32),
        train=FinetuneTrainConfig(steps=24, batch_size=5, log_every_steps=5, eval_every_steps=7),
        checkpoint=CheckpointConfig(every_steps=2),
    )
    finetune(config, tmp_path / "undisturbed", encoder_path, data, data)
    (tmp_path / "recipe.toml").write_text(dump_toml(config))
    command = ["finetune", str(tmp_path / "recipe.toml"), "--model", str(encoder_path)]
    run = DisturbedRun([*command, "--train", data, "--dev", data], tmp_path / "run")
    code, errors = run.stop(signal.SIGKILL, at_step=4)
    assert code == -signal.SIGKILL, errors
    assert not (run.workdir / "model").exists(), "it had finished before it was killed"
    run.finish()
    assert outcome(run.workdir) == outcome(tmp_path / "undisturbed")


class OverflowAt(keras.callbacks.Callback):
    """Makes weights infinite, once, after a step whose own loss is finite."""

    def __init__(self, step):
        super().__init__()
        self.steps = [step]

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 in self.steps:
            self.steps.remove(batch + 1)
            weight = self.model.trainable_weights[-1]
            weight.assign(np.full(weight.shape, np.inf))


@pytest.mark.system
def test_weights_that_overflow_before_the_last_evaluation_are_rolled_back(encoder_path, tmp_path):
    data = str(tagging(tmp_path))
    config = FinetuneConfig(
        data=TaskDataConfig(task="tagging", max_seq_length=32),
        train=FinetuneTrainConfig(steps=8, batch_size=5, eval_every_steps=8),
        checkpoint=CheckpointConfig(every_steps=4),
        watch=FinetuneWatchConfig(on_divergence="roll_back", skip_steps=1),
    )
    finetune(config, tmp_path / "run", encoder_path, data, data, [OverflowAt(8)])
    (line,) = (line for line in read_metrics(tmp_path / "run") if line["split"] == "eval")
    assert line["step"] == 8
    assert (tmp_path / "run" / "model").exists()


@pytest.mark.slow
def test_a_row_that_blows_up_the_loss_stops_the_command_and_can_be_skipped(
    encoder_path, tmp_path, capfd
):
    rows = [f"a {a} {n}\t{i / 8 - 1}" for i, (a, n) in enumerate(PAIRS * 4)]
    rows[30] = "a fine film\t1e30"  # whose square float32 does not hold
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    config = FinetuneConfig(
        data=TaskDataConfig(task="regression", max_seq_length=32),
        train=FinetuneTrainConfig(epochs=1, batch_size=2, log_every_steps=5),
        checkpoint=CheckpointConfig(every_steps=3, keep=9),
    )
    (tmp_path / "recipe.toml").write_text(dump_toml(config))
    command = ["finetune", str(tmp_path / "recipe.toml"), "--model", str(encoder_path)]
    command += ["--train", str(tmp_path / "train.tsv"), "--workdir", str(tmp_path / "run")]
    assert main(command) == 1
    (word,) = (line for line in capfd.readouterr().err.splitlines() if "bert-keras: " in line)
    assert word.startswith("bert-keras: the loss of step ")
    assert " is inf; the same command with --set watch.on_divergence=roll_back " in word
    skipping = ["--set", "watch.on_divergence=roll_back", "--set", "watch.skip_steps=1"]
    assert main([*command, *skipping]) == 0
    lines = read_metrics(tmp_path / "run")
    assert lines[-1]["step"] == 32
    assert all(line["regression_loss"] is not None for line in lines)
