"""Small corpora whose every sentence length is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from bert_keras.tokenization import SequenceTemplate

_TEMPLATE = SequenceTemplate.bert(cls_id=2, sep_id=3)


@dataclass(frozen=True)
class SmallTokenizer:
    """What the data pipeline asks a tokenizer for."""

    vocab_size: int
    template: SequenceTemplate = _TEMPLATE
    pad_id: int = 0
    mask_id: int = 4

    @property
    def starts_word(self) -> np.ndarray:
        """Every third piece goes on with the word before it."""
        return np.arange(self.vocab_size) % 3 != 0


@dataclass(frozen=True)
class SmallCorpus:
    tokens: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray
    tokenizer: SmallTokenizer
    word_starts: np.ndarray | None = None


FIRST_WORD_ID = 5


def corpus_of(document_lengths: Sequence[Sequence[int]]) -> SmallCorpus:
    """Documents given as the lengths of their sentences; every token has an id of its own."""
    lengths = np.concatenate([np.asarray(document, np.int64) for document in document_lengths])
    bounds = np.cumsum([0, *map(len, document_lengths)])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.arange(offsets[-1], dtype=np.int32) + FIRST_WORD_ID
    return SmallCorpus(
        tokens=tokens,
        sentence_offsets=offsets,
        documents=np.stack([bounds[:-1], bounds[1:]], axis=1),
        tokenizer=SmallTokenizer(int(offsets[-1]) + FIRST_WORD_ID),
    )


@pytest.fixture(scope="session")
def make_corpus() -> Callable[[Sequence[Sequence[int]]], SmallCorpus]:
    return corpus_of


@pytest.fixture(scope="session")
def varied_corpus() -> SmallCorpus:
    """Short and long sentences, some beyond every maximum, and documents of a single sentence."""
    rng = np.random.default_rng(7)
    documents = []
    for index in range(50):
        if index % 5 == 0:
            documents.append([int(rng.integers(1, 90))])
            continue
        lengths = rng.integers(1, 30, size=rng.integers(2, 60))
        lengths[rng.random(len(lengths)) < 0.04] = rng.integers(100, 300)
        documents.append(lengths.tolist())
    return corpus_of(documents)
