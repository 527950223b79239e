"""Models by name on Hugging Face's hub, ``hf://org/name[@revision]``, and its data sets."""

from bert_keras.hub.client import UnreachedError
from bert_keras.hub.data import DATA_PREFIX, DataName, load_split, pinned_data
from bert_keras.hub.download import (
    files_replaced,
    is_available,
    local_folder,
    pinned,
    tokenizer_folder,
)
from bert_keras.hub.names import HubName, suggestion
from bert_keras.hub.upload import commit_files, repository_now

__all__ = [
    "DATA_PREFIX",
    "DataName",
    "HubName",
    "UnreachedError",
    "commit_files",
    "files_replaced",
    "is_available",
    "load_split",
    "local_folder",
    "pinned",
    "pinned_data",
    "repository_now",
    "suggestion",
    "tokenizer_folder",
]
