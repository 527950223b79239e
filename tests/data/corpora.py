"""Small corpora whose every sentence length is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bert_keras.data.plan import Epoch
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


def document_of(corpus: SmallCorpus, token: np.ndarray) -> np.ndarray:
    """The document that each token (by its place in the corpus) belongs to."""
    return np.searchsorted(corpus.sentence_offsets[corpus.documents[:, 1]], token, side="right")


def epoch_of(
    corpus: SmallCorpus, room: int, short_seq_prob: float = 0.1, seed: int = 0, epoch: int = 0
) -> Epoch:
    """What the plan of an epoch follows from; ``room`` is the tokens of the texts together."""
    offsets, documents = corpus.sentence_offsets, corpus.documents
    return Epoch(offsets, documents, room, short_seq_prob, seed, epoch)
