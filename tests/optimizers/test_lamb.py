import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.optimizers import LAMB
from tests.optimizers.steps import SHAPES, Arrays, assert_close, gradients, start, train


def papers(rate: float, decay: float, corrects: bool) -> Arrays:
    """Algorithm 2 of You et al. 2020 with φ(z) = z, in float64.

    What is neither decayed nor scaled, and the switch of the correction, are as in the authors'
    code.
    """
    weights = {name: value.astype("float64") for name, value in start().items()}
    m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(2))
    for t, g in enumerate(gradients(), start=1):
        for name, x in weights.items():
            m[name] = 0.9 * m[name] + 0.1 * g[name]
            v[name] = 0.999 * v[name] + 0.001 * g[name].astype("float64") ** 2
            first = m[name] / (1 - 0.9**t) if corrects else m[name]
            second = v[name] / (1 - 0.999**t) if corrects else v[name]
            r = first / (np.sqrt(second) + 1e-6)
            ratio = 1.0
            if name not in ("bias", "gamma", "beta"):
                r = r + decay * x
                ratio = np.linalg.norm(x) / np.linalg.norm(r)
            weights[name] = x - rate * ratio * r
    return weights


@pytest.mark.parametrize("corrects", [True, False])
def test_twenty_steps_equal_the_papers_algorithm(corrects: bool) -> None:
    ours = train(
        LAMB(0.01, weight_decay=0.1, clip_norm=None, bias_correction=corrects), gradients()
    )
    assert_close(ours, papers(0.01, 0.1, corrects))


def test_without_decay_it_is_keras_lamb_on_matrices() -> None:
    """Keras's decays before the trust ratio and scales biases, hence only here."""
    matrices = ("kernel", "word_embeddings")
    theirs = keras.optimizers.Lamb(0.01, epsilon=1e-6)
    ours = LAMB(0.01, weight_decay=0.0, clip_norm=None, bias_correction=True)
    assert_close(train(ours, gradients(), matrices), train(theirs, gradients(), matrices))


def test_compiled_it_is_the_same() -> None:
    ours = train(LAMB(0.01, weight_decay=0.1, clip_norm=None), gradients(), jit_compile=True)
    assert_close(ours, papers(0.01, 0.1, corrects=False))


class Fused(keras.layers.Layer):
    """A kernel [6, 3 * 4] of three matrices, which have lengths of their own."""

    def __init__(self, name: str, parts: int) -> None:
        super().__init__(name=name)
        values = np.random.default_rng(0).normal(size=(6, 12)) * np.repeat([0.1, 1.0, 10.0], 4)
        for number, part in enumerate(np.split(values, parts, axis=1)):
            kernel = self.add_weight(
                shape=part.shape, name="kernel" if parts == 1 else f"k{number}"
            )
            kernel.assign(part)
        self.built = True


@pytest.mark.parametrize(("name", "is_equal"), [("query_key_value", True), ("other", False)])
def test_query_key_and_value_have_trust_ratios_of_their_own(name: str, is_equal: bool) -> None:
    gradient = np.random.default_rng(1).normal(size=(6, 12)).astype("float32")
    results = []
    for parts in (1, 3):
        layer, optimizer = Fused(name, parts), LAMB(0.01, clip_norm=None)
        optimizer.build(layer.trainable_variables)
        optimizer.apply(np.split(gradient, parts, axis=1))
        results.append(np.concatenate([v.numpy() for v in layer.trainable_variables], axis=1))
    assert np.allclose(*results, rtol=1e-6) == is_equal


def test_weights_that_are_zero_still_move() -> None:
    variable = keras.Variable(np.zeros((3, 2), "float32"), name="kernel")
    optimizer = LAMB(0.1, clip_norm=None, bias_correction=True)
    optimizer.apply([tf.ones((3, 2))], [variable])
    np.testing.assert_allclose(variable.numpy(), -0.1 * np.ones((3, 2)), rtol=1e-4)


def test_it_serializes() -> None:
    optimizer = LAMB(1e-3, weight_decay=0.02, clip_norm=0.5, bias_correction=True)
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(clone) is LAMB
    assert clone.get_config() == optimizer.get_config()
