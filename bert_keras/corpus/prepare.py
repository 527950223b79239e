"""Text to a corpus directory, in constant memory, crash-safe, the same bytes for any workers."""

import dataclasses
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.corpus import store
from bert_keras.corpus.chinese_words import segmenter_version, write_word_starts
from bert_keras.corpus.decoding import ReadCounts
from bert_keras.corpus.formats import TEXT_COLUMN
from bert_keras.corpus.sentences import (
    chunk_kinds,
    join_lines,
    sentence_ends,
    split_chunks,
    split_paragraph,
)
from bert_keras.corpus.sources import Progress, read_documents
from bert_keras.corpus.textfiles import Paragraph
from bert_keras.corpus.writer import CorpusWriter, TokenizedBatch
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.tokenization import (
    COUNTS,
    BertTokenizer,
    Casing,
    ChunkTable,
    Losses,
    measure_each,
    warn_of_casing,
    write_vocabulary,
)

_BATCH_CHARACTERS = 1 << 18  # the strings of a batch should fit into the processor's cache


@dataclass(frozen=True)
class CorpusReport:
    """What ``prepare_corpus`` met.

    Attributes:
        documents: Documents written.
        empty_documents: Documents without a single token, left out.
        duplicate_documents: Documents that nearly repeat an earlier one, left out if so asked.
        sentences: Sentences written.
        tokens: Word pieces written.
        unknown_tokens: Those of them that are [UNK].
        characters: Characters of the text that was read, white space left out.
        unknown_characters: Those of them in words that became [UNK].
        dropped_marks: Combining marks among them that were dropped with the accents.
        replaced_bytes: Bytes of the input that were not UTF-8 and became U+FFFD.
        seconds: How long it took.
    """

    documents: int
    empty_documents: int
    duplicate_documents: int
    sentences: int
    tokens: int
    unknown_tokens: int
    characters: int
    unknown_characters: int
    dropped_marks: int
    replaced_bytes: int
    seconds: float

    @property
    def unknown_share(self) -> float:
        """The share of tokens that are [UNK]."""
        return self.unknown_tokens / self.tokens if self.tokens else 0.0

    @property
    def unknown_character_share(self) -> float:
        """The share of characters in words that became [UNK]."""
        return self.unknown_characters / self.characters if self.characters else 0.0


