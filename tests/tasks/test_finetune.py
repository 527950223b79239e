import json
import os
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import bert_keras
from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
    dump_toml,
)
from bert_keras.errors import InputError
from bert_keras.saving.mark import RunMark
from bert_keras.tasks import evaluate, finetune, predict
from bert_keras.training import read_metrics


def recipe(model=None, data=None, optimizer=None, train=None):
    return FinetuneConfig(
        model=FinetuneModelConfig(**(model or {})),
        data=TaskDataConfig(**({"max_seq_length": 40} | (data or {}))),
        optimizer=FinetuneOptimizerConfig(**({"learning_rate": 2e-3} | (optimizer or {}))),
        train=FinetuneTrainConfig(
            **({"epochs": 12, "batch_size": 16, "log_every_steps": 4} | (train or {}))
        ),
        checkpoint=CheckpointConfig(every_steps=8),
    )


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
    RunMark(command="finetune", config={}, data={}).write(tmp_path / "run")
    config, train = recipe(train={"steps": 2}), str(reviews / "train.tsv")
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


def test_a_dev_fraction_that_leaves_nothing_is_named(tmp_path, encoder_path, reviews):
    config = recipe(data={"dev_fraction": 0.9999999})
    with pytest.raises(InputError, match=r"data.dev_fraction = 0.9999999 holds out all .*\(64\)"):
        finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))


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


@pytest.mark.system
def test_early_stopping_ends_a_run_that_no_longer_betters_and_stays_ended(
    tmp_path, encoder_path, reviews
):
    config = recipe(train={"patience": 1, "epochs": 40, "batch_size": 32})
    arguments = (encoder_path, str(reviews / "train.tsv"), str(reviews / "dev.tsv"))
    finetune(config, tmp_path / "run", *arguments)
    evaluations = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert len(evaluations) < 40
    values = [line["accuracy"] for line in evaluations]
    assert values[-1] <= max(values[:-1])
    assert all(later > earlier for earlier, later in pairwise(values[:-1]))


def test_frozen_layers_keep_their_weights(tmp_path, encoder_path, reviews):
    config = recipe(model={"frozen_layers": 1}, train={"steps": 3})
    finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))
    before = {w.path: w.numpy() for w in bert_keras.load(encoder_path).weights}
    after = {w.path: w.numpy() for w in bert_keras.load(tmp_path / "run" / "model").weights}
    same = {name for name in before if np.array_equal(before[name], after[name])}
    trained = {name for name in before if name.startswith(("layer_1/", "pooler/"))}
    trained -= {"layer_1/attention/query_key_value/bias"}  # the keys' bias has no gradient
    assert not same & trained
    assert {n for n in before if n.startswith(("embeddings/", "layer_0/"))} <= same


def test_lower_layers_learn_more_slowly_under_layer_decay(tmp_path, encoder_path, reviews):
    config = recipe(optimizer={"layer_decay": 0.01}, train={"steps": 1, "batch_size": 16})
    config = config.replace(
        optimizer=recipe(optimizer={"layer_decay": 0.01, "warmup_ratio": 0.0}).optimizer
    )
    finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))
    before = {w.path: w.numpy() for w in bert_keras.load(encoder_path).weights}
    after = {w.path: w.numpy() for w in bert_keras.load(tmp_path / "run" / "model").weights}
    moved = {
        layer: np.abs(
            after[f"{layer}/attention/output/kernel"] - before[f"{layer}/attention/output/kernel"]
        ).max()
        for layer in ("layer_0", "layer_1")
    }
    # Adam's first step is the rate itself, whatever the gradient.
    assert moved["layer_1"] / moved["layer_0"] == pytest.approx(100, rel=0.05)


def test_random_weights_take_only_the_architecture(tmp_path, encoder_path, reviews):
    config = recipe(
        model={"random_weights": True},
        train={"steps": 1, "seed": 5},
        optimizer={"learning_rate": 0.0},
    )
    finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))
    model, encoder = bert_keras.load(tmp_path / "run" / "model"), bert_keras.load(encoder_path)
    assert model.config == encoder.config
    ours, theirs = (m.get_weights()[0] for m in (model.encoder, encoder))
    assert not np.array_equal(ours, theirs)


