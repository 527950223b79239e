"""Training on CPUs and TPUs beside Keras's and TensorFlow's own operations.

In double precision where bits are few.
"""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.arithmetic import PLAIN, TPU, Arithmetic, FewPasses, for_training
from bert_keras.arithmetic.few_passes import in_one_pass
from bert_keras.modeling.layers import LayerNorm

FEW = FewPasses()
BOTH = pytest.mark.parametrize("arithmetic", [FEW, TPU()], ids=["few passes", "tpu"])


def values_and_gradients(function, x, upstream=None):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, tf.ones_like(y) if upstream is None else upstream)


@BOTH
@pytest.mark.parametrize("name", ["gelu", "gelu_tanh"])
def test_gelu_and_its_gradient_are_keras_own(arithmetic, name):
    x = tf.reshape(tf.linspace(-9.0, 9.0, 600), [20, 30])
    found = values_and_gradients(getattr(arithmetic, name), x)
    expected = values_and_gradients(
        lambda x: keras.activations.gelu(x, approximate=name == "gelu_tanh"), x
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


@BOTH
def test_gelu_in_16_bits_is_rounded_at_the_end_alone(arithmetic):
    x = tf.cast(tf.reshape(tf.linspace(-9.0, 9.0, 600), [20, 30]), tf.bfloat16)
    found = values_and_gradients(arithmetic.gelu, x)
    exact = values_and_gradients(PLAIN.gelu, tf.cast(x, tf.float64))
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(ours, tf.float64), theirs, rtol=2**-8, atol=1e-5)


def compiled_calls(function, *specs):
    graph = tf.function(function, input_signature=specs).get_concrete_function().graph
    return [op for op in graph.get_operations() if op.type.endswith("PartitionedCall")]


def cross_entropy_of(arithmetic):
    return lambda x: arithmetic.cross_entropy(x, tf.zeros(tf.shape(x)[:1], tf.int32))


@pytest.mark.parametrize(
    "function_of",
    [
        lambda arithmetic: arithmetic.gelu,
        lambda arithmetic: arithmetic.gelu_tanh,
        cross_entropy_of,
        lambda arithmetic: norm("float32", arithmetic),
    ],
    ids=["gelu", "gelu_tanh", "cross_entropy", "layer_norm"],
)
@pytest.mark.parametrize(
    ("arithmetic", "length", "calls"), [(FEW, 4, 1), (FEW, None, 0), (PLAIN, 4, 0)]
)
def test_only_static_shapes_are_compiled(function_of, arithmetic, length, calls):
    spec = tf.TensorSpec([length, 24])
    assert len(compiled_calls(function_of(arithmetic), spec)) == calls


def test_any_function_of_single_elements_is_made_one_pass():
    x = tf.constant([[-2.0, 3.0]])
    value, gradient = values_and_gradients(in_one_pass(tf.nn.relu), x)
    assert value.numpy().tolist() == [[0.0, 3.0]]
    assert gradient.numpy().tolist() == [[0.0, 1.0]]


def test_training_takes_few_passes_unless_xla_compiles_all_or_there_is_another_device(monkeypatch):
    assert for_training(False) == FewPasses()
    assert for_training(False, rematerialize=True) == FewPasses(rematerialize=True)
    assert for_training(True, rematerialize=True) == Arithmetic(rematerialize=True)
    assert Arithmetic() != FewPasses()
    for kind, arithmetic in (("GPU", PLAIN), ("TPU", TPU())):
        found = partial(lambda name, kind: [kind] * (name == kind), kind=kind)
        monkeypatch.setattr(tf.config, "list_logical_devices", found)
        assert for_training(False) == arithmetic


def norm(dtype, arithmetic):
    layer = LayerNorm(epsilon=1e-12, dtype=dtype, arithmetic=arithmetic)
    layer.build((None, 24))
    layer.gamma.assign(np.linspace(0.5, 2, 24))
    layer.beta.assign(np.linspace(-1, 1, 24))
    return layer


