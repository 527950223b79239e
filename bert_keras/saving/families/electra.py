"""ELECTRA (Clark et al. 2020): BERT with narrower tables of embeddings and heads of its own.

A dense layer widens the embeddings where ``embedding_size`` is not the hidden size. A sequence
classifier has a dense layer with GELU in place of the pooler; the pooler of multiple choice has
GELU too. The discriminator tells for each token whether it was replaced; the generator is a
masked-LM model.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.config.model import require_whole_number
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForTokenClassification,
)
from bert_keras.modeling.finetuning import DeepSequenceClassification
from bert_keras.modeling.headed import make_encoders
from bert_keras.modeling.heads import DeepClassifier
from bert_keras.modeling.inputs import as_batch
from bert_keras.modeling.layers import BertEmbeddings
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import Batch
from bert_keras.saving.families.bert import PLAIN_ENCODER, layout_names
from bert_keras.saving.families.family import Family, derived, register_family

NAMES = layout_names(
    "electra",
    {
        "embeddings/project": "electra.embeddings_project",
        "pooler/output": "sequence_summary.summary",
        "masked_lm_head/transform": "generator_predictions.dense",
        "masked_lm_head/layer_norm": "generator_predictions.LayerNorm",
        "masked_lm_head/output_bias": "generator_lm_head.bias",
        "discriminator_head/transform": "discriminator_predictions.dense",
        "discriminator_head/output": "discriminator_predictions.dense_prediction",
        "deep_classifier/transform": "classifier.dense",
        "deep_classifier/output": "classifier.out_proj",
    },
    {"generator_lm_head.weight": "electra.embeddings.word_embeddings.weight"},
)


@dataclass(frozen=True, kw_only=True)
class ElectraConfig(BertConfig):
    """BERT's, with the defaults of transformers, which are ELECTRA-small's.

    Attributes:
        embedding_size: The width of the tables of embeddings.
    """

    embedding_size: int = 128
    hidden_size: int = 256
    num_attention_heads: int = 4
    intermediate_size: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole_number("embedding_size", self.embedding_size, at_least=1)

    @property
    def embedding_width(self) -> int:
        """``embedding_size``."""
        return self.embedding_size

    @property
    def pooler_activation(self) -> str:
        """GELU."""
        return "gelu_erf"

    @property
    def masked_lm_activation(self) -> str:
        """GELU, whatever ``hidden_act`` is."""
        return "gelu_erf"


@keras.saving.register_keras_serializable(package="bert_keras")
class ElectraEmbeddings(BertEmbeddings):
    """BERT's, made from an ``ElectraConfig``."""

    config_class = ElectraConfig


@keras.saving.register_keras_serializable(package="bert_keras")
class ElectraEncoder(BertEncoder):
    """ELECTRA without a head; called as ``BertEncoder`` is."""

    config_class = ElectraConfig
    embeddings_class = ElectraEmbeddings
    has_pooler = False


@keras.saving.register_keras_serializable(package="bert_keras")
class ElectraForPreTraining(BertModel):
    """The discriminator: ``logits`` [B, L], above 0 where a token was replaced."""

    config_class = ElectraConfig
    encoder_class = ElectraEncoder
    heads: ClassVar[dict[str, type]] = {"discriminator_head": DeepClassifier}
    with_pooler = False
    takes_pairs = False
    token_outputs = ("logits",)

    def __init__(
        self, config: BertConfig, seed: int | None = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        (self.encoder,) = make_encoders(self, "encoder", with_pooler=False)
        head = {"units": 1, "activation_name": config.activation}
        self.discriminator_head = self.sublayer(DeepClassifier, "discriminator_head", **head)
        self.discriminator_head.build()
        self.build()

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the tokens; those at padding are meaningless."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        return {"logits": layout.to_sequences(self.discriminator_head(tokens))[:, :, 0]}


_BASES = {
    "ElectraForMaskedLM": BertForMaskedLM,
    "ElectraForTokenClassification": BertForTokenClassification,
    "ElectraForQuestionAnswering": BertForQuestionAnswering,
    "ElectraForMultipleChoice": BertForMultipleChoice,
}
_WITH_GELU = {"ElectraForSequenceClassification": DeepSequenceClassification}
_EMBEDDING = "ElectraForSentenceEmbedding"

register_family(
    Family(
        model_type="electra",
        title="ELECTRA",
        classes={
            "ElectraModel": ElectraEncoder,
            "ElectraForPreTraining": ElectraForPreTraining,
            **derived(ElectraEncoder, _BASES),
            **derived(ElectraEncoder, _WITH_GELU, head_activation="gelu_erf"),
        },
        sentence_embedding=derived(ElectraEncoder, {_EMBEDDING: BertForSentenceEmbedding})[
            _EMBEDDING
        ],
        names=NAMES,
        prefix="electra.",
        required={
            **PLAIN_ENCODER,
            "summary_type": "first",
            "summary_use_proj": True,
            "summary_activation": "gelu",
        },
    )
)
