"""The tokenizer as TensorFlow operations. Importing this imports TensorFlow."""

from bert_keras.errors import InputError

try:
    from bert_keras.tokenization.graph.tokenizer import GraphTokenizer
except ModuleNotFoundError as error:
    if error.name != "tensorflow_text":
        raise
    raise InputError(
        "text in a graph needs tensorflow-text, which is not installed; it has no wheel for "
        "Windows: use Linux, WSL or macOS, or export a graph that takes ids: --input tokens"
    ) from None

__all__ = ["GraphTokenizer"]
