"""Opening a model as another class: what is new, what is left out, what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
)
from bert_keras.errors import InputError
from bert_keras.tokenization import AddedToken
from tests.support.files import edit_json, edit_weights
from tests.support.models import TINY, VOCAB, make_model, refusal


def _prefixed(tensors: dict[str, np.ndarray]) -> None:
    for name in list(tensors):
        tensors[f"bert.{name}"] = tensors.pop(name)


def _without_pooler(tensors: dict[str, np.ndarray]) -> None:
    for name in ("pooler.dense.weight", "pooler.dense.bias"):
        del tensors[name]


@pytest.mark.parametrize(
    ("change", "has_pooler"), [(_prefixed, True), (_without_pooler, False)], ids=["prefix", "bare"]
)
def test_bare_encoder_opens_with_prefix_and_without_pooler(
    change: Any, has_pooler: bool, tmp_path: Path
) -> None:
    model = make_model(BertEncoder)
    bert_keras.save(model, tmp_path / "model")
    edit_weights(tmp_path / "model", change)
    loaded = bert_keras.load(tmp_path / "model")
    assert (loaded.pooler is not None) == has_pooler
    batch = {"input_ids": tf.constant([[2, 5, 4, 3]])}
    np.testing.assert_array_equal(loaded(batch)["sequence_output"], model(batch)["sequence_output"])
    bert_keras.save(loaded, tmp_path / "again")
    assert (bert_keras.load(tmp_path / "again").pooler is not None) == has_pooler


def test_pooler_of_an_old_tagger_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    pooler = {
        "bert.pooler.dense.weight": np.ones((4, 4), "float32"),
        "bert.pooler.dense.bias": np.ones(4, "float32"),
    }
    edit_weights(tmp_path / "model", lambda tensors: tensors.update(pooler))
    assert bert_keras.load(tmp_path / "model").report.left_out == sorted(pooler)
    assert "left out: bert.pooler.dense.bias, bert.pooler.dense.weight" in caplog.text


@pytest.mark.parametrize("model_class", [dict, "BertEncoder"])
def test_class_that_is_none_of_ours_is_refused(model_class: Any, saved: Path) -> None:
    with pytest.raises(InputError, match="must be a class of bert_keras"):
        bert_keras.load(saved, model_class)


def test_encoder_under_a_head_that_we_lack_opens_where_the_class_is_given(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForSequenceClassification), tmp_path / "model")
    edit_json(tmp_path / "model" / "config.json", architectures=["BertLMHeadModel"])
    assert "'BertLMHeadModel'" in refusal(tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    encoder = bert_keras.load(tmp_path / "model", BertEncoder)
    assert encoder.report.left_out == ["classifier.bias", "classifier.weight"]


def test_encoder_opens_for_a_task_and_says_what_is_new(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = bert_keras.load(saved, BertForSequenceClassification, labels=["no", "yes", "so"])
    assert model.labels == ("no", "yes", "so")
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    assert "cls.seq_relationship.weight" in model.report.left_out
    assert "new and to be trained: classifier/output/kernel" in caplog.text
    whole = bert_keras.load(saved)
    for ours, theirs in zip(
        model.encoder.trainable_weights, whole.encoder.trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    bert_keras.save(model, tmp_path / "tuned")
    assert type(bert_keras.load(tmp_path / "tuned")) is BertForSequenceClassification


def test_missing_encoder_weight_is_an_error_for_a_task_too(saved: Path) -> None:
    edit_weights(
        saved,
        lambda tensors: tensors.pop("bert.encoder.layer.1.output.dense.bias"),
    )
    with pytest.raises(InputError, match=r"lacks the weight bert\.encoder\.layer\.1\.output"):
        bert_keras.load(saved, BertForTokenClassification, labels=4)


def test_half_a_head_is_an_error(saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.pop("cls.seq_relationship.bias"))
    with pytest.raises(InputError, match=r"lacks the weight cls\.seq_relationship\.bias"):
        bert_keras.load(saved, BertForNextSentencePrediction)


def test_head_of_another_task_is_not_taken_for_this_one(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert {path.split("/")[0] for path in model.report.new} == {"pooler", "classifier"}
    assert model.report.left_out == ["classifier.bias", "classifier.weight"]


def test_other_number_of_labels_gets_a_new_head(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    same = bert_keras.load(tmp_path / "model", labels=["O", "B"])
    assert same.report.new == []
    assert same.labels == ("O", "B")
    other = bert_keras.load(tmp_path / "model", BertForTokenClassification, labels=5)
    assert other.report.new == ["classifier/output/kernel", "classifier/output/bias"]


def test_encoder_alone_comes_out_of_a_model_with_heads(saved: Path) -> None:
    encoder = bert_keras.load(saved, BertEncoder, packed=True)
    assert encoder.packed
    assert encoder.pooler is not None
    assert encoder.report.new == []


@pytest.mark.parametrize(("rows", "is_said"), [(8, False), (9, True), (13, True), (500, True)])
def test_table_with_more_rows_than_tokens_opens_and_names_no_token_it_lacks(
    rows: int, is_said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(BertForMaskedLM, config=replace(TINY, vocab_size=rows))
    model.tokenizer = BertTokenizer(VOCAB[:7])
    model.masked_lm_head.output_bias[7:].assign(np.full(rows - 7, 1e4, "float32"))
    for format_ in ("huggingface", "google"):
        bert_keras.save(model, tmp_path / format_, format=format_)
        loaded = bert_keras.load(tmp_path / format_)
        assert loaded.config.vocab_size == rows
        assert (f"the {rows - 7} rows behind are kept" in caplog.text) == is_said
        caplog.clear()
    (candidates,) = bert_keras.fill_mask(loaded, "a [MASK]", top=100)
    assert sorted(candidate.token for candidate in candidates) == sorted(VOCAB[:7])


def test_table_with_fewer_rows_than_tokens_stays_refused(tmp_path: Path) -> None:
    model = make_model(BertForMaskedLM)
    model.tokenizer = BertTokenizer(VOCAB, added=[AddedToken("<e1>", len(VOCAB))])
    bert_keras.save(model, tmp_path / "model")
    assert "has 9 tokens, but the config says vocab_size=8" in refusal(tmp_path / "model")


def test_added_tokens_go_through_every_layout(tmp_path: Path) -> None:
    model = make_model(BertForMaskedLM, config=replace(TINY, vocab_size=len(VOCAB) + 1))
    added = [AddedToken("b", 6), AddedToken("<e1>", len(VOCAB), special=True, normalized=False)]
    model.tokenizer = BertTokenizer(VOCAB, added=added)
    for format_, name in (("huggingface", "hf"), ("google", "google"), ("keras", "m.keras")):
        bert_keras.save(model, tmp_path / name, format=format_)
        model = bert_keras.load(tmp_path / name)
        assert model.tokenizer.added == tuple(added)
        assert model.tokenizer.tokenize("ab<e1>c") == ["a", "b", "<e1>", "[UNK]"]


def test_a_model_without_the_type_of_a_second_text_says_that_pairs_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(BertEncoder, config=replace(TINY, type_vocab_size=1))
    bert_keras.save(model, tmp_path / "model", BertTokenizer(VOCAB))
    bert_keras.load(tmp_path / "model")
    assert "type 1, but the model has 1 token types: pairs are refused" in caplog.text
