"""The task of rankers: what it reads, learns from, measures and leaves."""

import json
import math

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.objectives import ListNet
from bert_keras.saving import load
from bert_keras.tasks import Ranking, Regression, evaluate, finetune, predict, task_of
from bert_keras.tasks.reading import TextExample
from tests.support.tokenizers import ByteTokenizer
from tests.tasks.conftest import BAD, FILLERS, GOOD
from tests.tasks.recipes import recipe


def pair(query, document, label, row=1):
    return TextExample(query, document, label, f"train.tsv, row {row}")


LISTS = [pair("q", "a", "0"), pair("p", "b", "1"), pair("q", "c", "1"), pair("q", "d", "0")]


def write_lists(path, seed):
    """Queries that ask for good or bad reviews, each with two of one kind and two of the other."""
    draw, rows = np.random.default_rng(seed), []
    for number in range(16):
        side = number % 2
        texts = [str(text) for kind in (GOOD, BAD) for text in draw.choice(kind, 2, replace=False)]
        labels = [1 - side, 1 - side, side, side]
        query = (
            f"{'brilliant work' if side == 0 else 'sloppy work'} {draw.choice(FILLERS)} {number}"
        )
        rows.append({"query": query, "documents": texts, "labels": labels})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    return write_lists(folder / "train.jsonl", 0), write_lists(folder / "dev.jsonl", 1)


def learned(encoder_path, data, workdir, **settings):
    """The metrics on the dev examples before and after a run; and its work directory."""
    task = Ranking(max_seq_length=40, **settings)
    examples = task.read(data[1])
    model = task.open_model(encoder_path)
    before, _ = task.measure(model, examples, task.features(examples, model.tokenizer))
    batch = {"batch_size": 4, "epochs": 12} if settings else {"batch_size": 16, "epochs": 12}
    finetune(recipe(data={"task": "ranking"} | settings, train=batch), workdir, encoder_path, *data)
    return before, evaluate(load(workdir), data[1]).metrics


@pytest.mark.system
@pytest.mark.parametrize("loss", ["binary", "squared"])
def test_a_run_learns_to_rank_from_pairs(loss, encoder_path, data, tmp_path):
    before, after = learned(encoder_path, data, tmp_path / "run", loss=loss)
    assert after["ndcg@10"] > max(0.9, before["ndcg@10"] + 0.1)
    assert after["ranking_loss"] < before["ranking_loss"]
    model = load(tmp_path / "run")
    assert isinstance(model, BertForSequenceClassification)
    assert model.default_length == 40  # others cut texts there, too
    assert isinstance(task_of(model), Ranking)
    (answer,) = predict(model, ["brilliant work"], ["great fun"])
    assert loss == "squared" or 0 < answer["score"] < 1


@pytest.mark.system
def test_a_run_learns_to_rank_from_lists(encoder_path, data, tmp_path):
    before, after = learned(encoder_path, data, tmp_path / "run", loss="listwise")
    assert after["ndcg@10"] > max(0.9, before["ndcg@10"] + 0.1)
    assert after["ranking_loss"] < before["ranking_loss"]