class TestLayerNorm:
    """Beside Keras's own and beside its definition."""

    @staticmethod
    def results(layer, x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        weights = [layer.gamma.value, layer.beta.value]
        return [y, *tape.gradient(y, [x, *weights], tf.cast(upstream, y.dtype))]

    x = tf.random.stateless_normal([40, 24], [1, 2], 3.0, 2.0)
    upstream = tf.random.stateless_normal([40, 24], [3, 4])

    @BOTH
    def test_values_and_gradients_are_keras_own(self, arithmetic):
        found, keras_own = (
            self.results(norm("float32", each), self.x, self.upstream)
            for each in (arithmetic, PLAIN)
        )
        for ours, theirs in zip(found, keras_own, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)

    @BOTH
    def test_in_16_bits_only_the_end_is_rounded(self, arithmetic):
        x, upstream = (tf.cast(t, tf.bfloat16) for t in (self.x, self.upstream))
        found = self.results(norm("mixed_bfloat16", arithmetic), x, upstream)
        double = keras.layers.LayerNormalization(epsilon=1e-12, dtype="float64")
        double.build((None, 24))
        double.set_weights([w.astype("float64") for w in norm("float32", PLAIN).get_weights()])
        exact = self.results(double, tf.cast(x, tf.float64), upstream)
        assert [t.dtype for t in found] == [tf.bfloat16, tf.bfloat16, tf.float32, tf.float32]
        for ours, theirs, error in zip(found, exact, [2**-8, 2**-8, 1e-5, 1e-5], strict=True):
            np.testing.assert_allclose(tf.cast(ours, tf.float64), theirs, rtol=error, atol=2e-5)


class TestCrossEntropy:
    """Beside TensorFlow's own."""

    logits = 20 * tf.random.stateless_normal([3, 5, 400], seed=[1, 2])
    labels = tf.random.stateless_uniform([3, 5], [3, 4], 0, 400, tf.int32)
    weights = tf.constant(np.linspace(0, 2, 15, dtype=np.float32).reshape(3, 5))

    def losses_and_gradient(self, logits, cross_entropy):
        weighted = tf.cast(self.weights, tf.float64 if logits.dtype == tf.float64 else tf.float32)
        return values_and_gradients(cross_entropy, logits, weighted)

    def exact(self, logits):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits)

    @BOTH
    @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
    def test_losses_and_their_gradient_are_tensorflows_in_double_precision(self, arithmetic, dtype):
        logits = tf.cast(self.logits, dtype)
        losses, gradient = self.losses_and_gradient(
            logits, lambda x: arithmetic.cross_entropy(x, self.labels)[0]
        )
        expected = self.losses_and_gradient(tf.cast(logits, tf.float64), self.exact)
        assert losses.dtype == tf.float32
        assert gradient.dtype == dtype
        np.testing.assert_allclose(losses, expected[0], rtol=1e-5, atol=1e-5)
        # Half a unit in the last place, and what float32 before it may have been off.
        unit = 2**-7 if dtype == tf.bfloat16 else np.finfo(dtype.as_numpy_dtype).eps
        np.testing.assert_allclose(
            tf.cast(gradient, tf.float64), expected[1], rtol=max(float(unit), 1e-5), atol=1e-6
        )

    @pytest.mark.parametrize("arithmetic", [PLAIN, FEW, TPU()], ids=["plain", "few passes", "tpu"])
    def test_the_most_likely_class_is_that_of_the_largest_logit(self, arithmetic):
        rounded = tf.cast(self.logits, tf.bfloat16)
        best = tf.cast(rounded, tf.float32).numpy().argmax(-1)
        labels = np.where(np.arange(5) % 2, best, self.labels)
        _, is_best = arithmetic.cross_entropy(rounded, tf.constant(labels, tf.int32))
        np.testing.assert_array_equal(is_best, labels == best)
        assert 0 < np.mean(is_best) < 1

    def test_the_plain_one_is_float32_of_any_logits(self):
        losses, _ = PLAIN.cross_entropy(tf.cast(self.logits, tf.bfloat16), self.labels)
        assert losses.dtype == tf.float32

    @BOTH
    def test_certain_and_hopeless_logits_stay_finite(self, arithmetic):
        logits = tf.constant([[1e30, 0.0, -1e30], [-1e30, 0.0, 1e30]])
        losses, _ = arithmetic.cross_entropy(logits, tf.constant([0, 0]))
        np.testing.assert_allclose(losses, [0.0, 2e30])
