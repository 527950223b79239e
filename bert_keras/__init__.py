"""BERT for TensorFlow and Keras 3: pre-train it, fine-tune it, ship it.

What a program that uses the library needs is here, by one rule: the functions of the commands;
the models, and how they are opened and saved; what these are given, which is corpora, tokenizers,
configs, tasks and optimizers; and the errors that they raise. Everything else is for the library
itself and may change.

The names are handed on lazily (PEP 562), so that ``import bert_keras`` and ``bert-keras --help``
do not wait for TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bert_keras._version import __version__

if TYPE_CHECKING:  # the same names for type checkers; tests/test_public.py compares
    from bert_keras.config import (
        BertConfig as BertConfig,
        DataConfig as DataConfig,
        FinetuneConfig as FinetuneConfig,
        PretrainConfig as PretrainConfig,
        SavedModelConfig as SavedModelConfig,
        TFLiteConfig as TFLiteConfig,
        from_tables as from_tables,
        load_toml as load_toml,
    )
    from bert_keras.corpus import Corpus as Corpus, prepare_corpus as prepare_corpus
    from bert_keras.data import pretraining_dataset as pretraining_dataset
    from bert_keras.errors import (
        Diverged as Diverged,
        InputError as InputError,
        Interrupted as Interrupted,
        WorkerLost as WorkerLost,
    )
    from bert_keras.export import (
        export_saved_model as export_saved_model,
        export_tflite as export_tflite,
    )
    from bert_keras.modeling import (
        BertEncoder as BertEncoder,
        BertForMaskedLM as BertForMaskedLM,
        BertForNextSentencePrediction as BertForNextSentencePrediction,
        BertForPreTraining as BertForPreTraining,
        BertForQuestionAnswering as BertForQuestionAnswering,
        BertForSentenceEmbedding as BertForSentenceEmbedding,
        BertForSequenceClassification as BertForSequenceClassification,
        BertForTokenClassification as BertForTokenClassification,
    )
    from bert_keras.optimizers import (
        LAMB as LAMB,
        AdamW as AdamW,
        WarmupLinearDecay as WarmupLinearDecay,
    )
    from bert_keras.saving import SaveBest as SaveBest, load as load, save as save
    from bert_keras.tasks import (
        Classification as Classification,
        MaskedLM as MaskedLM,
        MultiLabel as MultiLabel,
        Regression as Regression,
        Span as Span,
        Tagging as Tagging,
        predict as predict,
    )
    from bert_keras.tasks.evaluate import evaluate as evaluate
    from bert_keras.tasks.finetune import finetune as finetune
    from bert_keras.tasks.masked_lm import fill_mask as fill_mask
    from bert_keras.tokenization import (
        BertTokenizer as BertTokenizer,
        Casing as Casing,
        WordPieceTokenizer as WordPieceTokenizer,
        learn_vocabulary as learn_vocabulary,
        write_vocabulary as write_vocabulary,
    )
    from bert_keras.training import (
        finish as finish,
        plot_curves as plot_curves,
    )
    from bert_keras.training.pretrain import pretrain as pretrain

_HOMES = {
    "AdamW": "optimizers",
    "BertConfig": "config",
    "BertEncoder": "modeling",
    "BertForMaskedLM": "modeling",
    "BertForNextSentencePrediction": "modeling",
    "BertForPreTraining": "modeling",
    "BertForQuestionAnswering": "modeling",
    "BertForSentenceEmbedding": "modeling",
    "BertForSequenceClassification": "modeling",
    "BertForTokenClassification": "modeling",
    "BertTokenizer": "tokenization",
    "Casing": "tokenization",
    "Classification": "tasks",
    "Corpus": "corpus",
    "DataConfig": "config",
    "Diverged": "errors",
    "FinetuneConfig": "config",
    "InputError": "errors",
    "Interrupted": "errors",
    "LAMB": "optimizers",
    "MaskedLM": "tasks",
    "MultiLabel": "tasks",
    "PretrainConfig": "config",
    "Regression": "tasks",
    "SaveBest": "saving",
    "SavedModelConfig": "config",
    "Span": "tasks",
    "TFLiteConfig": "config",
    "Tagging": "tasks",
    "WarmupLinearDecay": "optimizers",
    "WordPieceTokenizer": "tokenization",
    "WorkerLost": "errors",
    "evaluate": "tasks",
    "export_saved_model": "export",
    "export_tflite": "export",
    "fill_mask": "tasks",
    "finetune": "tasks",
    "finish": "training",
    "from_tables": "config",
    "learn_vocabulary": "tokenization",
    "load": "saving",
    "load_toml": "config",
    "plot_curves": "training",
    "predict": "tasks",
    "prepare_corpus": "corpus",
    "pretrain": "training",
    "pretraining_dataset": "data",
    "save": "saving",
    "write_vocabulary": "tokenization",
}

__all__ = ["__version__", *_HOMES]


if not TYPE_CHECKING:  # to them, what is not above is an error

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
