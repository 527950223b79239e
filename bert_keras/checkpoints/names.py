"""The one table that says what each weight is called, here and in the files of others.

The table gives Hugging Face's names; what the others call the same weight follows by rule.
"""

import math
import re
from collections.abc import Collection, Iterator
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


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


_OLD = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))
_DISTILBERT = (
    (r"^(distilbert\.)?embeddings\.", f"{ENCODER}embeddings."),
    (r"^(distilbert\.)?transformer\.layer\.", f"{ENCODER}encoder.layer."),
    (r"\.attention\.q_lin\.", ".attention.self.query."),
    (r"\.attention\.k_lin\.", ".attention.self.key."),
    (r"\.attention\.v_lin\.", ".attention.self.value."),
    (r"\.attention\.out_lin\.", ".attention.output.dense."),
    (r"\.sa_layer_norm\.", ".attention.output.LayerNorm."),
    (r"\.ffn\.lin1\.", ".intermediate.dense."),
    (r"\.ffn\.lin2\.", ".output.dense."),
    (r"\.output_layer_norm\.", ".output.LayerNorm."),
    (r"^vocab_transform\.", "cls.predictions.transform.dense."),
    (r"^vocab_layer_norm\.", "cls.predictions.transform.LayerNorm."),
    (r"^vocab_projector\.weight$", "cls.predictions.decoder.weight"),
    (r"^vocab_projector\.bias$", "cls.predictions.bias"),
)
_BARE = re.compile(r"^(embeddings|encoder|pooler)\.")


def current_name(name: str, model_type: str = "bert") -> str:
    """The table's name of a weight in a Hugging Face file.

    The oldest files say gamma and beta, bare encoders leave the prefix out, and DistilBERT
    (``model_type="distilbert"``) has names of its own.
    """
    name = _renamed(name, _OLD)
    if model_type == "distilbert":
        return _renamed(name, _DISTILBERT)
    return _BARE.sub(lambda match: ENCODER + match.group(), name)


_GOOGLE = (
    (r"^classifier\.weight$", "output_weights"),
    (r"^classifier\.bias$", "output_bias"),
    (r"^qa_outputs\.", "cls.squad."),
    (r"^(cls\.(squad|seq_relationship))\.weight$", r"\1.output_weights"),
    (r"^(cls\.(squad|seq_relationship|predictions))\.bias$", r"\1.output_bias"),
    (r"_embeddings\.weight$", "_embeddings"),
    (r"\.LayerNorm\.weight$", ".LayerNorm.gamma"),
    (r"\.LayerNorm\.bias$", ".LayerNorm.beta"),
    (r"\.weight$", ".kernel"),
    (r"\.layer\.(\d+)\.", r".layer_\1."),
    (r"\.", "/"),
)


def google_name(name: str) -> str:
    """What Google's TF1 code calls the weight that the table calls ``name``."""
    return _renamed(name, _GOOGLE)


def is_google_kernel(name: str) -> bool:
    """Whether the matrix lies [in, out] in Google's file; the heads' are [out, in] there too."""
    return google_name(name).endswith("/kernel")


_KERAS_HUB = {
    f"{ENCODER}embeddings.word_embeddings": "layers/reversible_embedding",
    f"{ENCODER}embeddings.position_embeddings": "layers/position_embedding",
    f"{ENCODER}embeddings.token_type_embeddings": "layers/embedding",
    f"{ENCODER}embeddings.LayerNorm": "layers/layer_normalization",
    f"{ENCODER}pooler.dense": "layers/dense",
    "cls.predictions.transform.dense": "layers/masked_lm_head/_intermediate_dense",
    "cls.predictions.transform.LayerNorm": "layers/masked_lm_head/_intermediate_layer_norm",
}
_KERAS_HUB_LAYER = {
    "attention.self.query": "_self_attention_layer/query_dense",
    "attention.self.key": "_self_attention_layer/key_dense",
    "attention.self.value": "_self_attention_layer/value_dense",
    "attention.output.dense": "_self_attention_layer/output_dense",
    "attention.output.LayerNorm": "_self_attention_layer_norm",
    "intermediate.dense": "_feedforward_intermediate_dense",
    "output.dense": "_feedforward_output_dense",
    "output.LayerNorm": "_feedforward_layer_norm",
}


