"""Twenty steps of an optimizer on weights of the kinds that a BERT has."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

SHAPES = {"kernel": (7, 6), "word_embeddings": (11, 3), "bias": (6,), "gamma": (6,), "beta": (6,)}
STEPS = 20
Arrays = dict[str, np.ndarray]


def start() -> Arrays:
    """The weights before the first step."""
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def gradients(scale: float = 1.0) -> list[Arrays]:
    """Gradients of all sizes: some are clipped and some are not."""
    draw = np.random.default_rng(1)
    return [
        {
            name: (scale * 10 ** draw.uniform(-3, 0) * draw.normal(size=shape)).astype("float32")
            for name, shape in SHAPES.items()
        }
        for _ in range(STEPS)
    ]


def train(
    optimizer: Any,
    steps: list[Arrays],
    names: tuple[str, ...] = tuple(SHAPES),
    jit_compile: bool = False,
) -> Arrays:
    """The weights of these names after the steps."""
    variables = {name: keras.Variable(start()[name], name=name) for name in names}
    optimizer.build(list(variables.values()))
    apply = tf.function(lambda grads: optimizer.apply(grads), jit_compile=jit_compile)
    for step in steps:
        apply([tf.constant(step[name]) for name in names])
    return {name: variable.numpy() for name, variable in variables.items()}


def assert_close(ours: Arrays, theirs: Arrays) -> None:
    """Checks that the weights are the same but for rounding."""
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=2e-5, atol=1e-5, err_msg=name)