@pytest.mark.system
def test_class_weights_balance_the_labels(tmp_path, encoder_path):
    rows = ["a fine film\tgood"] * 60 + ["no fun\tbad"] * 4
    (tmp_path / "train.tsv").write_text("\n".join(rows))
    losses = {}
    for weights in ("none", "balanced"):
        config = recipe(
            train={"steps": 1, "batch_size": 64, "log_every_steps": 1, "class_weights": weights}
        )
        finetune(config, tmp_path / weights, encoder_path, str(tmp_path / "train.tsv"))
        losses[weights] = read_metrics(tmp_path / weights)[0]["classification_loss"]
    model = bert_keras.load(
        encoder_path, bert_keras.BertForSequenceClassification, labels=["bad", "good"]
    )
    logits = model(
        {"input_ids": np.array([model.tokenizer.encode(text).input_ids for text in ("no fun",)])}
    )["logits"]
    good = model({"input_ids": np.array([model.tokenizer.encode("a fine film").input_ids])})[
        "logits"
    ]
    loss = lambda row, label: float(np.log(np.exp(row).sum()) - row[label])  # noqa: E731
    bad_loss, good_loss = loss(logits.numpy()[0], 0), loss(good.numpy()[0], 1)
    assert losses["none"] == pytest.approx((60 * good_loss + 4 * bad_loss) / 64, rel=1e-4)
    assert losses["balanced"] == pytest.approx((good_loss + bad_loss) / 2, rel=1e-4)


def test_without_dev_examples_some_are_held_out_by_hash(tmp_path, encoder_path, reviews):
    config = recipe(data={"dev_fraction": 0.25}, train={"steps": 2})
    finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))
    counts = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert 0 < counts["dev"]["examples"] < 32
    assert counts["dev"]["examples"] + counts["train"]["examples"] == 64


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"max_seq_length": 65}}, "reads 64 tokens at most"),
        ({"model": {"frozen_layers": 3}}, "has 2 layers"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(changes, message, tmp_path, encoder_path, reviews):
    with pytest.raises(InputError, match=message):
        finetune(recipe(**changes), tmp_path / "run", encoder_path, str(reviews / "train.tsv"))


def test_a_label_that_training_did_not_have_names_the_row(finished, tmp_path):
    (tmp_path / "dev.tsv").write_text("a fine film\tgood\nno fun\tawful\n")
    with pytest.raises(InputError, match=r"row 2.*'awful' is none of the model's: bad, good"):
        evaluate(bert_keras.load(finished / "model"), str(tmp_path / "dev.tsv"))


@pytest.mark.system
def test_micro_batches_calls_of_several_steps_and_rematerialisation_change_no_loss(
    tmp_path, encoder_path, reviews
):
    """On batches of all lengths, without padding, with a layer frozen."""
    model = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    model |= {"classifier_dropout": 0.0, "frozen_layers": 1}
    train = {"steps": 6, "log_every_steps": 3, "eval_every_steps": 6}
    arithmetic = {"accumulation_steps": 4, "steps_per_call": 3, "rematerialize": True}
    lines = {}
    for name, settings in (("plain", {}), ("together", arithmetic)):
        config = recipe(model=model, train=train | settings)
        files = [str(reviews / f"{side}.tsv") for side in ("train", "dev")]
        finetune(config, tmp_path / name, encoder_path, *files)
        lines[name] = read_metrics(tmp_path / name)
    assert [line["step"] for line in lines["together"]] == [3, 6, 6]
    for plain, together in zip(*lines.values(), strict=True):
        for name in plain.keys() - {"step", "split", "tokens_per_second", "input_share"}:
            assert together[name] == pytest.approx(plain[name], rel=1e-5)


@pytest.mark.system
def test_the_model_remembers_its_positive_label_and_is_chosen_by_its_f1(
    encoder_path, reviews, tmp_path
):
    train, dev = str(reviews / "train.tsv"), str(reviews / "dev.tsv")
    config = recipe(
        data={"positive_label": "bad"},
        train={"epochs": 2, "eval_every_steps": 1, "best_metric": "f1_bad"},
    )
    finetune(config, tmp_path / "run", encoder_path, train, dev)
    scores = {
        e["step"]: e["f1_bad"] for e in read_metrics(tmp_path / "run") if e["split"] == "eval"
    }
    best = int((tmp_path / "run" / "best_step").read_text())
    assert scores[best] == max(scores.values())
    metrics = evaluate(bert_keras.load(tmp_path / "run" / "model"), dev).metrics
    assert metrics["f1_bad"] == pytest.approx(scores[best])
    assert "f1_good" not in metrics


@pytest.mark.parametrize("name", ["f1", "classification_loss"])
def test_a_metric_that_the_task_does_not_have_is_refused(encoder_path, reviews, tmp_path, name):
    config = recipe(train={"best_metric": name})
    train, dev = str(reviews / "train.tsv"), str(reviews / "dev.tsv")
    with pytest.raises(InputError, match=r"train.best_metric is .*: accuracy, f1_bad, f1_good, ma"):
        finetune(config, tmp_path / "run", encoder_path, train, dev)
    assert not (tmp_path / "run" / "config.toml").exists()
    assert not (tmp_path / "run" / "run.json").exists()
