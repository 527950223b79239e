"""A sentence encoder that is given several texts for each example, and trained on them."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.inputs import first_and_others
from bert_keras.objectives import CoSENT, CosineSquaredError, InBatchNegatives, Matryoshka
from tests.support.models import NO_DROPOUT, make_model, small_config

CONFIG = small_config(60, hidden_size=16, **NO_DROPOUT)


def texts(rows=4, count=3, length=6, seed=0):
    """A batch of several texts each, of different lengths; the last row lacks its last text."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(2, length + 1, size=(rows, count))
    lengths[-1, -1] = 0
    mask = (np.arange(length) < lengths[..., None]).astype(np.int32)
    return {"input_ids": draw.integers(5, 60, mask.shape) * mask, "attention_mask": mask}


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("packed", [False, True])
def test_several_texts_have_the_vectors_that_each_has_alone(pooling, packed):
    model = make_model(BertForSentenceEmbedding, config=CONFIG, pooling=pooling, packed=packed)
    batch = texts()
    vectors = model(batch)["sentence_embedding"].numpy()
    assert vectors.shape == (4, 3, 16)
    for place in range(2):
        alone = model({name: rows[:, place] for name, rows in batch.items()})
        np.testing.assert_allclose(vectors[:, place], alone["sentence_embedding"], atol=2e-6)


def test_a_missing_text_changes_no_other_and_its_vector_is_finite():
    model = make_model(BertForSentenceEmbedding, config=CONFIG)
    batch = texts()
    vectors = model(batch)["sentence_embedding"].numpy()
    assert np.isfinite(vectors).all()
    shorter = model({name: rows[:, :2] for name, rows in batch.items()})
    np.testing.assert_allclose(vectors[:, :2], shorter["sentence_embedding"], atol=2e-6)


def test_tokens_that_are_not_pooled_are_left_out_of_several_texts_too():
    model = make_model(BertForSentenceEmbedding, config=CONFIG)
    batch = texts()
    pooled = batch["attention_mask"] * (np.arange(6) > 0)
    batch["pooling_mask"] = pooled.astype(np.int32)
    vectors = model(batch)["sentence_embedding"].numpy()
    alone = model({name: rows[:, 1] for name, rows in batch.items()})["sentence_embedding"]
    np.testing.assert_allclose(vectors[:, 1], alone, atol=2e-6)
    plain = model({name: rows[:, 1] for name, rows in batch.items() if name != "pooling_mask"})
    assert np.abs(alone - plain["sentence_embedding"]).max() > 0.01


def test_first_texts_are_not_padded_to_the_length_of_the_others():
    mask = np.arange(6) < np.array([[2, 4, 6], [3, 1, 0]])[..., None]
    batch = {"input_ids": 7 * mask, "attention_mask": mask.astype(np.int32)}
    first, others = first_and_others(batch)
    assert first["input_ids"].shape == (2, 1, 3)
    assert others["input_ids"].shape == (2, 2, 6)
    np.testing.assert_array_equal(first["attention_mask"], batch["attention_mask"][:, :1, :3])
    (alone,) = first_and_others({name: rows[:, :1] for name, rows in batch.items()})
    assert alone["input_ids"].shape == (2, 1, 6)


def test_padding_before_a_text_is_kept():
    mask = np.array([[[0, 1, 1, 0], [1, 1, 1, 1]]])
    first, _ = first_and_others({"input_ids": 7 * mask, "attention_mask": mask})
    np.testing.assert_array_equal(first["attention_mask"], mask[:, :1, :3])


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_that_is_its_own_positive_has_another_dropout_mask(packed):
    config = dataclasses.replace(CONFIG, hidden_dropout_prob=0.5)
    model = make_model(BertForSentenceEmbedding, config=config, packed=packed)
    batch = {name: rows[:, [0, 0]] for name, rows in texts().items()}
    given = tf.constant([3, 0], tf.int64)
    vectors = model(batch, training=True, dropout_seed=given)["sentence_embedding"].numpy()
    assert np.abs(vectors[:, 0] - vectors[:, 1]).max(axis=1).min() > 0.01
    again = model(batch, training=True, dropout_seed=given)["sentence_embedding"].numpy()
    np.testing.assert_array_equal(vectors, again)


