"""The one table that says what each weight is called here and in a Hugging Face checkpoint."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """One of our weights and what it is made of.

    Attributes:
        ours: The variable's path.
        theirs: The names in the checkpoint; several are joined along the last axis (the fused
            query, key and value).
        is_kernel: Whether the matrix lies transposed there: torch keeps [out, in].
    """

    ours: str
    theirs: tuple[str, ...]
    is_kernel: bool = False

    def from_theirs(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Our array from theirs."""
        return np.concatenate([a.T if self.is_kernel else a for a in arrays], axis=-1)

    def to_theirs(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Their arrays by name from ours."""
        parts = np.split(array, len(self.theirs), axis=-1)
        return {
            name: np.ascontiguousarray(part.T if self.is_kernel else part)
            for name, part in zip(self.theirs, parts, strict=True)
        }


_EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_LAYER_DENSE = {
    "attention/output": ("attention.output.dense",),
    "attention/query_key_value": (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ),
    "feed_forward/intermediate": ("intermediate.dense",),
    "feed_forward/output": ("output.dense",),
}
_LAYER_NORMS = {
    "attention_layer_norm": "attention.output.LayerNorm",
    "feed_forward_layer_norm": "output.LayerNorm",
}


def entries(layers: int, prefix: str) -> Iterator[Entry]:
    """Every weight that an encoder of ``layers`` layers or a pre-training head can have.

    Args:
        layers: ``num_hidden_layers``.
        prefix: What stands before the encoder's names there: ``"bert."``, or ``""`` for a bare
            encoder.
    """
    for name in _EMBEDDINGS:
        yield Entry(f"embeddings/{name}", (f"{prefix}embeddings.{name}.weight",))
    yield from _norm("embeddings/layer_norm", f"{prefix}embeddings.LayerNorm")
    for index in range(layers):
        ours, theirs = f"layer_{index}", f"{prefix}encoder.layer.{index}"
        for part, names in _LAYER_DENSE.items():
            yield from _dense(f"{ours}/{part}", tuple(f"{theirs}.{name}" for name in names))
        for part, name in _LAYER_NORMS.items():
            yield from _norm(f"{ours}/{part}", f"{theirs}.{name}")
    yield from _dense("pooler/output", (f"{prefix}pooler.dense",))
    yield from _dense("masked_lm_head/transform", ("cls.predictions.transform.dense",))
    yield from _norm("masked_lm_head/layer_norm", "cls.predictions.transform.LayerNorm")
    yield Entry("masked_lm_head/output_bias", ("cls.predictions.bias",))
    yield from _dense("next_sentence_head/output", ("cls.seq_relationship",))


def current_name(name: str) -> str:
    """Today's name of a weight in a checkpoint: the oldest files say gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _dense(ours: str, theirs: tuple[str, ...]) -> Iterator[Entry]:
    yield Entry(f"{ours}/kernel", tuple(f"{name}.weight" for name in theirs), is_kernel=True)
    yield Entry(f"{ours}/bias", tuple(f"{name}.bias" for name in theirs))


def _norm(ours: str, theirs: str) -> Iterator[Entry]:
    yield Entry(f"{ours}/gamma", (f"{theirs}.weight",))
    yield Entry(f"{ours}/beta", (f"{theirs}.bias",))
