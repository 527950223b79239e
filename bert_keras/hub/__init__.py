"""Models by name on Hugging Face's hub, ``hf://org/name[@revision]``."""

from bert_keras.hub.download import (
    files_of_model,
    is_available,
    local_folder,
    pinned,
    tokenizer_folder,
)
from bert_keras.hub.names import HubName, suggestion
from bert_keras.hub.upload import commit_files

__all__ = [
    "HubName",
    "commit_files",
    "files_of_model",
    "is_available",
    "local_folder",
    "pinned",
    "suggestion",
    "tokenizer_folder",
]
