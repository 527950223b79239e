"""What holds for every model: it serialises, compiles with defaults, and runs in bfloat16."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    AdamW,
    BertConfig,
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)
from bert_keras.arithmetic import FewPasses, OneDNN
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import SPECIAL_TOKENS, BertTokenizer

Batch = dict[str, Any]
SCORED = (BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction)
MODELS = (BertEncoder, *SCORED)


@pytest.fixture(scope="module")
def config(config: BertConfig) -> BertConfig:
    return replace(config, num_hidden_layers=1)


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def model_class(request: pytest.FixtureRequest) -> type[BertModel]:
    return request.param


def _equal(first: Batch, second: Batch) -> None:
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_config_round_trip_makes_an_equal_model(
    model_class: type[BertModel], config: BertConfig, batch: Batch
) -> None:
    model = model_class(config, seed=5, packed=True, dtype="mixed_bfloat16", name="some_name")
    clone = model_class.from_config(model.get_config())
    assert clone.get_config() == model.get_config()
    assert (clone.name, clone.packed, clone.config) == ("some_name", True, config)
    assert clone.dtype_policy.name == "mixed_bfloat16"
    _equal(model(batch), clone(batch))


def test_the_arithmetic_is_handed_down_and_is_not_saved(
    model_class: type[BertModel], config: BertConfig
) -> None:
    model = model_class(config, arithmetic=OneDNN(), initialize=False)
    assert model.get_config() == model_class(config, name=model.name).get_config()
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "arithmetic")]
    assert len(layers) > 10
    assert all(layer.arithmetic == OneDNN() for layer in layers)
    for weight in model.trainable_weights:
        assert (weight.numpy() == (weight.name == "gamma")).all()


@pytest.mark.parametrize(
    "changes",
    [{}, {"packed": True}, {"arithmetic": OneDNN()}, {"dtype": "mixed_bfloat16"}, {"seed": 7}],
    ids=str,
)
def test_a_copy_answers_as_its_model_and_has_weights_of_its_own(
    changes: dict[str, Any], config: BertConfig, batch: Batch
) -> None:
    model = BertForPreTraining(config, seed=5, arithmetic=FewPasses())
    model(batch, training=True)
    model.tokenizer = tokenizer = BertTokenizer([*SPECIAL_TOKENS, "a"])
    model.other_config["task"], model.other_files["a.json"] = {"name": "x"}, {"b": 1}
    copy = model.copy(**changes)
    assert copy.arithmetic == changes.get("arithmetic", FewPasses())
    assert copy.get_config() == model.get_config() | {
        key: value for key, value in copy.get_config().items() if key in changes
    }
    assert (copy.tokenizer, copy.other_config, copy.other_files) == (
        tokenizer, {"task": {"name": "x"}}, {"a.json": {"b": 1}}
    )  # fmt: skip
    assert int(copy.encoder.dropout_seeds.step) == 1
    answers = copy(batch)
    tolerance = 0.3 if "dtype" in changes else 1e-5
    for name, expected in model(batch).items():
        np.testing.assert_allclose(tf.cast(answers[name], tf.float32), expected, atol=tolerance)
    before = [weight.numpy() for weight in copy.weights]
    for weight in model.weights:
        weight.assign(tf.zeros_like(weight))
    for weight, was in zip(copy.weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)


def test_keras_file_loads_in_safe_mode(
    model_class: type[BertModel], config: BertConfig, batch: Batch, tmp_path: Path
) -> None:
    model = model_class(config, seed=5)
    model(batch, training=True)
    for weight in model.trainable_weights:
        weight.assign_add(tf.ones_like(weight) * 0.01)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded) is model_class
    _equal(model(batch), loaded(batch))
    # The count of dropout masks is part of the model: training goes on with the next ones.
    _equal(model(batch, training=True), loaded(batch, training=True))


def test_same_seed_same_weights_other_seed_other_weights(
    model_class: type[BertModel], config: BertConfig
) -> None:
    first, same, other = (model_class(config, seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(first.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if len(a.shape) == 2:
            assert not np.array_equal(a, c)


def test_weights_have_the_same_paths_alone_and_inside(config: BertConfig) -> None:
    alone = {weight.path for weight in BertEncoder(config, name="encoder").trainable_weights}
    inside = {weight.path for weight in BertForPreTraining(config).encoder.trainable_weights}
    assert alone == inside


def test_weights_are_there_before_the_first_call(
    model_class: type[BertModel], config: BertConfig, batch: Batch
) -> None:
    model = model_class(config)
    before = [weight.path for weight in model.weights]
    model(batch)
    assert [weight.path for weight in model.weights] == before
    assert model.built


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_bfloat16_is_near_float32_and_keeps_float32_weights(
    packed: bool, model_class: type[BertModel], config: BertConfig, batch: Batch
) -> None:
    config = replace(config, initializer_range=0.05)
    rounded = model_class(config, seed=1, packed=packed, dtype="mixed_bfloat16")
    exact = model_class(config, seed=1, packed=packed)(batch)
    assert {weight.dtype for weight in rounded.trainable_weights} == {"float32"}
    for name, output in rounded(batch).items():
        assert output.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(output, tf.float32), exact[name], atol=0.1)


@pytest.mark.parametrize("scored_class", SCORED)
def test_loss_and_gradients_are_float32_in_bfloat16(
    scored_class: Any, config: BertConfig, batch: Batch
) -> None:
    model = scored_class(config, dtype="mixed_bfloat16")
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, y_pred=model(batch, training=True))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert loss.dtype == tf.float32
    assert {gradient.dtype for gradient in gradients} == {tf.float32}
    assert all(isinstance(gradient, tf.Tensor) for gradient in gradients)


@pytest.mark.parametrize("scored_class", SCORED)
def test_compile_without_arguments_takes_berts_adamw_and_no_xla_on_cpu(
    scored_class: Any, config: BertConfig
) -> None:
    model = scored_class(config)
    model.compile()
    assert type(model.optimizer) is AdamW
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.jit_compile is False
    assert model.steps_per_execution == 1


def test_compile_keeps_what_it_is_given(config: BertConfig) -> None:
    model = BertForPreTraining(config)
    model.compile(keras.optimizers.SGD(0.5), jit_compile=True, run_eagerly=False)
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.jit_compile is True


@pytest.mark.system
def test_fit_in_float16_moves_the_weights_alike_whoever_scales_the_loss(
    config: BertConfig, batch: Batch
) -> None:
    """Keras wraps an optimizer that does not scale the loss; of one that does it calls its own."""
    data, rate, weights = tf.data.Dataset.from_tensors(batch).repeat(2), 1e-2, []
    for loss_scaling in (False, True):
        model = BertForPreTraining(config, seed=1, dtype="mixed_float16")
        start = [weight.numpy() for weight in model.trainable_weights]
        model.compile(AdamW(rate, loss_scaling=loss_scaling))
        model.fit(data, verbose=0)
        optimizer = model.optimizer
        scale = optimizer.loss_scale.factor if loss_scaling else optimizer.dynamic_scale
        scale.assign(2.0**10)  # which the next steps must see
        model.fit(data, verbose=0)
        weights.append([weight.numpy() for weight in model.trainable_weights])
    for before, theirs, ours in zip(start, *weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.05 * rate)
        assert np.abs(theirs - before).max() > 0.1 * rate


def test_functional_model_around_a_scored_model(config: BertConfig, batch: Batch) -> None:
    names = [name for name in batch if name not in ("masked_lm_ids", "next_sentence_labels")]
    inputs = {
        name: keras.Input(batch[name].shape[1:], dtype=batch[name].dtype.name, name=name)
        for name in names
    }
    inner = BertForPreTraining(config)
    outer = keras.Model(inputs, inner(inputs))
    assert outer.output["masked_lm_logits"].shape == (None, 3, 50)
    _equal(outer({name: batch[name] for name in names}), inner(batch))