def prepare_corpus(
    inputs: Sequence[str | Path],
    vocab: str | Path,
    out: str | Path,
    casing: Casing = Casing(),
    split: str = "file",
    workers: int = 1,
    drop_duplicates: bool = False,
    chinese_words: bool = False,
    on_progress: Progress | None = None,
    text_column: str = TEXT_COLUMN,
) -> CorpusReport:
    """Reads text, finds sentences, writes their word-piece ids to a new corpus directory.

    Args:
        inputs: Files, folders, globs, ``"tfds:NAME[:SPLIT[:FIELD]]"`` or ``"pydocs"``.
        vocab: The ``vocab.txt``.
        out: The directory to make; it takes its name only when it is complete.
        casing: How text is normalised; goes with the vocabulary.
        split: ``"file"`` makes a file (or a record, an example, a module) a document,
            ``"blank-line"`` every block of lines.
        workers: Processes that tokenize; the result does not depend on it.
        drop_duplicates: Whether to leave out documents that nearly repeat an earlier one
            (``duplicates`` says how near).
        chinese_words: Whether to find the words of Chinese text, for masking whole words (they
            are written beside the ids, and take a second pass over them).
        on_progress: Called with the bytes read and the bytes in all (None when not known).
        text_column: The field or column that holds the text of JSON, tables and TFDS examples.

    Raises:
        InputError: When ``out`` is there already, an input or the vocabulary cannot be used,
            the inputs hold no text, or ``chinese_words`` lacks its segmenter.
        OSError: When the disk is full; nothing is left behind.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1. Received: {workers}")
    tokenizer = BertTokenizer.from_vocab(vocab, casing)
    warn_of_casing(tokenizer.vocab, casing)
    counts = ReadCounts()
    paragraphs = read_documents(inputs, split, counts, on_progress, text_column)
    batches = _tokenize_all(_batches(paragraphs), vocab, tokenizer, workers)
    source = describe_source(inputs, split, text_column, drop_duplicates)
    return write_corpus(
        batches, tokenizer, out, source, counts, chinese_words, workers, on_progress
    )


def describe_source(
    inputs: Sequence[str | Path], split: str, text_column: str, drop_duplicates: bool
) -> dict[str, Any]:
    """What a corpus is made from, as ``write_corpus`` takes it and ``corpus.json`` keeps it."""
    return {
        "inputs": list(map(str, inputs)),
        "split": split,
        "text_column": text_column,
        "drop_duplicates": drop_duplicates,
    }


def tokenize_batches(
    paragraphs: Iterable[Paragraph | None], tokenizer: BertTokenizer
) -> Iterator[TokenizedBatch]:
    """The sentences of paragraphs, None after each document's last, as ids in bounded batches.

    Where the batches are cut makes no difference to what is in them one after another.
    """
    return map(_Tokenizer(tokenizer).tokenize, _batches(paragraphs))


def write_corpus(
    batches: Iterable[TokenizedBatch],
    tokenizer: BertTokenizer,
    out: str | Path,
    source: dict[str, Any],
    counts: ReadCounts,
    chinese_words: bool = False,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> CorpusReport:
    """Writes what was tokenized, in its order, to a new corpus directory.

    Args:
        batches: They are asked for one by one.
        tokenizer: What made them.
        out: As in ``prepare_corpus``.
        source: Where they are from, by ``describe_source``; duplicates are dropped here.
        counts: Complete once the last batch was asked for.
        chinese_words: As in ``prepare_corpus``.
        workers: Likewise, for the words.
        on_progress: Likewise.

    Raises:
        InputError: As ``prepare_corpus`` does.
    """
    words = {"word_starts": segmenter_version()} if chinese_words else {}
    started = time.monotonic()
    with atomic_directory(out) as directory:
        with CorpusWriter(directory, tokenizer, source["drop_duplicates"]) as writer:
            for batch in batches:
                writer.append(batch)
        if not writer.documents:
            raise InputError(
                f"{', '.join(source['inputs'])}: no text to make a corpus from; all "
                f"{writer.empty_documents} documents are empty"
            )
        report = CorpusReport(
            documents=writer.documents,
            empty_documents=writer.empty_documents,
            duplicate_documents=writer.duplicate_documents,
            sentences=writer.sentences,
            tokens=writer.tokens,
            unknown_tokens=writer.unknown_tokens,
            characters=writer.losses.characters,
            unknown_characters=writer.losses.unknown,
            dropped_marks=writer.losses.marks,
            replaced_bytes=counts.replaced_bytes,
            seconds=time.monotonic() - started,
        )
        if chinese_words:
            write_word_starts(directory, tokenizer.vocab, workers, on_progress)
        _describe(directory, tokenizer, report, words | {"source": source})
    writer.losses.warn_of_unknown("learn a vocabulary on this text, of the same casing")
    writer.losses.warn_of_marks(tokenizer.casing)
    return dataclasses.replace(report, seconds=time.monotonic() - started)


def _describe(
    directory: Path, tokenizer: BertTokenizer, report: CorpusReport, more: dict[str, Any]
) -> None:
    counts = dataclasses.asdict(report)
    del counts["seconds"]  # the directory's bytes depend on the input alone
    description = {
        "format_version": store.FORMAT_VERSION,
        "vocab_hash": tokenizer.vocab_hash,
        "vocab_size": tokenizer.vocab_size,
        "casing": tokenizer.casing.to_dict(),
        "arrays_hash": store.hash_arrays(directory),
        "counts": counts,
        **more,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (directory / store.DESCRIPTION_FILE).write_text(text, "utf-8", errors="backslashreplace")
    write_vocabulary(directory / store.VOCABULARY_FILE, tokenizer.vocab)


def _batches(paragraphs: Iterable[Paragraph | None]) -> Iterator[list[Paragraph | None]]:
    batch: list[Paragraph | None] = []
    characters = 0
    for paragraph in paragraphs:
        batch.append(paragraph)
        characters += sum(map(len, paragraph)) if paragraph else 1
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _tokenize_all(
    batches: Iterator[list[Paragraph | None]],
    vocab: str | Path,
    tokenizer: BertTokenizer,
    workers: int,
) -> Iterator[TokenizedBatch]:
    """The batches tokenized, in their order."""
    if workers == 1:
        yield from map(_Tokenizer(tokenizer).tokenize, batches)
        return
    # Spawned: a fork of a process that has TensorFlow's threads can hang.
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(str(vocab), tokenizer.casing),
    ) as pool:
        waiting: deque[Future[TokenizedBatch]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(_tokenize_in_worker, batch))
                if len(waiting) > 2 * workers:  # so that reading does not run ahead of memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


_worker: "_Tokenizer | None" = None


def _start_worker(vocab: str, casing: Casing) -> None:
    global _worker
    _worker = _Tokenizer(BertTokenizer.from_vocab(vocab, casing))


def _tokenize_in_worker(batch: list[Paragraph | None]) -> TokenizedBatch:
    assert _worker is not None  # the pool's initializer has run
    return _worker.tokenize(batch)


class _Tokenizer:
    """Paragraphs to the ids of their sentences."""

    def __init__(self, tokenizer: BertTokenizer) -> None:
        self._dtype = store.token_dtype(tokenizer.vocab_size)
        self._tokenizer, self._losses = tokenizer, Losses()  # of the batch
        self._table = ChunkTable(tokenizer.encode_chunks, chunk_kinds, self._measure, len(COUNTS))
        # A Chinese character stands for itself only where the tokenizer takes it for a word.
        self._split_first = not tokenizer.casing.tokenize_chinese_chars

    def tokenize(self, batch: list[Paragraph | None]) -> TokenizedBatch:
        chunks: list[str] = []
        text_ends = []  # in chunks
        document_ends = []  # in chunks
        for paragraph in batch:
            if paragraph is None:
                document_ends.append(len(chunks))
                continue
            for text in split_paragraph(paragraph) if self._split_first else join_lines(paragraph):
                chunks += text.split() if self._split_first else split_chunks(text)
                text_ends.append(len(chunks))
        tokens, lengths, kinds = self._table.lookup(chunks)
        if self._split_first:
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
            self._take_losses(),
        )

    def _measure(self, chunks: list[str], ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        is_unknown = np.concatenate([[0], np.cumsum(ids == self._tokenizer.unk_id)])
        ends = np.cumsum(lengths)
        has_unknown = is_unknown[ends] > is_unknown[ends - lengths]
        losses = measure_each(self._tokenizer, chunks, has_unknown.tolist())
        for lost in losses:
            self._losses.add_examples(lost)
        return np.array([lost.numbers() for lost in losses], np.int32)

    def _take_losses(self) -> Losses:
        losses, self._losses = self._losses, Losses()
        losses.add_numbers(self._table.measured)
        self._table.measured[:] = 0
        return losses
