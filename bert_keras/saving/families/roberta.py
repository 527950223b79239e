"""RoBERTa (Liu et al. 2019): BERT without next sentences, whose positions begin after padding's.

It differs from BERT in three ways. Positions count the real tokens from ``pad_token_id`` + 1 on,
and padding has the position ``pad_token_id``. A sequence classifier has no pooler, but a dense
layer of its own. And its tokens are byte pairs, without token types.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForTokenClassification,
)
from bert_keras.modeling.finetuning import DeepSequenceClassification
from bert_keras.modeling.layers import BertEmbeddings
from bert_keras.saving.families.bert import PLAIN_ENCODER, layout_names
from bert_keras.saving.families.family import Family, derived, register_family

NAMES = layout_names(
    "roberta",
    {
        "masked_lm_head/transform": "lm_head.dense",
        "masked_lm_head/layer_norm": "lm_head.layer_norm",
        "masked_lm_head/output_bias": "lm_head.bias",
        "deep_classifier/transform": "classifier.dense",
        "deep_classifier/output": "classifier.out_proj",
    },
    {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
)


@dataclass(frozen=True, kw_only=True)
class RobertaConfig(BertConfig):
    """BERT's, with the defaults of transformers.

    Its ``max_position_embeddings`` are rows of the table, of which no token of a sequence has the
    first ``pad_token_id`` + 1.
    """

    vocab_size: int = 50265
    pad_token_id: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.longest_sequence < 1:
            raise InputError(
                "max_position_embeddings must exceed pad_token_id + 1, as positions begin there. "
                f"Received: max_position_embeddings={self.max_position_embeddings}, "
                f"pad_token_id={self.pad_token_id}"
            )

    @property
    def longest_sequence(self) -> int:
        """The tokens of the longest sequence."""
        return self.max_position_embeddings - self.pad_token_id - 1

    @property
    def masked_lm_activation(self) -> str:
        """GELU, whatever ``hidden_act`` is."""
        return "gelu_erf"


@keras.saving.register_keras_serializable(package="bert_keras")
class RobertaEmbeddings(BertEmbeddings):
    """BERT's, with positions that count the tokens other than padding."""

    config_class: ClassVar[type[BertConfig]] = RobertaConfig

    @property
    def padding_id(self) -> int:
        """The id of the tokens that are not counted."""
        return self.config.pad_token_id

    def positions(self, words: tf.Tensor, token_type_ids: tf.Tensor) -> tf.Tensor:
        """The row of each token; vectors in place of ids are all taken for real tokens."""
        padding = self.padding_id
        if words.dtype.is_floating:
            return super().positions(words, token_type_ids) + padding + 1
        is_real = tf.cast(tf.not_equal(words, padding), tf.int32)
        return tf.cumsum(is_real, axis=1) * is_real + padding


@keras.saving.register_keras_serializable(package="bert_keras")
class RobertaEncoder(BertEncoder):
    """RoBERTa without a head; called as ``BertEncoder`` is."""

    config_class = RobertaConfig
    embeddings_class = RobertaEmbeddings


def roberta_classes(prefix: str, encoder: type[BertEncoder]) -> dict[str, Any]:
    """The classes of such a family, and the names of its files."""
    heads = {
        "ForMaskedLM": BertForMaskedLM,
        "ForSequenceClassification": DeepSequenceClassification,
        "ForTokenClassification": BertForTokenClassification,
        "ForQuestionAnswering": BertForQuestionAnswering,
        "ForMultipleChoice": BertForMultipleChoice,
    }
    name = f"{prefix}ForSentenceEmbedding"
    headed = derived(encoder, {prefix + head: base for head, base in heads.items()})
    return {
        "classes": {f"{prefix}Model": encoder, **headed},
        "pretraining": headed[f"{prefix}ForMaskedLM"],
        "sentence_embedding": derived(encoder, {name: BertForSentenceEmbedding})[name],
        "names": NAMES,
        "prefix": "roberta.",
        "required": PLAIN_ENCODER,
    }


register_family(
    Family(model_type="roberta", title="RoBERTa", **roberta_classes("Roberta", RobertaEncoder))
)
