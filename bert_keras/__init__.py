"""BERT for TensorFlow and Keras 3: pre-train it, fine-tune it, ship it.

It exports what a program needs, by one rule: the functions of the commands; the models, and the
functions that load and save them; the arguments of these, which are corpora, tokenizers, configs,
tasks and optimizers; and the errors that they raise. Everything else is internal and may change.

The names are imported at their first use (PEP 562), so that ``import bert_keras`` and
``bert-keras --help`` do not wait for TensorFlow.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

import wrapt

from bert_keras._version import __version__
from bert_keras.errors import InputError

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
    from bert_keras.data.pretraining import pretraining_dataset as pretraining_dataset
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
        BertForMultipleChoice as BertForMultipleChoice,
        BertForNextSentencePrediction as BertForNextSentencePrediction,
        BertForPreTraining as BertForPreTraining,
        BertForQuestionAnswering as BertForQuestionAnswering,
        BertForSentenceEmbedding as BertForSentenceEmbedding,
        BertForSequenceClassification as BertForSequenceClassification,
        BertForTokenClassification as BertForTokenClassification,
        Decision as Decision,
    )
    from bert_keras.optimizers import (
        LAMB as LAMB,
        AdamW as AdamW,
        WarmupLinearDecay as WarmupLinearDecay,
    )
    from bert_keras.retrieval.mine import mine_negatives as mine_negatives
    from bert_keras.retrieval.search import similarity as similarity
    from bert_keras.saving import (
        SaveBest as SaveBest,
        add_tokens as add_tokens,
        load as load,
        push as push,
        save as save,
    )
    from bert_keras.tasks import (
        Classification as Classification,
        Contrastive as Contrastive,
        Distillation as Distillation,
        MaskedLM as MaskedLM,
        MultiLabel as MultiLabel,
        MultipleChoice as MultipleChoice,
        Ranking as Ranking,
        Regression as Regression,
        Similarity as Similarity,
        Span as Span,
        Tagging as Tagging,
        predict as predict,
    )
    from bert_keras.tasks.calibrate import calibrate as calibrate
    from bert_keras.tasks.diagram import plot_reliability as plot_reliability
    from bert_keras.tasks.evaluate import evaluate as evaluate
    from bert_keras.tasks.finetune import finetune as finetune
    from bert_keras.tasks.masked_lm import fill_mask as fill_mask
    from bert_keras.tasks.rank import rank as rank
    from bert_keras.tasks.search import search as search
    from bert_keras.tokenization import (
        BertTokenizer as BertTokenizer,
        Casing as Casing,
        SubwordTokenizer as SubwordTokenizer,
        WordPieceTokenizer as WordPieceTokenizer,
        learn_subwords as learn_subwords,
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
    "BertForMultipleChoice": "modeling",
    "BertForNextSentencePrediction": "modeling",
    "BertForPreTraining": "modeling",
    "BertForQuestionAnswering": "modeling",
    "BertForSentenceEmbedding": "modeling",
    "BertForSequenceClassification": "modeling",
    "BertForTokenClassification": "modeling",
    "BertTokenizer": "tokenization",
    "Casing": "tokenization",
    "Classification": "tasks",
    "Contrastive": "tasks",
    "Corpus": "corpus",
    "DataConfig": "config",
    "Decision": "modeling",
    "Distillation": "tasks",
    "Diverged": "errors",
    "FinetuneConfig": "config",
    "InputError": "errors",
    "Interrupted": "errors",
    "LAMB": "optimizers",
    "MaskedLM": "tasks",
    "MultiLabel": "tasks",
    "MultipleChoice": "tasks",
    "PretrainConfig": "config",
    "Ranking": "tasks",
    "Regression": "tasks",
    "SaveBest": "saving",
    "SavedModelConfig": "config",
    "Similarity": "tasks",
    "Span": "tasks",
    "SubwordTokenizer": "tokenization",
    "TFLiteConfig": "config",
    "Tagging": "tasks",
    "WarmupLinearDecay": "optimizers",
    "WordPieceTokenizer": "tokenization",
    "WorkerLost": "errors",
    "add_tokens": "saving",
    "calibrate": "tasks.calibrate",
    "evaluate": "tasks.evaluate",
    "export_saved_model": "export",
    "export_tflite": "export",
    "fill_mask": "tasks.masked_lm",
    "finetune": "tasks.finetune",
    "finish": "training",
    "from_tables": "config",
    "learn_subwords": "tokenization",
    "learn_vocabulary": "tokenization",
    "load": "saving",
    "load_toml": "config",
    "mine_negatives": "retrieval.mine",
    "plot_curves": "training",
    "plot_reliability": "tasks.diagram",
    "predict": "tasks",
    "prepare_corpus": "corpus",
    "pretrain": "training.pretrain",
    "pretraining_dataset": "data.pretraining",
    "push": "saving",
    "rank": "tasks.rank",
    "save": "saving",
    "search": "tasks.search",
    "similarity": "retrieval.search",
    "write_vocabulary": "tokenization",
}

__all__ = ["__version__", *_HOMES]

if not TYPE_CHECKING:  # type checkers shall report other names as errors

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        if "keras" in sys.modules:
            _register_classes()
        return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _register_classes(keras: Any = None) -> None:
    """Let Keras open files that hold classes of ours, once both are imported in either order.

    Where a module of ours is what imports Keras, the name that is asked for comes first.
    """
    ours = [module for name, module in sys.modules.items() if name.startswith(f"{__name__}.")]
    if any(getattr(module.__spec__, "_initializing", False) for module in ours):
        return
    try:
        for package in ("modeling", "optimizers", "saving"):
            importlib.import_module(f"{__name__}.{package}")
    except InputError:
        pass  # another backend of Keras's: said by what is asked of us, not by ``import keras``


wrapt.register_post_import_hook(_register_classes, "keras")
