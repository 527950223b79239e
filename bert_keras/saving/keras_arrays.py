"""Weights as Keras layers keep them: kernels [in, out], and attention with its heads apart."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.saving.names import Entry, Shape, entries
from bert_keras.saving.weights import Weights


def keras_weights(
    file: str,
    config: BertConfig,
    stored: Mapping[str, Shape],
    there: Mapping[str, str],
    read: Callable[[str], np.ndarray],
) -> Weights:
    """The arrays of such a file as a checkpoint in Hugging Face's layout.

    Args:
        file: What messages call the file.
        config: The architecture that it claims to be of.
        stored: The shape of each array by the file's names.
        there: The file's name of each array by the table's, or by its own where the table knows
            none.
        read: Gives the array of a name of the file.

    Raises:
        InputError: When the attention has another number of heads than the config says.
    """
    layers = sum(name.endswith(".intermediate.dense.weight") for name in there)
    table = entries(replace(config, num_hidden_layers=max(layers, 1)))
    known = {name: entry for entry in table for name in entry.theirs}
    shapes = {}
    for name, home in there.items():
        shape = stored[home]
        if _has_heads(name, shape):
            heads = shape[0] if name.endswith(".output.dense.weight") else shape[-2]
            if heads != config.num_attention_heads:
                raise InputError(
                    f"{file}: {home} has {heads} attention heads, but the config says "
                    f"num_attention_heads={config.num_attention_heads}"
                )
            shape = _joined(name, shape)
        shapes[name] = shape[::-1] if _is_kernel(known, name) else shape

    def read_joined(name: str) -> np.ndarray:
        array = read(there[name])
        shape = shapes[name]
        if _is_kernel(known, name):
            return array.reshape(shape[::-1]).T
        return array.reshape(shape)

    return Weights(file, shapes, read_joined, lambda name: there.get(name, name))


def _is_kernel(known: Mapping[str, Entry], name: str) -> bool:
    return name in known and known[name].is_kernel


def _has_heads(name: str, shape: Shape) -> bool:
    """Kernels [H, N, K], and [N, K, H] of the output; biases [N, K] but for the output's."""
    if ".attention." not in name:
        return False
    return len(shape) == (2 if name.endswith(".bias") else 3)


def _joined(name: str, shape: Shape) -> Shape:
    if name.endswith(".output.dense.weight"):
        return (math.prod(shape[:2]), shape[2])
    return (*shape[:-2], math.prod(shape[-2:]))
