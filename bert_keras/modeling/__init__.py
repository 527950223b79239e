"""BERT in Keras 3: embeddings, encoder, heads and the models made of them."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.modeling.decision import BARE, Decision
from bert_keras.modeling.embedding import BertForSentenceEmbedding
from bert_keras.modeling.encoder import BertEncoder
from bert_keras.modeling.finetuning import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.modeling.layout import Layout, Mask, packed_layout, padded_layout
from bert_keras.modeling.multiple_choice import BertForMultipleChoice
from bert_keras.modeling.pretraining import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)

__all__ = [
    "BARE",
    "BertEncoder",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSentenceEmbedding",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "Decision",
    "Layout",
    "Mask",
    "packed_layout",
    "padded_layout",
]