def test_the_measures_are_those_of_rankings_worked_by_hand():
    scores = [0.9, 0.2, 0.5, 0.1]
    measures = Ranking().score(LISTS, [{"score": score} for score in scores])
    assert measures["mrr@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert measures["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert measures["recall@1"] == pytest.approx(1 / 2)
    assert list(measures) == Ranking().metrics()


def test_queries_and_documents_of_beir_with_equal_texts_are_measured_apart(tmp_path):
    corpus = [{"_id": name, "text": text} for name, text in zip("abc", "xxy", strict=True)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    queries = [{"_id": name, "text": "who?"} for name in ("1", "2")]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    rows = ["query-id\tcorpus-id\tscore", "1\ta\t1", "1\tb\t0", "2\tb\t0", "2\tc\t1"]
    (tmp_path / "test.tsv").write_text("\n".join(rows))
    examples = Ranking().read(str(tmp_path / "test.tsv"))
    assert [example.text_pair for example in examples] == ["x", "x", "x", "y"]
    measures = Ranking().score(examples, [{"score": score} for score in (0.9, 0.1, 0.8, 0.2)])
    assert measures["mrr@10"] == pytest.approx((1 + 1 / 2) / 2)


def test_equal_scores_are_no_order_however_the_data_are_ordered():
    examples = [pair("q", "a", "1"), pair("q", "b", "0"), pair("q", "c", "0")]
    measures = Ranking().score(examples, [{"score": 0.5}] * 3)
    assert measures["mrr@10"] == pytest.approx(1 / 3)


def test_the_loss_of_dev_examples_is_that_of_training(encoder_path, data):
    """Of lists, although the model answers pairs."""
    task = Ranking(loss="listwise", max_seq_length=40)
    examples = task.read(data[1])
    model = task.open_model(encoder_path)
    features = task.features(examples, model.tokenizer)
    found, _ = task.measure(model, examples, features)
    rows = task.training_features(examples, features)
    assert len(rows) == 16
    batch = next(iter(task.batches(rows, model.tokenizer, batch_size=16)))
    expected = ListNet()(model, batch, training=False)["ranking_loss"].value()
    assert found["ranking_loss"] == pytest.approx(float(expected), abs=1e-5)


def test_lists_of_different_lengths_are_filled_up(tokenizer):
    task = Ranking(loss="listwise")
    features = task.training_features(LISTS, task.features(LISTS, tokenizer))
    first, second = features
    assert [len(window.input_ids) > 2 for window in first.windows()] == [True] * 3
    assert first.targets == {"labels": [0.0, 1.0, 0.0]}
    assert (len(second.windows()), second.targets["labels"]) == (1, [1.0, 0.0, 0.0])
    batch = next(iter(task.batches(features[1:], tokenizer, batch_size=1)))
    assert batch["input_ids"].shape[:2] == (1, 1)
    assert batch["labels"].shape == (1, 3)


@pytest.mark.parametrize("loss", ["binary", pytest.param("squared", marks=pytest.mark.system)])
def test_fit_trains_on_the_features_as_in_every_task(loss, encoder_path, data):
    task = Ranking(max_seq_length=40, loss=loss)
    model = task.open_model(encoder_path)
    examples = task.read(data[0])
    rows = task.features(examples, model.tokenizer)
    assert task.training_features(examples, rows) == rows
    model.compile(run_eagerly=True)
    batches = task.batches(rows, model.tokenizer, batch_size=16)
    history = model.fit(batches, steps_per_epoch=1, verbose=0).history
    assert {"loss", "ranking_loss"} <= set(history)


def test_the_files_of_another_tokenizer_do_not_say_the_length_which_is_told(
    encoder_path, caplog, monkeypatch
):
    loaded = load(encoder_path, BertForSequenceClassification, labels=1)
    loaded.tokenizer = ByteTokenizer()
    monkeypatch.setattr(Regression, "open_model", lambda *_, **__: loaded)
    Ranking(max_seq_length=40).open_model(encoder_path)
    assert "will not say data.max_seq_length = 40" in caplog.text


def test_all_documents_of_a_query_are_held_out_together():
    assert Ranking().key(LISTS[0]) == Ranking().key(LISTS[2]) == "q"


def test_a_wrong_side_of_a_half_is_a_mistake_where_scores_are_probabilities():
    task = Ranking()
    mistake = task.mistake(LISTS[0], {"score": 0.75})
    assert (mistake.confidence, mistake.expected, mistake.predicted) == (0.75, "0", "0.750")
    assert task.mistake(LISTS[0], {"score": 0.25}) is None
    assert Ranking(loss="listwise").mistake(LISTS[0], {"score": 7.0}) is None


@pytest.mark.parametrize(
    ("settings", "examples", "message"),
    [
        ({}, [pair("q", "a", "2"), pair("q", "b", "0")], "row 1: a label of data.loss = 'binary'"),
        ({}, [pair("q", "a", "x")], "row 1: the label must be one number"),
        ({}, [pair("q", "a", "1"), pair("p", "b", "1")], "every label is 1, so that there is"),
        (
            {"loss": "listwise"},
            [pair("q", "a", "1"), pair("p", "b", "0")],
            "no query has documents with different labels, which data.loss = 'listwise'",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused(settings, examples, message):
    with pytest.raises(InputError, match=message):
        Ranking(**settings).adapted_to(examples)


def test_dev_examples_without_an_order_are_refused():
    alike = [pair("q", "a", "1"), pair("p", "b", "0")]
    with pytest.raises(InputError, match="no query to score has documents with different labels"):
        Ranking().metric("", alike)
    with pytest.raises(InputError, match="no query to score has documents with different labels"):
        Ranking().score(alike, [{"score": 0.5}] * 2)
    below = [pair("q", "a", "0"), pair("q", "b", "-1")]
    with pytest.raises(InputError, match="no label to score by is above 0"):
        Ranking(loss="squared").metric("", below)
    assert Ranking().metric("", LISTS) == "ndcg@10"
    assert Ranking().metric("mrr@10", []) == "mrr@10"
    with pytest.raises(InputError, match="possible are binary, squared, listwise"):
        Ranking(loss="lambda")


def test_examples_that_cannot_be_scored_are_refused_before_the_model_runs(
    encoder_path, tmp_path, monkeypatch
):
    model = Ranking(trained_on="pairs", max_seq_length=16).open_model(encoder_path)
    monkeypatch.setattr(type(model), "forward", None)
    (tmp_path / "dev.tsv").write_text("query\tdocument\tlabel\nq\ta\t1\n")
    with pytest.raises(InputError, match="no query to score has documents with different labels"):
        evaluate(model, str(tmp_path / "dev.tsv"))


def test_a_cross_encoder_from_elsewhere_is_a_regression_as_before(encoder_path):
    model = load(encoder_path, BertForSequenceClassification, labels=1)
    assert type(task_of(model)) is Regression
