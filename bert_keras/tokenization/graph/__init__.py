"""The tokenizer as TensorFlow operations. Importing this imports TensorFlow."""

from bert_keras.tokenization.graph.tokenizer import GraphTokenizer

__all__ = ["GraphTokenizer"]
