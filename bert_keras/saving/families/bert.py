"""BERT: the family of ``bert_config.json`` and of Hugging Face's ``BertModel``."""

from collections.abc import Collection, Mapping

from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families.family import Family, register_family
from bert_keras.saving.names import Names

# The names of the encoder within its prefix; RoBERTa, ELECTRA and ERNIE share them.
ENCODER_LAYERS = {
    "embeddings/word_embeddings": "embeddings.word_embeddings.weight",
    "embeddings/position_embeddings": "embeddings.position_embeddings.weight",
    "embeddings/token_type_embeddings": "embeddings.token_type_embeddings.weight",
    "embeddings/layer_norm": "embeddings.LayerNorm",
    "layer_#/attention/query_key_value": ("encoder.layer.#.attention.self.(query|key|value)"),
    "layer_#/attention/output": "encoder.layer.#.attention.output.dense",
    "layer_#/attention_layer_norm": "encoder.layer.#.attention.output.LayerNorm",
    "layer_#/feed_forward/intermediate": "encoder.layer.#.intermediate.dense",
    "layer_#/feed_forward/output": "encoder.layer.#.output.dense",
    "layer_#/feed_forward_layer_norm": "encoder.layer.#.output.LayerNorm",
    "pooler/output": "pooler.dense",
}
# The names of heads in every family, and how layers' weights are stored.
COMMON_HEADS = {
    "classifier/output": "classifier",
    "span_head/output": "qa_outputs",
    "projection/output": "linear",
}
ENDS = {"kernel": ".weight", "bias": ".bias", "gamma": ".weight", "beta": ".bias"}
TRANSPOSED = ("/kernel",)


def layout_names(
    prefix: str,
    heads: Mapping[str, str],
    tied: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> Names:
    """The names of a family whose encoder has BERT's names under another prefix.

    Args:
        prefix: The prefix of the encoder, without its dot.
        heads: The names of the heads of its own, by ours.
        tied: Copies of other weights: their names, by that of the copy.
        more: Layers of the encoder that BERT lacks, by their names within the prefix.
    """
    encoder = {**ENCODER_LAYERS, **(more or {})}
    encoder = {ours: f"{prefix}.{theirs}" for ours, theirs in encoder.items()}
    return Names(
        layers={**encoder, **COMMON_HEADS, **heads},
        ends=ENDS,
        transposed=TRANSPOSED,
        tied=tied or {},
        passed_over=tuple(
            f"{prefix}.embeddings.{name}" for name in ("position_ids", "token_type_ids")
        ),
    )


def bert_names(prefix: str, more: Mapping[str, str] | None = None) -> Names:
    """The names of a family whose heads have BERT's names; arguments as of ``layout_names``."""
    return layout_names(
        prefix,
        {
            "masked_lm_head/transform": "cls.predictions.transform.dense",
            "masked_lm_head/layer_norm": "cls.predictions.transform.LayerNorm",
            "masked_lm_head/output_bias": "cls.predictions.bias",
            "next_sentence_head/output": "cls.seq_relationship",
        },
        {
            "cls.predictions.decoder.weight": f"{prefix}.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        },
        more,
    )


NAMES = bert_names("bert")
PLAIN_ENCODER = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "pruned_heads": {},
}

BERT = register_family(
    Family(
        model_type="bert",
        title="BERT",
        classes={
            "BertModel": BertEncoder,
            "BertForPreTraining": BertForPreTraining,
            "BertForMaskedLM": BertForMaskedLM,
            "BertForNextSentencePrediction": BertForNextSentencePrediction,
            "BertForSequenceClassification": BertForSequenceClassification,
            "BertForTokenClassification": BertForTokenClassification,
            "BertForQuestionAnswering": BertForQuestionAnswering,
            "BertForMultipleChoice": BertForMultipleChoice,
        },
        sentence_embedding=BertForSentenceEmbedding,
        pretraining=BertForPreTraining,
        names=NAMES,
        prefix="bert.",
        required=PLAIN_ENCODER,
    )
)


def class_of(components: Collection[str]) -> type[BertModel]:
    """The class with the heads that a file has, where no file names it."""
    if {"masked_lm_head", "next_sentence_head"} <= set(components):
        return BertForPreTraining
    for head, model_class in (
        ("span_head", BertForQuestionAnswering),
        ("classifier", BertForSequenceClassification),
        ("masked_lm_head", BertForMaskedLM),
        ("next_sentence_head", BertForNextSentencePrediction),
    ):
        if head in components:
            return model_class
    return BertEncoder
