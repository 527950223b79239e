"""What models have in common, on one of them; ``tests/test_every_model.py`` asks every class."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    AdamW,
    BertConfig,
    BertEncoder,
    BertForPreTraining,
)
from bert_keras.arithmetic import FewPasses, OneDNN
from bert_keras.errors import InputError
from bert_keras.tokenization import SPECIAL_TOKENS, BertTokenizer

Batch = dict[str, Any]


@pytest.fixture(scope="module")
def config(config: BertConfig) -> BertConfig:
    return replace(config, num_hidden_layers=1)


def _equal(first: Batch, second: Batch) -> None:
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


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


def test_weights_have_the_same_paths_alone_and_inside(config: BertConfig) -> None:
    alone = {weight.path for weight in BertEncoder(config, name="encoder").trainable_weights}
    inside = {weight.path for weight in BertForPreTraining(config).encoder.trainable_weights}
    assert alone == inside


def test_compile_keeps_what_it_is_given(config: BertConfig) -> None:
    model = BertForPreTraining(config)
    model.compile(keras.optimizers.SGD(0.5), jit_compile=True, run_eagerly=False)
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.jit_compile is True


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_xla_is_the_default_on_a_gpu_unless_the_model_is_packed(
    kind: str, config: BertConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras chooses by the devices, which are made up here, and by what each layer supports."""
    device = tf.config.PhysicalDevice(f"{kind}:0", kind)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [device])
    for packed in (False, True):
        model, encoder = (make(config, packed=packed) for make in (BertForPreTraining, BertEncoder))
        model.compile()
        ids = keras.Input([None], dtype="int32")
        around = keras.Model(ids, encoder({"input_ids": ids})["pooled_output"])
        uses_xla = kind == "GPU" and not packed
        assert [each.jit_compile for each in (model, encoder, around)] == [uses_xla] * 3
    with pytest.raises(InputError, match=r"jit_compile: .* packed=False"):
        model.compile(jit_compile=True)


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
