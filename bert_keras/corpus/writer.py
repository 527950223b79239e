"""Writing the arrays of a corpus directory, batch by batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from bert_keras.corpus import store
from bert_keras.corpus.duplicates import NearDuplicates
from bert_keras.corpus.long_sentences import MOST_TOKENS_READ, SentenceCutter
from bert_keras.tokenization import Losses, Tokenizer

_BLOCK_TOKENS = 1 << 22


@dataclass(frozen=True)
class TokenizedBatch:
    """Sentences of some paragraphs.

    Attributes:
        tokens: ids [T].
        lengths: int64 [S], tokens in each sentence.
        document_ends: int64 [E], for every document that ends here, sentences before its end.
        losses: What their text lost.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    document_ends: np.ndarray
    losses: Losses = field(default_factory=Losses)


class CorpusWriter:
    """Append batches to the three arrays of a corpus directory.

    Args:
        directory: Where the arrays go.
        tokenizer: What made the ids.
        sentences: How sentences were found, ``"auto"`` or ``"lines"``; it says which are cut.
        drop_duplicates: Whether documents that nearly repeat an earlier one are left out.
    """

    def __init__(
        self,
        directory: Path,
        tokenizer: Tokenizer,
        sentences: str = "auto",
        drop_duplicates: bool = False,
    ) -> None:
        self._unknown_id = tokenizer.unk_id
        self._tokens = _NpyFile(
            directory / store.TOKENS_FILE, store.token_dtype(tokenizer.vocab_size)
        )
        offsets = np.dtype("<i8")
        self._sentence_offsets = _NpyFile(directory / store.SENTENCE_OFFSETS_FILE, offsets)
        self._document_offsets = _NpyFile(directory / store.DOCUMENT_OFFSETS_FILE, offsets)
        self._sentence_offsets.append(np.zeros(1, np.int64))
        self._document_offsets.append(np.zeros(1, np.int64))
        self._duplicates = NearDuplicates() if drop_duplicates else None
        self._cutter = SentenceCutter(tokenizer, sentences)
        # Sentences, tokens, unknown tokens and those in long sentences up to the end of the last
        # document.
        self._closed = (0, 0, 0, 0)
        self.empty_documents = 0
        self.duplicate_documents = 0
        self.unknown_tokens = 0
        self.losses = Losses()  # of all text that was read, whether it is kept or not
        self.long_sentence_tokens = 0

    @property
    def tokens(self) -> int:
        """The number of tokens written."""
        return self._tokens.length

    @property
    def sentences(self) -> int:
        """The number of sentences written."""
        return self._sentence_offsets.length - 1

    @property
    def documents(self) -> int:
        """The number of documents written."""
        return self._document_offsets.length - 1

    def append(self, batch: TokenizedBatch) -> None:
        """Write a batch; a document that has not ended with it continues in the next one."""
        self.losses.add(batch.losses)
        if self._duplicates is not None:
            batch = self._without_duplicates(batch, self._duplicates)
        is_long = np.repeat(batch.lengths > MOST_TOKENS_READ, batch.lengths)
        batch = self._without_long_sentences(batch)
        ends = self.sentences + batch.document_ends
        filled = ends[np.diff(ends, prepend=self._closed[0]) > 0]
        self.empty_documents += len(ends) - len(filled)
        self._document_offsets.append(filled)
        is_unknown = batch.tokens == self._unknown_id
        if len(ends):
            size = int(batch.lengths[: batch.document_ends[-1]].sum())
            unknown = self.unknown_tokens + int(np.count_nonzero(is_unknown[:size]))
            long = self.long_sentence_tokens + int(np.count_nonzero(is_long[:size]))
            self._closed = (int(ends[-1]), self.tokens + size, unknown, long)
        self.unknown_tokens += int(np.count_nonzero(is_unknown))
        self.long_sentence_tokens += int(np.count_nonzero(is_long))
        self._sentence_offsets.append(self.tokens + np.cumsum(batch.lengths))
        self._tokens.append(batch.tokens)

    def _without_long_sentences(self, batch: TokenizedBatch) -> TokenizedBatch:
        """The batch with the pieces of over-long sentences in their place."""
        ends = self._cutter(batch.tokens, batch.lengths)
        if len(ends) == len(batch.lengths):
            return batch
        tokens_before = np.concatenate([[0], np.cumsum(batch.lengths)])
        document_ends = np.searchsorted(ends, tokens_before[batch.document_ends], side="right")
        return TokenizedBatch(batch.tokens, np.diff(ends, prepend=0), document_ends)

    def _without_duplicates(
        self, batch: TokenizedBatch, duplicates: NearDuplicates
    ) -> TokenizedBatch:
        """The batch without near duplicates; what is written of one already is removed."""
        tokens_before = np.concatenate([[0], np.cumsum(batch.lengths)])
        seen = duplicates.add(batch.tokens, tokens_before[batch.document_ends])
        if not seen.any():
            return batch
        self.duplicate_documents += int(np.count_nonzero(seen))
        if seen[0]:
            sentences, tokens, self.unknown_tokens, self.long_sentence_tokens = self._closed
            self._sentence_offsets.truncate(sentences + 1)
            self._tokens.truncate(tokens)
        sizes = np.diff(batch.document_ends, prepend=0, append=len(batch.lengths))
        kept = np.repeat(np.append(~seen, True), sizes)
        kept_before = np.concatenate([[0], np.cumsum(kept)])
        return TokenizedBatch(
            batch.tokens[np.repeat(kept, batch.lengths)],
            batch.lengths[kept],
            kept_before[batch.document_ends][~seen],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for array in (self._tokens, self._sentence_offsets, self._document_offsets):
            array.close(complete=kind is None)


def write_sentence_starts(directory: Path, tokenizer: Tokenizer) -> None:
    """Write whether each token begins a word, bool [T]: by itself, or as a sentence's first.

    Args:
        directory: Where ``tokens.npy`` and ``sentence_offsets.npy`` are.
        tokenizer: What made the ids, whose first token of a text has no mark of a word.
    """
    tokens = np.load(directory / store.TOKENS_FILE, mmap_mode="r")
    sentence_starts = np.load(directory / store.SENTENCE_OFFSETS_FILE, mmap_mode="r")[:-1]
    starts_word = np.asarray(tokenizer.starts_word)
    out = np.lib.format.open_memmap(
        directory / store.WORD_STARTS_FILE, mode="w+", dtype=bool, shape=tokens.shape
    )
    for start in range(0, len(tokens), _BLOCK_TOKENS):
        out[start : start + _BLOCK_TOKENS] = starts_word[tokens[start : start + _BLOCK_TOKENS]]
    out[sentence_starts] = True
    out.flush()


class _NpyFile:
    """A one-dimensional ``.npy`` file that grows.

    NumPy pads the header so that a longer shape fits in its place; it is written once with length
    0 and again at the end.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file: BinaryIO = path.open("wb")
        self._dtype = dtype
        self.length = 0
        self._data_start = self._write_header()

    def append(self, values: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self.length += len(values)

    def truncate(self, length: int) -> None:
        """Remove all but the first ``length`` values."""
        self._file.seek(self._data_start + length * self._dtype.itemsize)
        self._file.truncate()
        self.length = length

    def close(self, complete: bool) -> None:
        try:
            if complete:
                self._file.seek(0)
                end = self._write_header()
                assert end == self._data_start
        finally:
            self._file.close()

    def _write_header(self) -> int:
        np.lib.format.write_array_header_1_0(
            self._file,
            {"descr": self._dtype.str, "fortran_order": False, "shape": (self.length,)},
        )
        return self._file.tell()
