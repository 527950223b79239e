"""What holds for every layer: it serializes, builds symbolically, trains, and runs anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig
from bert_keras.arithmetic import PLAIN
from bert_keras.config.model import ACTIVATIONS
from bert_keras.modeling import padded_layout
from bert_keras.modeling.encoder import Attention, TransformerLayer
from bert_keras.modeling.heads import MaskedLMHead, NextSentenceHead, Pooler
from bert_keras.modeling.layers import BertEmbeddings, BertLayer, FeedForward

LAYERS = (
    BertEmbeddings,
    Attention,
    FeedForward,
    TransformerLayer,
    Pooler,
    MaskedLMHead,
    NextSentenceHead,
)
B, L, H, V = 4, 12, 16, 50


@pytest.fixture(params=LAYERS, ids=lambda layer: layer.__name__)
def layer_class(request: pytest.FixtureRequest) -> type[BertLayer]:
    return request.param


@pytest.fixture
def arguments(layer_class: type[BertLayer], batch: dict[str, Any]) -> list[Any]:
    """What the layer is called with, as flat numbers."""
    draw = np.random.default_rng(3)
    tokens = draw.normal(size=(B * L, H)).astype("float32")
    if layer_class is BertEmbeddings:
        return [batch["input_ids"], batch["token_type_ids"], batch["attention_mask"]]
    if layer_class in (Attention, TransformerLayer):
        return [tokens, batch["attention_mask"]]
    if layer_class is MaskedLMHead:
        return [tokens, draw.normal(size=(V, H)).astype("float32")]
    return [tokens]


def _call(layer: BertLayer, arguments: list[Any]) -> Any:
    """The mask, where there is one, is the last argument and comes as a layout."""
    if type(layer) is Attention:
        return layer(arguments[0], padded_layout(arguments[1])).tokens
    if type(layer) in (BertEmbeddings, TransformerLayer):
        return layer(*arguments[:-1], padded_layout(arguments[-1]))
    return layer(*arguments)


def _symbolic(arguments: list[Any]) -> list[Any]:
    return [keras.Input(batch_shape=array.shape, dtype=array.dtype.name) for array in arguments]


def test_layer_serializes(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any]
) -> None:
    layer = layer_class(config, seed=5, name="some_name")
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(clone) is layer_class
    assert clone.get_config() == layer.get_config()
    np.testing.assert_array_equal(_call(layer, arguments), _call(clone, arguments))


def test_layer_builds_symbolically_and_loads_again(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any], tmp_path: Path
) -> None:
    layer = layer_class(config, seed=5)
    inputs = _symbolic(arguments)
    model = keras.Model(inputs, _call(layer, inputs))
    expected = _call(layer, [tf.constant(array) for array in arguments])
    assert model.outputs[0].shape == expected.shape
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(arguments), expected)


def test_layer_builds_with_an_unknown_batch_size(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any]
) -> None:
    inputs = [keras.Input(array.shape[1:], dtype=array.dtype.name) for array in arguments]
    expected = _call(layer_class(config), arguments).shape
    assert _call(layer_class(config), inputs).shape == (None, *expected[1:])


def test_layer_trains_one_step(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any]
) -> None:
    layer = layer_class(config)
    layer.build()
    before = [weight.numpy() for weight in layer.trainable_weights]
    target = np.random.default_rng(4).normal(size=_call(layer, arguments).shape)

    def loss() -> tf.Tensor:
        return tf.reduce_mean(tf.square(_call(layer, arguments) - target))

    with tf.GradientTape() as tape:
        first = loss()
    gradients = tape.gradient(first, layer.trainable_weights)
    keras.optimizers.SGD(0.1).apply(gradients, layer.trainable_weights)
    assert loss() < first
    for old, new in zip(before, layer.trainable_weights, strict=True):
        assert not np.array_equal(old, new)


def test_layer_compiles_with_xla(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any]
) -> None:
    layer = layer_class(config)
    compiled = tf.function(lambda *arrays: _call(layer, list(arrays)), jit_compile=True)
    tensors = [tf.constant(array) for array in arguments]
    np.testing.assert_allclose(compiled(*tensors), _call(layer, tensors), atol=1e-5)


def test_layer_computes_in_bfloat16_on_float32_weights(
    layer_class: type[BertLayer], config: BertConfig, arguments: list[Any]
) -> None:
    layer = layer_class(config, seed=2, dtype="mixed_bfloat16")
    rounded = _call(layer, arguments)
    exact = _call(layer_class(config, seed=2), arguments).numpy()
    assert rounded.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    error = np.abs(tf.cast(rounded, tf.float32) - exact).max()
    assert 0 < error < 0.05 * np.abs(exact).max()


def test_layers_of_one_seed_are_equal_and_of_another_are_not(
    layer_class: type[BertLayer], config: BertConfig
) -> None:
    first, same, other = (layer_class(config, seed=seed) for seed in (1, 1, 2))
    for layer in (first, same, other):
        layer.build()
    for a, b, c in zip(first.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.name not in ("bias", "beta", "gamma", "output_bias"):
            assert not np.array_equal(a, c)


def activation(name: str) -> Callable[[Any], Any]:
    return BertLayer(BertConfig(hidden_act=name)).activation()


def test_a_layer_that_is_not_initialized_is_zero_and_draws_nothing(
    layer_class: type[BertLayer], config: BertConfig
) -> None:
    layer = layer_class(config, seed=5, initialize=False)
    layer.build()
    for weight in layer.weights:
        assert (weight.numpy() == (weight.name == "gamma")).all()


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("gelu", True),
        ("gelu_python", True),
        *((name, False) for name, form in ACTIVATIONS.items() if form == "gelu_tanh"),
    ],
)
def test_gelu_is_the_form_that_the_name_says(
    name: str, exact: bool, assert_gelu: Callable[[Any, Any, bool], None]
) -> None:
    x = np.linspace(-4, 4, 101, dtype="float32")
    assert_gelu(x, activation(name)(x), exact)


@pytest.fixture
def assert_gelu() -> Callable[[Any, Any, bool], None]:
    from math import erf, pi, sqrt

    def check(x: np.ndarray, y: Any, exact: bool) -> None:
        forms = {
            True: x * [0.5 * (1 + erf(v / sqrt(2))) for v in x],
            False: 0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))),
        }
        np.testing.assert_allclose(y, forms[exact], atol=1e-6)
        assert np.abs(y - forms[not exact]).max() > 1e-4

    return check


@pytest.mark.parametrize("name", ["relu", "silu", "swish", "tanh"])
def test_other_activations_are_those_of_keras(name: str) -> None:
    x = np.linspace(-4, 4, 101, dtype="float32")
    np.testing.assert_array_equal(activation(name)(x), keras.activations.get(name)(x))


def test_a_bfloat16_bias_gets_the_whole_gradient_of_many_tokens() -> None:
    """TensorFlow's own kernel loses a third of it here."""
    upstream = np.random.default_rng(0).normal(0.003, 0.01, (4096, 32)).astype(ml_dtypes.bfloat16)
    bias = tf.zeros([32], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        total = tf.reduce_sum(PLAIN.add_bias(tf.zeros([4096, 32], tf.bfloat16), bias) * upstream)
    expected = upstream.astype(np.float64).sum(0)
    given = tape.gradient(total, bias).numpy().astype(np.float64)
    assert np.linalg.norm(given - expected) < 0.01 * np.linalg.norm(expected)