@pytest.mark.system
def test_fit_brings_an_anchor_to_its_positive():
    model = BertForSentenceEmbedding(CONFIG)
    draw = np.random.default_rng(0)
    words = draw.permutation(np.arange(5, 57)).reshape(13, 2, 2)  # no two texts share a word
    batch = {"input_ids": np.concatenate([words, np.full((13, 2, 1), 3)], axis=2)}
    model.compile()
    history = model.fit(batch, epochs=60, batch_size=13, verbose=0).history
    assert history["contrastive_accuracy"][0] < 0.5
    assert history["contrastive_accuracy"][-1] == 1.0
    assert history["contrastive_loss"][-1] < 0.1 * history["contrastive_loss"][0]


@pytest.mark.system
def test_another_objective_takes_its_labels_from_the_batch_and_reports_under_its_name():
    model = BertForSentenceEmbedding(CONFIG)
    model.objective = CoSENT()
    model.compile()
    batch = {name: rows[:, :2] for name, rows in texts(rows=8).items()}
    batch["labels"] = np.arange(8, dtype=np.float32)
    history = model.fit(batch, epochs=30, batch_size=8, verbose=0).history
    assert set(history) == {"loss", "similarity_loss"}
    assert history["similarity_loss"][-1] < 0.5 * history["similarity_loss"][0]


def test_fit_refuses_labels_that_are_no_cosines():
    model = BertForSentenceEmbedding(CONFIG)
    batch = {name: rows[:, :2] for name, rows in texts().items()}
    batch["labels"] = np.arange(4, dtype=np.float32)
    for objective in (CosineSquaredError(), Matryoshka(CosineSquaredError(), [8])):
        model.objective = objective
        model.compile()
        with pytest.raises(InputError, match=r"labels: cosines from -1 to 1.*Received: 2"):
            model.fit(batch, verbose=0)


def test_a_model_is_compiled_anew_for_another_objective():
    model = BertForSentenceEmbedding(CONFIG)
    model.compile()
    model.objective = CoSENT()
    with pytest.raises(ValueError, match="must call `compile"):
        model.fit(texts(), verbose=0)


def test_a_file_that_cannot_keep_the_objective_says_so_when_it_is_loaded(tmp_path, caplog):
    batch = {name: rows[:, :2] for name, rows in texts().items()}
    for number, objective in enumerate([None, CoSENT(), InBatchNegatives(temperature=1.0)]):
        model = BertForSentenceEmbedding(CONFIG)
        if objective:
            model.objective = objective
        model.compile(run_eagerly=True)
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / f"{number}.keras")
        caplog.clear()
        keras.saving.load_model(tmp_path / f"{number}.keras").evaluate(
            {"labels": np.arange(4.0)} | batch, verbose=0
        )
        said = f"trained on {type(objective).__name__}, which its file does not keep"
        assert (said in caplog.text) == (objective is not None)
        if objective:
            name = type(objective).__name__
            assert f"model.objective = bert_keras.objectives.{name}(...), then" in caplog.text


def test_labels_apart_from_the_batch_are_refused():
    model = BertForSentenceEmbedding(CONFIG)
    model.compile()
    takes = (
        "BertForSentenceEmbedding takes none; its objective, InBatchNegatives, finds in the batch"
    )
    with pytest.raises(InputError, match=f"y: {takes} x what it needs, as 'labels'"):
        model.fit(texts(), np.zeros(4), verbose=0)
    with pytest.raises(InputError, match=f"sample_weight: {takes} .* as 'example_weights'"):
        model.fit(texts(), sample_weight=np.ones(4), verbose=0)
