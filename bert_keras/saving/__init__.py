"""Models on disk: the Hugging Face directory is the native format."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.saving.callback import SaveBest
from bert_keras.saving.files import load, save
from bert_keras.saving.to_hub import push
from bert_keras.saving.vocabulary import add_tokens

__all__ = ["SaveBest", "add_tokens", "load", "push", "save"]
