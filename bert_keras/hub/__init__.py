"""Models by name on Hugging Face's hub, ``hf://org/name[@revision]``."""

from bert_keras.hub.download import is_available, local_folder, pinned, tokenizer_folder
from bert_keras.hub.names import HubName, suggestion

__all__ = ["HubName", "is_available", "local_folder", "pinned", "suggestion", "tokenizer_folder"]
