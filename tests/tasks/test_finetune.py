"""Fine-tuning from the examples to the model, and what is refused on the way."""

import os
import signal
import subprocess
import sys

import pytest

import bert_keras
from bert_keras.config import dump_toml, to_tables
from bert_keras.errors import InputError
from bert_keras.saving.mark import RunMark
from bert_keras.tasks import evaluate, finetune, predict
from bert_keras.training import read_metrics
from tests.tasks.recipes import recipe


@pytest.fixture(scope="session")
def finished(encoder_path, reviews, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "reviews"
    train, dev = str(reviews / "train.tsv"), str(reviews / "dev.tsv")
    finetune(recipe(), workdir, encoder_path, train, dev)
    return workdir


def test_a_run_learns_its_task_and_leaves_a_model(finished, reviews):
    assert {path.name for path in finished.iterdir()} >= {
        "config.toml",
        "run.json",
        "checkpoints",
        "metrics.jsonl",
        "curves.png",
        "model",
    }
    model = bert_keras.load(finished / "model")
    assert model.labels == ("bad", "good")
    assert evaluate(model, str(reviews / "dev.tsv")).metrics["accuracy"] > 0.95
    answers = predict(model, ["a fine film indeed", "no fun"])
    assert [answer["label"] for answer in answers] == ["good", "bad"]
    assert answers[0]["scores"]["good"] == answers[0]["score"] > 0.5


def test_the_best_model_is_the_one_that_is_kept(finished, reviews):
    scores = [line["accuracy"] for line in read_metrics(finished) if line["split"] == "eval"]
    model = bert_keras.load(finished / "model")
    kept = evaluate(model, str(reviews / "dev.tsv")).metrics["accuracy"]
    assert kept == pytest.approx(max(scores))


def test_a_finished_run_is_not_taken_for_one_on_other_settings_or_data(
    finished, encoder_path, reviews
):
    train, dev = str(reviews / "train.tsv"), str(reviews / "dev.tsv")
    with pytest.raises(InputError, match=r"another config \(optimizer.learning_rate = 0.002 there"):
        finetune(recipe(optimizer={"learning_rate": 0.1}), finished, encoder_path, train, dev)
    with pytest.raises(InputError, match="other data"):
        finetune(recipe(train={"steps": 48}), finished, encoder_path, train, train)


@pytest.mark.system
def test_the_best_model_of_a_run_that_was_given_up_is_not_another_runs(
    tmp_path, encoder_path, reviews
):
    bert_keras.save(bert_keras.load(encoder_path), tmp_path / "run" / "best")
    config, train = recipe(train={"steps": 2}), str(reviews / "train.tsv")
    RunMark(command="finetune", config=to_tables(config), data={}).write(tmp_path / "run")
    finetune(config, tmp_path / "run", encoder_path, train)
    finetune(config, tmp_path / "other", encoder_path, train)
    ours, other = (
        (tmp_path / run / "model" / "model.safetensors").read_bytes() for run in ("run", "other")
    )
    assert ours == other


@pytest.mark.parametrize(
    ("task", "rows", "bad", "message"),
    [
        ("classification", "x\ta\ny\tb\n", "x\n", "dev.tsv, row 1 has no label"),
        ("regression", "x\t1\ny\t2\n", "x\t1\ny\tnone\n", "dev.tsv, row 2: a regression's label"),
        (
            "tagging",
            "x O\ny B-a\n",
            "x O\n\ny I a\n",
            "dev.tsv, row 3 has 3 columns",
        ),
        ("tagging", "x O\ny B-a\n", "x\ny\n", "dev.tsv, row 1 has no tags"),
        (
            "classification",
            "x\ta\ny\ta\n",
            "",
            "examples of two labels at least. Received: 'a' alone",
        ),
        ("multi_label", "x\t\ny\t\n", "", "needs a label; no example has any"),
    ],
)
def test_what_cannot_be_learned_or_scored_is_told_before_the_training(
    tmp_path, encoder_path, task, rows, bad, message
):
    (tmp_path / "train.tsv").write_text(rows)
    (tmp_path / "dev.tsv").write_text(bad)
    dev = str(tmp_path / "dev.tsv") if bad else None
    with pytest.raises(InputError, match=message):
        finetune(
            recipe(data={"task": task}), tmp_path / "run", encoder_path,
            str(tmp_path / "train.tsv"), dev,
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["model", "train", "dev"])
def test_an_empty_name_is_not_the_recipes(tmp_path, name):
    given = {"model": "m", "train": "t.tsv", "dev": "d.tsv"} | {name: ""}
    with pytest.raises(InputError, match=f"^{name} is empty; leave it out for the recipe's own"):
        finetune(recipe(), tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_trained_further(finished, encoder_path, reviews):
    before = (finished / "model" / "model.safetensors").stat().st_mtime_ns
    train, dev = str(reviews / "train.tsv"), str(reviews / "dev.tsv")
    finetune(recipe(), finished, encoder_path, train, dev)
    assert (finished / "model" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.system
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, finished, encoder_path, reviews):
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe()))
    command = [sys.executable, "-m", "bert_keras", "finetune", str(tmp_path / "recipe.toml")]
    command += ["--model", str(encoder_path), "--workdir", str(tmp_path / "run")]
    command += ["--train", str(reviews / "train.tsv"), "--dev", str(reviews / "dev.tsv")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "run").glob("checkpoints/step-*")):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "model").exists(), "it had finished before it was killed"
    subprocess.run(command, check=True, capture_output=True)
    ours, theirs = (
        (run / "model" / "model.safetensors").read_bytes() for run in (tmp_path / "run", finished)
    )
    assert ours == theirs


def test_other_data_in_the_same_work_directory_are_refused(
    finished, encoder_path, reviews, write_reviews, tmp_path
):
    other = write_reviews(tmp_path / "other.tsv", 64, seed=7)
    with pytest.raises(InputError, match="other data"):
        finetune(recipe(), finished, encoder_path, str(other), str(reviews / "dev.tsv"))


def test_another_config_in_the_same_work_directory_is_refused(finished, encoder_path, reviews):
    other = recipe(optimizer={"learning_rate": 1e-3})
    with pytest.raises(InputError, match=r"learning_rate = 0.002 there, 0.001 here"):
        finetune(
            other, finished, encoder_path, str(reviews / "train.tsv"), str(reviews / "dev.tsv")
        )


def test_a_label_that_training_did_not_have_names_the_row(finished, tmp_path):
    (tmp_path / "dev.tsv").write_text("a fine film\tgood\nno fun\tawful\n")
    with pytest.raises(InputError, match=r"row 2.*'awful' is none of the model's: bad, good"):
        evaluate(bert_keras.load(finished / "model"), str(tmp_path / "dev.tsv"))
