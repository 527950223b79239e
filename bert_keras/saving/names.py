"""The one table that says what each weight is called, here and in the files of others.

The table gives Hugging Face's names; what the others call the same weight follows by the rules of
``name_rules``.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bert_keras.config import BertConfig

Shape = tuple[int, ...]


class Entry(NamedTuple):
    """One of our weights and what it is made of.

    Attributes:
        ours: The variable's path.
        theirs: The names in the checkpoint; several are joined along the last axis (the fused
            query, key and value).
        shape: The shape there of each of ``theirs``.
        is_kernel: Whether the matrix lies transposed there: torch keeps [out, in].
    """

    ours: str
    theirs: tuple[str, ...]
    shape: Shape
    is_kernel: bool = False

    @property
    def part(self) -> str:
        """The part of the model that the weight belongs to, such as ``"pooler"``."""
        return self.ours.split("/")[0]

    @property
    def bytes(self) -> int:
        """How large the weight is in float32."""
        return 4 * math.prod(self.shape) * len(self.theirs)

    def from_theirs(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Our array from theirs."""
        if self.is_kernel:
            arrays = [array.T for array in arrays]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)

    def to_theirs(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Their arrays by name from ours."""
        parts = np.split(array, len(self.theirs), axis=-1)
        return {
            name: np.ascontiguousarray(part.T if self.is_kernel else part)
            for name, part in zip(self.theirs, parts, strict=True)
        }

    def shape_there(self, array: np.ndarray) -> Shape:
        """The shape that each of ``theirs`` has where ``array`` is ours."""
        shape = (*array.shape[:-1], array.shape[-1] // len(self.theirs))
        return shape[::-1] if self.is_kernel else shape


ENCODER = "bert."  # what stands before the encoder's names in a model that has a head
HEADS = ("masked_lm_head", "next_sentence_head", "classifier", "span_head")


def entries(config: BertConfig, labels: int = 2) -> Iterator[Entry]:
    """Every weight that an encoder of this shape, its pooler or a head on it can have.

    Args:
        config: The architecture.
        labels: How many a classifier has.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    for name, rows in (
        ("word_embeddings", config.vocab_size),
        ("position_embeddings", config.max_position_embeddings),
        ("token_type_embeddings", config.type_vocab_size),
    ):
        yield Entry(f"embeddings/{name}", (f"{ENCODER}embeddings.{name}.weight",), (rows, hidden))
    yield from _norm("embeddings/layer_norm", f"{ENCODER}embeddings.LayerNorm", hidden)
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layer_{index}", f"{ENCODER}encoder.layer.{index}"
        attention = f"{theirs}.attention"
        fused = tuple(f"{attention}.self.{name}" for name in ("query", "key", "value"))
        yield from _dense(f"{ours}/attention/output", f"{attention}.output.dense", hidden, hidden)
        yield from _dense(f"{ours}/attention/query_key_value", fused, hidden, hidden)
        yield from _dense(
            f"{ours}/feed_forward/intermediate", f"{theirs}.intermediate.dense", inner, hidden
        )
        yield from _dense(f"{ours}/feed_forward/output", f"{theirs}.output.dense", hidden, inner)
        yield from _norm(f"{ours}/attention_layer_norm", f"{attention}.output.LayerNorm", hidden)
        yield from _norm(f"{ours}/feed_forward_layer_norm", f"{theirs}.output.LayerNorm", hidden)
    yield from _dense("pooler/output", f"{ENCODER}pooler.dense", hidden, hidden)
    predictions = "cls.predictions"
    yield from _dense("masked_lm_head/transform", f"{predictions}.transform.dense", hidden, hidden)
    yield from _norm("masked_lm_head/layer_norm", f"{predictions}.transform.LayerNorm", hidden)
    yield Entry("masked_lm_head/output_bias", (f"{predictions}.bias",), (config.vocab_size,))
    yield from _dense("next_sentence_head/output", "cls.seq_relationship", 2, hidden)
    yield from _dense("classifier/output", "classifier", labels, hidden)
    yield from _dense("span_head/output", "qa_outputs", 2, hidden)


def _dense(ours: str, theirs: str | tuple[str, ...], units: int, inputs: int) -> Iterator[Entry]:
    theirs = (theirs,) if isinstance(theirs, str) else theirs
    kernels, biases = (tuple(f"{name}.{end}" for name in theirs) for end in ("weight", "bias"))
    yield Entry(f"{ours}/kernel", kernels, (units, inputs), is_kernel=True)
    yield Entry(f"{ours}/bias", biases, (units,))


def _norm(ours: str, theirs: str, units: int) -> Iterator[Entry]:
    yield Entry(f"{ours}/gamma", (f"{theirs}.weight",), (units,))
    yield Entry(f"{ours}/beta", (f"{theirs}.bias",), (units,))
