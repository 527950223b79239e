import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic.fusion import fused, fusing
from bert_keras.modeling.layers import activation


def values_and_gradients(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, tf.ones_like(y))


@pytest.mark.parametrize(("name", "is_tanh"), [("gelu", False), ("gelu_new", True)])
def test_fused_gelu_and_its_gradient_are_keras_own(name, is_tanh):
    x = tf.reshape(tf.linspace(-9.0, 9.0, 600), [20, 30])
    with fusing():
        found = values_and_gradients(activation(name), x)
    expected = values_and_gradients(lambda x: keras.activations.gelu(x, approximate=is_tanh), x)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


def test_in_16_bits_only_the_end_is_rounded():
    x = tf.cast(tf.reshape(tf.linspace(-9.0, 9.0, 600), [20, 30]), tf.bfloat16)
    with fusing():
        found = values_and_gradients(activation("gelu"), x)
    exact = values_and_gradients(
        lambda x: keras.activations.gelu(x, approximate=False), tf.cast(x, tf.float64)
    )
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(ours, tf.float64), theirs, rtol=2**-8, atol=1e-5)


def compiled_calls(function, spec):
    graph = tf.function(function, input_signature=[spec]).get_concrete_function().graph
    return [op for op in graph.get_operations() if op.type.endswith("PartitionedCall")]


@pytest.mark.parametrize(
    ("is_on", "shape", "calls"), [(True, [4, 8], 1), (True, [None, 8], 0), (False, [4, 8], 0)]
)
def test_only_static_shapes_are_compiled_and_only_where_it_is_asked_for(is_on, shape, calls):
    function = fused(tf.nn.relu)
    with fusing(is_on):
        assert len(compiled_calls(function, tf.TensorSpec(shape))) == calls
