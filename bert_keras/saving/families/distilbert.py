"""DistilBERT (Sanh et al. 2019): BERT without token types, under names of its own.

Its encoder has no pooler. Classifiers of sequences and of choices have one, with ReLU, which is
called ``pre_classifier``. Token types are taken and make no difference.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import keras

from bert_keras.config import BertConfig
from bert_keras.config.model import require_dropout
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.saving.families.bert import COMMON_HEADS, ENDS, PLAIN_ENCODER, TRANSPOSED
from bert_keras.saving.families.family import (
    Family,
    derived,
    read_tokenizer as read_any,
    register_family,
)
from bert_keras.saving.names import Names
from bert_keras.tokenization import Casing, Tokenizer, WordPieceTokenizer

NAMES = Names(
    layers={
        "embeddings/word_embeddings": "distilbert.embeddings.word_embeddings.weight",
        "embeddings/position_embeddings": "distilbert.embeddings.position_embeddings.weight",
        "embeddings/layer_norm": "distilbert.embeddings.LayerNorm",
        "layer_#/attention/query_key_value": "distilbert.transformer.layer.#.attention.(q|k|v)_lin",
        "layer_#/attention/output": "distilbert.transformer.layer.#.attention.out_lin",
        "layer_#/attention_layer_norm": "distilbert.transformer.layer.#.sa_layer_norm",
        "layer_#/feed_forward/intermediate": "distilbert.transformer.layer.#.ffn.lin1",
        "layer_#/feed_forward/output": "distilbert.transformer.layer.#.ffn.lin2",
        "layer_#/feed_forward_layer_norm": "distilbert.transformer.layer.#.output_layer_norm",
        "pooler/output": "pre_classifier",
        "masked_lm_head/transform": "vocab_transform",
        "masked_lm_head/layer_norm": "vocab_layer_norm",
        "masked_lm_head/output_bias": "vocab_projector.bias",
        **COMMON_HEADS,
    },
    ends=ENDS,
    transposed=TRANSPOSED,
    tied={"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    passed_over=("distilbert.embeddings.position_ids",),
)


# The fields that its config.json has no keys for.
_FIXED = {"type_vocab_size": 2, "layer_norm_eps": 1e-12}


@dataclass(frozen=True, kw_only=True)
class DistilBertConfig(BertConfig):
    """BERT's, with the defaults of transformers.

    Attributes:
        qa_dropout: The share of the input of a head of questions that is dropped in training.
        seq_classif_dropout: The same of a classifier of sequences or choices.
    """

    num_hidden_layers: int = 6
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("qa_dropout", "seq_classif_dropout"):
            require_dropout(name, getattr(self, name))
        for name, value in _FIXED.items():
            if getattr(self, name) != value:
                raise InputError(
                    f"{name} must be {value}, which a DistilBERT's config.json cannot change. "
                    f"Received: {getattr(self, name)}"
                )

    @property
    def has_token_types(self) -> bool:
        """There is no table of token types."""
        return False

    @property
    def pooler_activation(self) -> str:
        """ReLU."""
        return "relu"


@keras.saving.register_keras_serializable(package="bert_keras")
class DistilBertEncoder(BertEncoder):
    """DistilBERT without a head; called as ``BertEncoder`` is."""

    config_class = DistilBertConfig
    has_pooler = False


def read_tokenizer(folder: Path, casing: Casing | None) -> Tokenizer | None:
    """The tokenizer of a directory, ``None`` without one; its settings name DistilBERT's inputs.

    They lack the token types, which transformers' tokenizers would make for a BERT.
    """
    tokenizer = read_any(folder, casing)
    if not isinstance(tokenizer, WordPieceTokenizer):
        return tokenizer
    files = tokenizer.files
    config = {**files.config, "model_input_names": ["input_ids", "attention_mask"]}
    files = replace(files, config=config)
    return WordPieceTokenizer(tokenizer.pieces, tokenizer.casing, files, tokenizer.added)


_POOLED = {
    "DistilBertForSequenceClassification": BertForSequenceClassification,
    "DistilBertForMultipleChoice": BertForMultipleChoice,
}
_OF_TOKENS = {
    "DistilBertForMaskedLM": BertForMaskedLM,
    "DistilBertForTokenClassification": BertForTokenClassification,
}
_QUESTIONS = {"DistilBertForQuestionAnswering": BertForQuestionAnswering}
_EMBEDDING = "DistilBertForSentenceEmbedding"

register_family(
    Family(
        model_type="distilbert",
        title="DistilBERT",
        classes={
            "DistilBertModel": DistilBertEncoder,
            **derived(DistilBertEncoder, _OF_TOKENS),
            **derived(DistilBertEncoder, _POOLED, default_dropout="seq_classif_dropout"),
            **derived(
                DistilBertEncoder,
                _QUESTIONS,
                head_arguments=lambda model: {"dropout_rate": model.config.qa_dropout},
            ),
        },
        sentence_embedding=derived(DistilBertEncoder, {_EMBEDDING: BertForSentenceEmbedding})[
            _EMBEDDING
        ],
        names=NAMES,
        prefix="distilbert.",
        config_keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        config_values=_FIXED,
        required=PLAIN_ENCODER,
        read_tokenizer=read_tokenizer,
    )
)
