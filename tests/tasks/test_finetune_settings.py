"""What the keys of a fine-tuning recipe do."""

import json
from itertools import pairwise

import numpy as np
import pytest

import bert_keras
from bert_keras.errors import InputError
from bert_keras.objectives import CoSENT
from bert_keras.tasks import Similarity, evaluate, finetune
from bert_keras.training import read_metrics
from tests.tasks.recipes import recipe


def test_a_dev_fraction_that_leaves_nothing_is_named(tmp_path, encoder_path, reviews):
    config = recipe(data={"dev_fraction": 0.9999999})
    with pytest.raises(InputError, match=r"data.dev_fraction = 0.9999999 holds out all .*\(64\)"):
        finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))


def test_an_objective_that_cannot_be_split_is_refused_before_any_text_is_read_into_ids(
    tmp_path, encoder_path, monkeypatch
):
    class OfMoreThanVectors(CoSENT):
        compares = ""

    (tmp_path / "pairs.tsv").write_text("a\tb\t1\na\tc\t2\n")
    monkeypatch.setattr(Similarity, "loss_of", lambda *_: OfMoreThanVectors())
    monkeypatch.setattr(Similarity, "features", lambda *_: pytest.fail("texts were read"))
    config = recipe(data={"task": "similarity"}, train={"accumulation_steps": 2})
    with pytest.raises(InputError, match=r"OfMoreThanVectors compares .*accumulation_steps = 2"):
        finetune(config, tmp_path / "run", encoder_path, str(tmp_path / "pairs.tsv"))


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


@pytest.mark.system
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


@pytest.mark.system
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


@pytest.mark.system
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


def test_class_weights_of_tasks_without_labels_are_refused_before_anything_is_read(tmp_path):
    for task in ("contrastive", "ranking"):
        settings = recipe(data={"task": task}, train={"class_weights": "balanced"})
        with pytest.raises(InputError, match=r"train\.class_weights is for data\.task = 'class"):
            finetune(settings, tmp_path / "run", "no such model", "no such file")


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


@pytest.mark.system
def test_without_dev_examples_some_are_held_out_by_hash(tmp_path, encoder_path, reviews):
    config = recipe(data={"dev_fraction": 0.25}, train={"steps": 2})
    finetune(config, tmp_path / "run", encoder_path, str(reviews / "train.tsv"))
    counts = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert 0 < counts["dev"]["examples"] < 32
    assert counts["dev"]["examples"] + counts["train"]["examples"] == 64


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


@pytest.mark.system
def test_micro_batches_calls_of_several_steps_and_rematerialization_change_no_loss(
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
