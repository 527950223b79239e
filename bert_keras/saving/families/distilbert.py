"""DistilBERT (Sanh et al. 2019): BERT without token types and pooler, under names of its own."""

from dataclasses import replace
from pathlib import Path

from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForTokenClassification,
)
from bert_keras.saving.families.bert import PLAIN_ENCODER
from bert_keras.saving.families.family import Family, read_word_pieces, register_family
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
        "masked_lm_head/transform": "vocab_transform",
        "masked_lm_head/layer_norm": "vocab_layer_norm",
        "masked_lm_head/output_bias": "vocab_projector.bias",
        "classifier/output": "classifier",
        "span_head/output": "qa_outputs",
        "projection/output": "linear",
    },
    ends={"kernel": ".weight", "bias": ".bias", "gamma": ".weight", "beta": ".bias"},
    transposed=("/kernel",),
    tied={"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    # Two token types, both zero, change nothing and allow pairs.
    zeros=("embeddings/token_type_embeddings",),
    passed_over=("distilbert.embeddings.position_ids",),
    unused=("pre_classifier.",),
)

_OTHER_CLASSIFIER = (
    "whose classifier reads a layer with ReLU where BERT's reads the pooler, with tanh"
)


def read_tokenizer(folder: Path, casing: Casing | None) -> Tokenizer | None:
    """The tokenizer of a directory, ``None`` without one; DistilBERT's input names are left out.

    The model is saved as a BERT. By DistilBERT's ``model_input_names``, which lack the token types,
    transformers would give both texts of a pair type 0; the model may have learned 0 and 1.
    """
    tokenizer = read_word_pieces(folder, casing)
    if not isinstance(tokenizer, WordPieceTokenizer):
        return tokenizer
    files = tokenizer.files
    config = {key: value for key, value in files.config.items() if key != "model_input_names"}
    files = replace(files, config=config)
    return WordPieceTokenizer(tokenizer.pieces, tokenizer.casing, files, tokenizer.added)


register_family(
    Family(
        model_type="distilbert",
        title="DistilBERT",
        classes={
            "DistilBertModel": BertEncoder,
            "DistilBertForMaskedLM": BertForMaskedLM,
            "DistilBertForTokenClassification": BertForTokenClassification,
            "DistilBertForQuestionAnswering": BertForQuestionAnswering,
        },
        sentence_embedding=BertForSentenceEmbedding,
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
        config_values={"type_vocab_size": 2, "layer_norm_eps": 1e-12},
        required=PLAIN_ENCODER,
        read_tokenizer=read_tokenizer,
        unsupported={
            "DistilBertForSequenceClassification": _OTHER_CLASSIFIER,
            "DistilBertForMultipleChoice": _OTHER_CLASSIFIER,
        },
    )
)
