"""Documents to sentences to word-piece ids on disk. Knows no TensorFlow."""

from bert_keras.corpus.prepare import CorpusReport, prepare_corpus
from bert_keras.corpus.sources import read_documents, read_lines
from bert_keras.corpus.store import Corpus

__all__ = ["Corpus", "CorpusReport", "prepare_corpus", "read_documents", "read_lines"]
