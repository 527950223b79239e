"""Text to word-piece ids: vocabularies and the host's tokenizer. Knows no TensorFlow."""

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.chunks import ChunkTable
from bert_keras.tokenization.tokenizer import BertTokenizer, Encoding
from bert_keras.tokenization.vocabulary import (
    CONTINUATION,
    SPECIAL_TOKENS,
    learn_vocabulary,
    read_vocabulary,
    write_vocabulary,
)

__all__ = [
    "CONTINUATION",
    "SPECIAL_TOKENS",
    "BertTokenizer",
    "Casing",
    "ChunkTable",
    "Encoding",
    "learn_vocabulary",
    "read_vocabulary",
    "write_vocabulary",
]