def keras_hub_name(name: str) -> str:
    """What a preset of keras-hub calls the weight that the table calls ``name``."""
    if name == "cls.predictions.bias":
        return "layers/masked_lm_head/vars/0"
    part, _, kind = name.rpartition(".")
    number = 0 if kind == "weight" else 1
    if part.startswith(f"{ENCODER}encoder.layer."):
        index, _, rest = part.removeprefix(f"{ENCODER}encoder.layer.").partition(".")
        layer = "transformer_encoder" + (f"_{index}" if index != "0" else "")
        return f"layers/{layer}/{_KERAS_HUB_LAYER.get(rest, rest)}/vars/{number}"
    return f"{_KERAS_HUB[part]}/vars/{number}" if part in _KERAS_HUB else name


# Where the garden's encoder keeps its own pooler, which its pre-training does not train.
GARDEN_SPARE_POOLER = "encoder.pooler."
_GARDEN_LAYER = re.compile(r"layer_with_weights-(\d+)/")
_GARDEN_EMBEDDINGS = (
    "_embedding_layer",
    "_position_embedding_layer",
    "_type_embedding_layer",
    "_embedding_norm_layer",
)
_GARDEN = (
    (r"/\.ATTRIBUTES/VARIABLE_VALUE$", ""),
    # The encoder: alone, as a part of the pre-trainer, or as an item of its own beside it.
    (r"^(model/)?(encoder(_network)?/)?(?=_[a-z])", "encoder/"),
    (r"^encoder/_embedding_layer/embeddings$", f"{ENCODER}embeddings.word_embeddings.weight"),
    (r"^(model/)?masked_lm/embedding_table$", f"{ENCODER}embeddings.word_embeddings.weight"),
    (
        r"^encoder/_position_embedding_layer/embeddings$",
        f"{ENCODER}embeddings.position_embeddings.weight",
    ),
    (
        r"^encoder/_type_embedding_layer/embeddings$",
        f"{ENCODER}embeddings.token_type_embeddings.weight",
    ),
    (r"^encoder/_embedding_norm_layer/", f"{ENCODER}embeddings.LayerNorm."),
    (r"^encoder/_transformer_layers/(\d+)/", rf"{ENCODER}encoder.layer.\1."),
    (r"\._attention_layer/_(query|key|value)_dense/", r".attention.self.\1."),
    (r"\._attention_layer/_output_dense/", ".attention.output.dense."),
    (r"\._attention_layer_norm/", ".attention.output.LayerNorm."),
    (r"\._intermediate_dense/", ".intermediate.dense."),
    (r"\._output_dense/", ".output.dense."),
    (r"\._output_layer_norm/", ".output.LayerNorm."),
    (r"^encoder/_pooler_layer/", GARDEN_SPARE_POOLER + "dense."),
    (
        r"^(next_sentence\.\.pooler_dense|(model/)?classification_heads/0/dense)/",
        f"{ENCODER}pooler.dense.",
    ),
    (r"^(model/)?classification_heads/0/out_proj/", "cls.seq_relationship."),
    (r"^(model/)?masked_lm/dense/", "cls.predictions.transform.dense."),
    (r"^(model/)?masked_lm/layer_norm/", "cls.predictions.transform.LayerNorm."),
    (r"^(model/)?masked_lm/output_bias\.Sbias$", "cls.predictions.bias"),
    (r"\.(kernel|gamma)$", ".weight"),
    (r"\.beta$", ".bias"),
)


def garden_layers(names: Collection[str]) -> int:
    """How many Transformer layers a checkpoint of TF Model Garden has."""
    return sum("/_intermediate_dense/kernel/" in name for name in names)


def name_of_garden(name: str, layers: int) -> str:
    """The table's name of a variable in a checkpoint of TF Model Garden.

    Its first encoder, a functional model, counts what has weights: the four of the embeddings,
    the layers, the pooler. Its second says what they are.

    Args:
        name: The way to the variable, as in the file.
        layers: How many Transformer layers the file has.
    """

    def named(match: re.Match[str]) -> str:
        number = int(match[1])
        if number < len(_GARDEN_EMBEDDINGS):
            return f"{_GARDEN_EMBEDDINGS[number]}/"
        number -= len(_GARDEN_EMBEDDINGS)
        return f"_transformer_layers/{number}/" if number < layers else "_pooler_layer/"

    return _renamed(_GARDEN_LAYER.sub(named, name), _GARDEN)
