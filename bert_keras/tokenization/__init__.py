"""Text to word-piece ids: vocabularies and the host's tokenizer. Knows no TensorFlow."""

from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.chunks import ChunkTable
from bert_keras.tokenization.learning import learn_vocabulary
from bert_keras.tokenization.losses import (
    COUNTS,
    Losses,
    measure_each,
    warn_of_casing,
)
from bert_keras.tokenization.reading import (
    added_texts,
    check_reading,
    encode_words,
    refuse_added,
    require_wordpiece,
)
from bert_keras.tokenization.subword import SubwordTokenizer, read_pieces
from bert_keras.tokenization.subword_learning import learn_subwords
from bert_keras.tokenization.template import SequenceTemplate
from bert_keras.tokenization.tokenizer import Encoding, Tokenizer, laid_out
from bert_keras.tokenization.vocabulary import (
    CONTINUATION,
    SPECIAL_TOKENS,
    read_vocabulary,
    write_vocabulary,
)
from bert_keras.tokenization.wordpiece import WordPieceTokenizer

BertTokenizer = WordPieceTokenizer  # its name before there were others

__all__ = [
    "CONTINUATION",
    "COUNTS",
    "SPECIAL_TOKENS",
    "AddedToken",
    "BertTokenizer",
    "Casing",
    "ChunkTable",
    "Encoding",
    "Losses",
    "SequenceTemplate",
    "SubwordTokenizer",
    "Tokenizer",
    "WordPieceTokenizer",
    "added_texts",
    "check_reading",
    "encode_words",
    "laid_out",
    "learn_subwords",
    "learn_vocabulary",
    "measure_each",
    "read_pieces",
    "read_vocabulary",
    "refuse_added",
    "require_wordpiece",
    "warn_of_casing",
    "write_vocabulary",
]
