"""Tables of the names that weights have in files.

The path of a variable of ours, such as ``layer_0/attention/output/kernel``, is the same everywhere.
Its name in a file stands in a table and nowhere else: ``NAMES``, at the head of the module of the
layout.

    families/                                  Hugging Face's files, one table a family
    google.py, garden.py, keras_hub.py         Google's TF1 code, TF Model Garden, keras-hub
    keras_file.py                              .keras files of ours

``Names`` reads the tables; ``build`` fills a model by them, ``weights_to_save`` writes one.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from bert_keras.config import BertConfig
from bert_keras.modeling.heads import PROJECTION

Shape = tuple[int, ...]
_SEVERAL = re.compile(r"\((.*)\)")
_NUMBER = re.compile(r"(?<=layer_)\d+")


class Weight(NamedTuple):
    """One of our weights and the arrays of a file that it consists of.

    Attributes:
        path: The variable's path.
        names: The names in the file; several are joined along the last axis (the fused query, key
            and value).
        shape: The shape there of each of ``names``.
        own_shape: The shape of each within our weight.
        is_transposed: Whether the matrix is [out, in] there; ours is [in, out].
    """

    path: str
    names: tuple[str, ...]
    shape: Shape
    own_shape: Shape
    is_transposed: bool = False

    @property
    def component(self) -> str:
        """The component of the model that the weight belongs to, such as ``"pooler"``."""
        return component_of(self.path)

    @property
    def bytes(self) -> int:
        """The size of the weight in float32."""
        return 4 * math.prod(self.shape) * len(self.names)

    def from_file(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The array of our weight from those of the file."""
        pieces = [a.T if self.is_transposed else a.reshape(self.own_shape) for a in arrays]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)

    def to_file(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the file by name, from that of our weight."""
        pieces = np.split(array, len(self.names), axis=-1)
        return {
            name: np.ascontiguousarray(a.T if self.is_transposed else a).reshape(self.shape)
            for name, a in zip(self.names, pieces, strict=True)
        }


@dataclass(frozen=True)
class Names:
    """The names of our weights in one layout of files, and the form of the arrays.

    Attributes:
        layers: The file's name of a layer of ours, or of a single weight, by our path; ``#`` is
            the number of a Transformer layer. ``(query|key|value)`` stands for three names.
        ends: The ending of a layer's name for its kernel, bias, gamma and beta.
        transposed: Ends of our paths: these matrices are [out, in] in the file.
        has_heads: Whether attention's arrays have an axis for the heads: [H, N, K] for [H, H].
        number: How the file writes the number of a Transformer layer.
        tied: Names of the masked-LM head that must hold the same as another name. Where that one
            is missing, they replace it.
        passed_over: Names of arrays that are not weights.
        unused: Beginnings of the names of weights that no model of ours has; they are left out.
    """

    layers: Mapping[str, str]
    ends: Mapping[str, str]
    transposed: tuple[str, ...] = ()
    has_heads: bool = False
    number: Callable[[int], str] = str
    tied: Mapping[str, str] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def of(self, path: str) -> tuple[str, ...]:
        """The names in the file of a variable of ours; none where the layout has none."""
        match = _NUMBER.search(path)
        key = _NUMBER.sub("#", path)
        layer, _, kind = key.rpartition("/")
        if key in self.layers:
            name = self.layers[key]
        elif layer in self.layers:
            name = self.layers[layer] + self.ends[kind]
        else:
            return ()
        name = name.replace("#", self.number(int(match[0])) if match else "")
        several = _SEVERAL.search(name)
        return tuple(_SEVERAL.sub(n, name) for n in several[1].split("|")) if several else (name,)

    def weight(self, path: str, shape: Shape, config: BertConfig) -> Weight:
        """The arrays of the file that a variable of this path and shape consists of."""
        names = self.of(path)
        own = (*shape[:-1], shape[-1] // max(len(names), 1))
        is_transposed = path.endswith(self.transposed)
        in_file = own[::-1] if is_transposed else own
        if self.has_heads:
            in_file = _with_heads(path, own, config.num_attention_heads)
        return Weight(path, names, in_file, own, is_transposed)


def numbered_after_the_first(number: int) -> str:
    """The number of a layer as Keras adds it to its name: none, ``_1``, ``_2``."""
    return f"_{number}" if number else ""


def component_of(path: str) -> str:
    """The component of a model that a variable belongs to: the beginning of its path."""
    return path.partition("/")[0]


def _with_heads(path: str, shape: Shape, heads: int) -> Shape:
    """The shape with an axis for heads: [H, N, K], [N, K, H] for the output; biases [N, K]."""
    if "/attention/query_key_value/" in path:
        return (*shape[:-1], heads, shape[-1] // heads)
    if path.endswith("/attention/output/kernel"):
        return (heads, shape[0] // heads, shape[1])
    return shape


def bert_variables(config: BertConfig, labels: int = 2) -> Iterator[tuple[str, Shape]]:
    """The path and shape of every weight that an encoder, its pooler or a head on it can have.

    Args:
        config: The architecture.
        labels: The number of labels of a classifier.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    width = config.embedding_width
    yield "embeddings/word_embeddings", (config.vocab_size, width)
    yield "embeddings/position_embeddings", (config.max_position_embeddings, width)
    if config.has_token_types:
        yield "embeddings/token_type_embeddings", (config.type_vocab_size, width)
    yield from _norm("embeddings/layer_norm", width)
    if width != hidden:
        yield from _dense("embeddings/project", width, hidden)
    for index in range(config.num_hidden_layers):
        layer = f"layer_{index}"
        yield from _dense(f"{layer}/attention/output", hidden, hidden)
        yield from _dense(f"{layer}/attention/query_key_value", hidden, 3 * hidden)
        yield from _dense(f"{layer}/feed_forward/intermediate", hidden, inner)
        yield from _dense(f"{layer}/feed_forward/output", inner, hidden)
        yield from _norm(f"{layer}/attention_layer_norm", hidden)
        yield from _norm(f"{layer}/feed_forward_layer_norm", hidden)
    yield from _dense("pooler/output", hidden, hidden)
    yield from _dense("masked_lm_head/transform", hidden, width)
    yield from _norm("masked_lm_head/layer_norm", width)
    yield "masked_lm_head/output_bias", (config.vocab_size,)
    yield from _dense("next_sentence_head/output", hidden, 2)
    yield from _dense("classifier/output", hidden, labels)
    yield from _dense("deep_classifier/transform", hidden, hidden)
    yield from _dense("deep_classifier/output", hidden, labels)
    yield from _dense("span_head/output", hidden, 2)
    yield from _dense("discriminator_head/transform", hidden, hidden)
    yield from _dense("discriminator_head/output", hidden, 1)


def projection_variables(
    config: BertConfig, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, Shape]]:
    """The path and shape of every weight of a sentence encoder's dense layer, if it has one.

    Args:
        config: The architecture.
        arguments: Of the model's constructor.
    """
    units = arguments.get("dense_units")
    if units is not None:
        weights = _dense(f"{PROJECTION}/output", config.hidden_size, units)
        yield from islice(weights, 2 if arguments.get("dense_bias", True) else 1)


def _dense(layer: str, inputs: int, units: int) -> Iterator[tuple[str, Shape]]:
    yield f"{layer}/kernel", (inputs, units)
    yield f"{layer}/bias", (units,)


def _norm(layer: str, units: int) -> Iterator[tuple[str, Shape]]:
    yield f"{layer}/gamma", (units,)
    yield f"{layer}/beta", (units,)
