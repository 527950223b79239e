"""MPNet (Song et al. 2020): RoBERTa's positions and heads, and a bias for each distance of tokens.

The bias is added to the scores of attention: one number for each head and each of 32 ranges of
distances, as in T5 (Raffel et al. 2020, section 2.1), which all layers share. There are no token
types.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.config.model import require_whole_number
from bert_keras.errors import InputError
from bert_keras.modeling import BertEncoder
from bert_keras.modeling.layers import BertLayer
from bert_keras.modeling.layout import Layout, lookup
from bert_keras.saving.families.bert import COMMON_HEADS, ENDS, TRANSPOSED
from bert_keras.saving.families.family import Family, register_family
from bert_keras.saving.families.roberta import RobertaEmbeddings, roberta_classes
from bert_keras.saving.names import Names, Shape, bert_variables

_BIAS = "position_bias/relative_attention_bias"
NAMES = Names(
    layers={
        "embeddings/word_embeddings": "mpnet.embeddings.word_embeddings.weight",
        "embeddings/position_embeddings": "mpnet.embeddings.position_embeddings.weight",
        "embeddings/layer_norm": "mpnet.embeddings.LayerNorm",
        _BIAS: "mpnet.encoder.relative_attention_bias.weight",
        "layer_#/attention/query_key_value": "mpnet.encoder.layer.#.attention.attn.(q|k|v)",
        "layer_#/attention/output": "mpnet.encoder.layer.#.attention.attn.o",
        "layer_#/attention_layer_norm": "mpnet.encoder.layer.#.attention.LayerNorm",
        "layer_#/feed_forward/intermediate": "mpnet.encoder.layer.#.intermediate.dense",
        "layer_#/feed_forward/output": "mpnet.encoder.layer.#.output.dense",
        "layer_#/feed_forward_layer_norm": "mpnet.encoder.layer.#.output.LayerNorm",
        "pooler/output": "mpnet.pooler.dense",
        "masked_lm_head/transform": "lm_head.dense",
        "masked_lm_head/layer_norm": "lm_head.layer_norm",
        "masked_lm_head/output_bias": "lm_head.bias",
        "deep_classifier/transform": "classifier.dense",
        "deep_classifier/output": "classifier.out_proj",
        **COMMON_HEADS,
    },
    ends=ENDS,
    transposed=TRANSPOSED,
    tied={
        "lm_head.decoder.weight": "mpnet.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    passed_over=("mpnet.embeddings.position_ids",),
)
# Transformers has these numbers in its code, whatever the config says.
_PADDING = 1
_BUCKETS, _FARTHEST = 32, 128
# Token types are taken, as DistilBERT takes them; its config.json has no key for their number.
_FIXED = {"type_vocab_size": 2}


@dataclass(frozen=True, kw_only=True)
class MPNetConfig(BertConfig):
    """BERT's, with the defaults of transformers.

    Its ``max_position_embeddings`` are rows of the table, of which no token of a sequence has the
    first two.

    Attributes:
        relative_attention_num_buckets: The rows of the table of biases, of which 32 are read.
    """

    vocab_size: int = 30527
    pad_token_id: int = 1
    relative_attention_num_buckets: int = _BUCKETS

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole_number("max_position_embeddings", self.max_position_embeddings, at_least=3)
        rows = self.relative_attention_num_buckets
        require_whole_number("relative_attention_num_buckets", rows, at_least=_BUCKETS)
        for name, value in _FIXED.items():
            if getattr(self, name) != value:
                raise InputError(
                    f"{name} must be {value}, which an MPNet's config.json cannot change. "
                    f"Received: {getattr(self, name)}"
                )

    @property
    def longest_sequence(self) -> int:
        """The tokens of the longest sequence."""
        return self.max_position_embeddings - _PADDING - 1

    @property
    def has_token_types(self) -> bool:
        """There is no table of token types."""
        return False

    @property
    def masked_lm_activation(self) -> str:
        """GELU, whatever ``hidden_act`` is."""
        return "gelu_erf"


@keras.saving.register_keras_serializable(package="bert_keras")
class MPNetEmbeddings(RobertaEmbeddings):
    """RoBERTa's, with positions that count the tokens other than 1, whatever the padding is."""

    config_class = MPNetConfig

    @property
    def padding_id(self) -> int:
        """The id of the tokens that are not counted."""
        return _PADDING


@keras.saving.register_keras_serializable(package="bert_keras")
class RelativePositionBias(BertLayer):
    """A bias for each head and each range of distances, float32 under any dtype policy."""

    config: MPNetConfig
    config_class = MPNetConfig

    def build(self, *shapes: Any) -> None:
        """Make the table [relative_attention_num_buckets, N]."""
        self.relative_attention_bias = self.add_weight(
            name="relative_attention_bias",
            shape=(self.config.relative_attention_num_buckets, self.config.num_attention_heads),
            initializer=self.initializer("relative_attention_bias"),
            autocast=False,
        )
        self.built = True

    def call(self, layout: Layout) -> tf.Tensor:
        """The biases [N, L, L] of a batch: of each token (last axis) for each that looks at it."""
        places = tf.range(Layout(*layout).shape[1])
        distances = tf.clip_by_value(places - places[:, tf.newaxis], -_FARTHEST, _FARTHEST)
        buckets_LxL = tf.gather(tf.constant(_bucket_of_each()), distances + _FARTHEST)
        return tf.transpose(lookup(self.relative_attention_bias, buckets_LxL), [2, 0, 1])


def _bucket_of_each() -> np.ndarray:
    """The rows for the distances -128 to 128, int32 [257]; farther tokens have those of the ends.

    Half of the rows are for tokens before, half for those behind; of each half the first 8 are for
    one distance, and the others for ranges that widen by √2 to 128. By squares: no logarithm is
    rounded at the end of a range.
    """
    distances = np.arange(-_FARTHEST, _FARTHEST + 1)
    half, exact = _BUCKETS // 2, _BUCKETS // 4
    starts = exact**2 * 2 ** np.arange(half - exact)  # the squares at which ranges begin
    ranges = exact - 1 + (distances[:, np.newaxis] ** 2 >= starts).sum(axis=1)
    buckets = np.where(abs(distances) < exact, abs(distances), ranges)
    return (buckets + half * (distances > 0)).astype(np.int32)


@keras.saving.register_keras_serializable(package="bert_keras")
class MPNetEncoder(BertEncoder):
    """MPNet without a head; called as ``BertEncoder`` is."""

    config_class = MPNetConfig
    embeddings_class = MPNetEmbeddings
    position_bias_class = RelativePositionBias


def _variables(config: Any, labels: int = 2) -> Iterator[tuple[str, Shape]]:
    yield from bert_variables(config, labels)
    yield _BIAS, (config.relative_attention_num_buckets, config.num_attention_heads)


# It was pre-trained on permuted text, which ``pretrain`` does not have.
_OWN = {"pretraining": None, "names": NAMES, "prefix": "mpnet.", "variables": _variables}

register_family(
    Family(
        model_type="mpnet",
        title="MPNet",
        config_values=_FIXED,
        **roberta_classes("MPNet", MPNetEncoder) | _OWN,
    )
)
