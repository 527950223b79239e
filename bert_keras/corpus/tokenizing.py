"""Paragraphs to the ids of their sentences, in this process or in several."""

import re
from collections.abc import Callable, Generator, Iterable
from itertools import chain

import numpy as np

from bert_keras.corpus import store
from bert_keras.corpus.processes import map_in_processes
from bert_keras.corpus.sentences import (
    chunk_kinds,
    join_lines,
    sentence_ends,
    split_chunks,
    split_paragraph,
)
from bert_keras.corpus.textfiles import Paragraph
from bert_keras.corpus.writer import TokenizedBatch
from bert_keras.tokenization import (
    COUNTS,
    ChunkTable,
    Losses,
    SubwordTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    measure_each,
)
from bert_keras.tokenization.chunks import IDEOGRAPHS, in_blocks

_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")  # no space is before a Chinese sentence
_BATCH_CHARACTERS = 1 << 18  # the strings of a batch should fit into the processor's cache


def tokenize_batches(
    paragraphs: Iterable[Paragraph | None], tokenizer: Tokenizer, workers: int, sentences: str
) -> Generator[TokenizedBatch]:
    """The sentences of paragraphs, None after each document's last, as ids in bounded batches.

    Where the batches are cut makes no difference to what is in them one after another, and neither
    does the number of processes.
    """
    batches = in_blocks(paragraphs, _characters, _BATCH_CHARACTERS)
    yield from map_in_processes(_tokenize, (tokenizer, sentences), batches, workers)


def _characters(paragraph: Paragraph | None) -> int:
    return sum(map(len, paragraph)) if paragraph else 1


def _tokenize(
    tokenizer: Tokenizer, sentences: str
) -> Callable[[list[Paragraph | None]], TokenizedBatch]:
    if isinstance(tokenizer, WordPieceTokenizer) and not tokenizer.added:
        return _ChunkReader(tokenizer, sentences).tokenize
    return _SentenceReader(tokenizer, sentences).tokenize


class _SentenceReader:
    """Paragraphs to the ids of their sentences, by any tokenizer."""

    def __init__(self, tokenizer: Tokenizer, sentences: str) -> None:
        self._dtype = store.token_dtype(tokenizer.vocab_size)
        self._tokenizer, self._sentences = tokenizer, sentences
        self._joins = isinstance(tokenizer, SubwordTokenizer) and tokenizer.joins_by_space

    def tokenize(self, batch: list[Paragraph | None]) -> TokenizedBatch:
        texts: list[str] = []
        document_ends = []  # in texts
        for paragraph in batch:
            if paragraph is None:
                document_ends.append(len(texts))
            else:
                texts += self._texts(paragraph)
        rows = self._tokenizer.encode_sentences(texts)
        lengths = np.array([len(row) for row in rows], np.int64)
        ids = np.fromiter(chain.from_iterable(rows), self._dtype, int(lengths.sum()))
        # Sentences without a token are left out.
        sentences_before = np.concatenate([[0], np.cumsum(lengths > 0)])
        unknown = self._tokenizer.unk_id
        losses = Losses()
        for lost in measure_each(self._tokenizer, texts, [unknown in row for row in rows]):
            losses.add(lost)
        return TokenizedBatch(ids, lengths[lengths > 0], sentences_before[document_ends], losses)

    def _texts(self, paragraph: Paragraph) -> list[str]:
        """The sentences of a paragraph, with the space before them where the tokenizer reads it."""
        if self._sentences == "lines":
            return paragraph
        texts = split_paragraph(paragraph)
        if self._joins:
            texts[1:] = [text if _IDEOGRAPH.match(text) else f" {text}" for text in texts[1:]]
        return texts


class _ChunkReader:
    """Paragraphs to the ids of their sentences by word pieces, several times as fast.

    The ids of a chunk between spaces do not depend on its neighbors, so each distinct chunk is
    read once.
    """

    def __init__(self, tokenizer: WordPieceTokenizer, sentences: str) -> None:
        self._dtype = store.token_dtype(tokenizer.vocab_size)
        self._tokenizer, self._losses = tokenizer, Losses()  # of the batch
        self._table = ChunkTable(tokenizer.encode_chunks, chunk_kinds, self._measure, len(COUNTS))
        self._lines_are_sentences = sentences == "lines"
        # A Chinese character is a chunk only where it is a word to the tokenizer.
        self._split_first = not tokenizer.casing.tokenize_chinese_chars

    def tokenize(self, batch: list[Paragraph | None]) -> TokenizedBatch:
        chunks: list[str] = []
        text_ends = []  # in chunks
        document_ends = []  # in chunks
        for paragraph in batch:
            if paragraph is None:
                document_ends.append(len(chunks))
                continue
            for text in self._texts(paragraph):
                chunks += text.split() if self._split_first else split_chunks(text)
                text_ends.append(len(chunks))
        tokens, lengths, kinds = self._table.lookup(chunks)
        if self._split_first or self._lines_are_sentences:
            kinds = np.zeros_like(kinds)
        last_chunks = np.flatnonzero(sentence_ends(kinds, text_ends))
        # Sentences without a token are left out: those that end where the one before ended.
        ends = np.unique(np.cumsum(lengths)[last_chunks])
        ends = ends[ends > 0]
        tokens_before = np.concatenate([[0], np.cumsum(lengths)])
        return TokenizedBatch(
            tokens.astype(self._dtype),
            np.diff(ends, prepend=0),
            np.searchsorted(ends, tokens_before[document_ends], side="right"),
            self._pop_losses(),
        )

    def _measure(self, chunks: list[str], ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        unknown_before = np.concatenate([[0], np.cumsum(ids == self._tokenizer.unk_id)])
        ends = np.cumsum(lengths)
        has_unknown = unknown_before[ends] > unknown_before[ends - lengths]
        counts = np.zeros((len(chunks), len(COUNTS)), np.int32)
        counts[:, 0] = [len(chunk) for chunk in chunks]
        if self._tokenizer.drops_marks:
            is_lossy = has_unknown | [not chunk.isascii() for chunk in chunks]
        else:
            is_lossy = has_unknown
        lossy = np.flatnonzero(is_lossy).tolist()
        texts = [chunks[number] for number in lossy]
        losses = measure_each(self._tokenizer, texts, has_unknown[lossy].tolist())
        for number, lost in zip(lossy, losses, strict=True):
            self._losses.add_examples(lost)
            counts[number] = lost.numbers()
        return counts

    def _pop_losses(self) -> Losses:
        """The losses since the last call."""
        losses, self._losses = self._losses, Losses()
        losses.add_numbers(self._table.measured)
        self._table.measured[:] = 0
        return losses

    def _texts(self, paragraph: Paragraph) -> list[str]:
        """The texts in which sentences are looked for, or the sentences themselves."""
        if self._lines_are_sentences:
            return paragraph
        return split_paragraph(paragraph) if self._split_first else join_lines(paragraph)
