"""BERT for TensorFlow and Keras 3: pre-train it, fine-tune it, ship it.

The public names are handed on lazily (PEP 562), so that ``import bert_keras`` and
``bert-keras --help`` do not wait for TensorFlow.
"""

import importlib
from typing import Any

from bert_keras._version import __version__

_HOMES = {
    "AdamW": "bert_keras.optimizers",
    "BertConfig": "bert_keras.config",
    "BertEncoder": "bert_keras.modeling",
    "BertForMaskedLM": "bert_keras.modeling",
    "BertForNextSentencePrediction": "bert_keras.modeling",
    "BertForPreTraining": "bert_keras.modeling",
    "BertForQuestionAnswering": "bert_keras.modeling",
    "BertForSentenceEmbedding": "bert_keras.modeling",
    "BertForSequenceClassification": "bert_keras.modeling",
    "BertForTokenClassification": "bert_keras.modeling",
    "BertTokenizer": "bert_keras.tokenization",
    "Corpus": "bert_keras.corpus",
    "DataConfig": "bert_keras.config",
    "FinetuneConfig": "bert_keras.config",
    "PretrainConfig": "bert_keras.config",
    "SaveBest": "bert_keras.saving",
    "WordPieceTokenizer": "bert_keras.tokenization",
    "evaluate": "bert_keras.tasks",
    "export_saved_model": "bert_keras.export",
    "fill_mask": "bert_keras.tasks",
    "finetune": "bert_keras.tasks",
    "load": "bert_keras.saving",
    "predict": "bert_keras.tasks",
    "prepare_corpus": "bert_keras.corpus",
    "save": "bert_keras.saving",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
