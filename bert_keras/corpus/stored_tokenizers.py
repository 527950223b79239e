"""The tokenizers in corpus directories, read and checked to be those that made the ids."""

from pathlib import Path
from typing import Any

from bert_keras.corpus.hashes import damaged
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    AddedToken,
    Casing,
    SubwordTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    read_vocabulary,
)
from bert_keras.tokenization.settings import PIPELINE_FILE

VOCABULARY_FILE = "vocab.txt"


def load_subwords(path: Path, identity: dict[str, Any], description: str) -> Tokenizer:
    """The tokenizer that ``SubwordTokenizer.save`` wrote into a corpus; see below."""
    if not isinstance(identity.get("lowered"), bool):
        raise damaged(path / description, "lowered of its tokenizer is neither true nor false")
    try:
        tokenizer = SubwordTokenizer.from_pretrained(path)
    except InputError as error:
        file = path / PIPELINE_FILE
        raise damaged(file, str(error).removeprefix(str(file)).lstrip(": ")) from None
    if identity["lowered"]:
        tokenizer = tokenizer.lowercased()
    if tokenizer.identity != identity:
        raise damaged(path / PIPELINE_FILE, "it is not the tokenizer the corpus was prepared with")
    return tokenizer


def load_word_pieces(path: Path, identity: dict[str, Any], description: str) -> Tokenizer:
    """The tokenizer of word pieces of a corpus, whose ``description`` is the file of that name."""
    try:
        casing = Casing.from_dict(identity["casing"])
    except InputError as error:
        raise damaged(path / description, str(error)) from None
    file = path / VOCABULARY_FILE
    try:
        added = [AddedToken.from_dict(token) for token in identity.get("added", ())]
    except (TypeError, AttributeError) as error:
        raise damaged(path / description, repr(error)) from None
    try:
        tokenizer = WordPieceTokenizer(read_vocabulary(file), casing, added=added)
    except InputError as error:
        raise damaged(file, str(error).removeprefix(str(file)).lstrip(": ")) from None
    except FileNotFoundError:
        raise damaged(file, "the file is missing") from None
    if tokenizer.vocab_hash != identity["vocab_hash"]:
        raise damaged(file, "it is not the vocabulary the corpus was prepared with")
    return tokenizer
