"""A model with the vocabulary of one task: most of a small model is its vocabulary."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tokenizers import pre_tokenizers

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import task_of
from bert_keras.tasks.reading import QuestionExample, TaggedExample, read_text_examples
from bert_keras.tasks.reading.sources import read_source_lines, suffix_of
from bert_keras.tasks.registry import has_task
from bert_keras.tokenization import (
    CONTINUATION,
    SPECIAL_TOKENS,
    WordPieceTokenizer,
    refuse_added,
)
from bert_keras.tokenization.vocabulary import MAX_CHARACTERS_PER_WORD


def pruned(model: BertModel, tokenizer: WordPieceTokenizer, source: str) -> BertModel:
    """A model with the word pieces that the text of a task needs.

    The special tokens, every piece of a word of the text and every single character, first or
    continuing, are kept: the text is read as before, and other words are spelled in shorter pieces
    instead of being unknown. Pieces keep their order, not their ids.

    Args:
        model: One of our models; it stays as it is.
        tokenizer: What its text is read with.
        source: A file that the model's task reads, with labels or without, or lines of text or
            words (``.txt``).

    Returns:
        The model, with its tokenizer; its word embeddings, and the bias of a masked LM's head,
        have the rows of those pieces alone.

    Raises:
        InputError: When the file cannot be read or holds no words, or tokens are added.
    """
    refuse_added(tokenizer, "prune_vocab", "leave it out")
    texts = texts_of(model, source)
    if not any(text.strip() for text in texts):
        raise InputError(f"{source} holds no words that a vocabulary could be pruned to")
    kept = needed_pieces(tokenizer, texts)
    smaller = WordPieceTokenizer([tokenizer.vocab[number] for number in kept], tokenizer.casing)
    config = replace(model.config, vocab_size=len(kept), pad_token_id=smaller.pad_id)
    result = model.like(config=config)
    rows = np.array(kept, np.int32)
    for new, old in zip(result.weights, model.weights, strict=True):
        # Only weights with a row for each piece have another shape.
        new.assign(old.value if new.shape == old.shape else tf.gather(old.value, rows))
    result.tokenizer = smaller
    return result


def needed_pieces(tokenizer: WordPieceTokenizer, texts: Iterable[str]) -> list[int]:
    """The ids of the pieces to keep for texts, ascending."""
    vocab = tokenizer.vocab
    ids = {piece: number for number, piece in enumerate(vocab)}
    kept = {ids[token] for token in SPECIAL_TOKENS}
    kept |= {n for n, piece in enumerate(vocab) if len(piece.removeprefix(CONTINUATION)) == 1}
    normalize, split = tokenizer.casing.normalizer(), pre_tokenizers.BertPreTokenizer()
    words: set[str] = set()
    for text in texts:
        words.update(word for word, _ in split.pre_tokenize_str(normalize.normalize_str(text)))
    longest = max(map(len, vocab))
    for word in words:
        if len(word) <= MAX_CHARACTERS_PER_WORD:  # a longer word is unknown in any case
            kept |= _longest_pieces(word, ids, longest)
    return sorted(kept)


def _longest_pieces(word: str, ids: dict[str, int], longest: int) -> set[int]:
    """The pieces that are tried for a word.

    Those of an unknown word are needed too: without them shorter ones would be tried, and the word
    might be known.
    """
    found, start = set(), 0
    while start < len(word):
        prefix = CONTINUATION if start else ""
        ends = range(min(len(word), start + longest), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in ids), None)
        if end is None:
            break
        found.add(ids[prefix + word[start:end]])
        start = end
    return found


def texts_of(model: BertModel, source: str) -> list[str]:
    """The texts of a file that a model's task reads, or its lines.

    Raises:
        InputError: When the file cannot be read.
    """
    if suffix_of(source) == ".txt":
        return list(read_source_lines(source))
    read = task_of(model).read if has_task(model) else partial(read_text_examples, labels=None)
    examples: list[Any] = read(source)
    texts: list[str] = []
    for example in examples:
        if isinstance(example, QuestionExample):
            texts += [example.question, example.context]
        elif isinstance(example, TaggedExample):
            texts += example.words
        else:
            texts += [text for text in (example.text, example.text_pair) if text]
    return texts
