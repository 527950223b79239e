"""Text to a corpus directory, in constant memory, crash-safe, the same bytes for any workers."""

import dataclasses
import json
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.corpus import store
from bert_keras.corpus.chinese_words import segmenter_version, write_word_starts
from bert_keras.corpus.decoding import ReadCounts
from bert_keras.corpus.formats import TEXT_COLUMN
from bert_keras.corpus.hashes import hash_arrays, hash_of_all
from bert_keras.corpus.line_notes import watch_lines
from bert_keras.corpus.sources import Progress, read_documents
from bert_keras.corpus.tokenizing import tokenize_batches
from bert_keras.corpus.writer import CorpusWriter, TokenizedBatch, write_sentence_starts
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.hub import HubName, pinned_data, tokenizer_folder
from bert_keras.tokenization import (
    Casing,
    SubwordTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    read_pieces,
    require_wordpiece,
    warn_of_casing,
)
from bert_keras.tokenization.subword_files import TOKENIZER_FILES

_logger = logging.getLogger("bert_keras")

SENTENCES = ("auto", "lines")


@dataclass(frozen=True)
class CorpusReport:
    """The counts of what ``prepare_corpus`` read and wrote.

    Attributes:
        documents: Documents written.
        empty_documents: Documents without a single token, left out.
        duplicate_documents: Documents that nearly repeat an earlier one and were left out.
        sentences: Sentences written.
        tokens: Word pieces written.
        unknown_tokens: Those of them that are [UNK].
        long_sentence_tokens: Those in sentences longer than 512 word pieces, before they were cut.
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
    long_sentence_tokens: int
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

    @property
    def long_sentence_share(self) -> float:
        """The share of tokens in sentences longer than 512."""
        return self.long_sentence_tokens / self.tokens if self.tokens else 0.0


def prepare_corpus(
    inputs: Sequence[str | Path],
    vocab: str | Path | Tokenizer,
    out: str | Path,
    casing: Casing = Casing(),
    split: str = "file",
    workers: int = 1,
    drop_duplicates: bool = False,
    chinese_words: bool = False,
    on_progress: Progress | None = None,
    sentences: str | None = None,
    text_column: str = TEXT_COLUMN,
) -> CorpusReport:
    """Read text, find its sentences and write their ids to a new corpus directory.

    Args:
        inputs: Files, folders, globs, ``"tfds:NAME[:SPLIT[:FIELD]]"``,
            ``"hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT[:COLUMN]]"`` or ``"pydocs"``.
        vocab: The ``vocab.txt``; the directory of a model or its name on the hub, whose tokenizer
            (word pieces, byte-level BPE or Unigram) reads the text with its casing and added
            tokens; or a tokenizer, which ``Corpus.open`` then asks for too unless it is one of
            these.
        out: The directory to make; it takes its name only when it is complete.
        casing: How text is normalized; goes with a ``vocab.txt``.
        split: ``"file"`` makes a file (or a record, an example, a module) a document,
            ``"blank-line"`` every block of lines.
        workers: Processes that tokenize; the result does not depend on it.
        drop_duplicates: Whether to leave out documents that nearly repeat an earlier one
            (``duplicates`` says how near).
        chinese_words: Whether to find the words of Chinese text, for masking whole words; this
            takes a second pass over the ids.
        on_progress: Called with the bytes read and those in all (None when not known).
        sentences: ``"auto"`` finds them, ``"lines"`` reads every line as one; by default
            ``"lines"`` for the split ``"blank-line"``, as the original code did, else ``"auto"``.
            Over-long ones are cut (``long_sentences``).
        text_column: The field or column that holds the text of JSON, tables and data sets.

    Returns:
        The numbers of documents, sentences and tokens, and of what was lost.

    Raises:
        InputError: When ``out`` is there already, an input or the vocabulary cannot be used,
            the inputs hold no text, or the segmenter for ``chinese_words`` is not installed.
        OSError: When the disk is full; nothing is left behind.

    Example:
        >>> report = prepare_corpus(["texts"], "vocab.txt", "my-corpus")
        >>> report.documents, report.unknown_tokens
        (4, 0)
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1. Received: {workers}")
    tokenizer, others = read_tokenizer(vocab, casing)
    counts = ReadCounts()
    inputs = [pinned_data(str(name)) for name in inputs]
    source = describe_source(inputs, split, text_column, sentences, drop_duplicates)
    read = read_documents(inputs, split, counts, on_progress, text_column, others=others)
    paragraphs = watch_lines(read, source["sentences"])
    with closing(tokenize_batches(paragraphs, tokenizer, workers, source["sentences"])) as batches:
        return write_corpus(
            batches, tokenizer, out, source, counts, chinese_words, workers, on_progress
        )


def read_tokenizer(
    vocab: str | Path | Tokenizer, casing: Casing
) -> tuple[Tokenizer, tuple[str | Path, ...]]:
    """The tokenizer, and the file it was read from, which is no text of a corpus.

    Args:
        vocab: As in ``prepare_corpus``.
        casing: Likewise.
    """
    if not isinstance(vocab, str | Path):
        return vocab, ()
    if HubName.of(vocab):
        return _of_model(tokenizer_folder(vocab, TOKENIZER_FILES), casing), ()
    if Path(vocab).is_dir():
        return _of_model(vocab, casing), ()
    tokenizer = WordPieceTokenizer.from_vocab(vocab, casing)
    warn_of_casing(tokenizer.vocab, casing)
    return tokenizer, (vocab,)


def _of_model(directory: str | Path, casing: Casing) -> Tokenizer:
    """The tokenizer of a model's directory, which says its casing itself.

    Raises:
        InputError: When another casing than the default is given, and is not the directory's.
    """
    pieces = read_pieces(Path(directory), None if casing == Casing() else casing)
    if pieces is not None:
        return pieces
    tokenizer = WordPieceTokenizer.from_pretrained(directory)
    if casing not in (Casing(), tokenizer.casing):
        raise InputError(
            f"the tokenizer of the model {directory} is {tokenizer.casing.name} by its own files: "
            "leave the casing out, or give its vocab.txt"
        )
    return tokenizer


def describe_source(
    inputs: Sequence[str | Path],
    split: str,
    text_column: str,
    sentences: str | None,
    drop_duplicates: bool,
) -> dict[str, Any]:
    """The source of a corpus, as ``corpus.json`` has it, its default of ``sentences`` filled in.

    Raises:
        InputError: When ``sentences`` is unknown.
    """
    if sentences is None:
        sentences = "lines" if split == "blank-line" else "auto"
        if sentences == "lines":
            _logger.info("every line is read as a sentence, as the original code did")
    if sentences not in SENTENCES:
        raise InputError(
            f"sentences must be one of {', '.join(SENTENCES)}. Received: {sentences!r}"
        )
    return {
        "inputs": list(map(str, inputs)),
        "split": split,
        "text_column": text_column,
        "sentences": sentences,
        "drop_duplicates": drop_duplicates,
    }


def write_corpus(
    batches: Iterable[TokenizedBatch],
    tokenizer: Tokenizer,
    out: str | Path,
    source: dict[str, Any],
    counts: ReadCounts,
    chinese_words: bool = False,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> CorpusReport:
    """Write what was tokenized, in its order, to a new corpus directory.

    Args:
        batches: What was tokenized; read one by one.
        tokenizer: What made them.
        out: As in ``prepare_corpus``.
        source: Where they are from, of ``describe_source``.
        counts: Complete once the last batch was read.
        chinese_words: As in ``prepare_corpus``.
        workers: Likewise, for the words.
        on_progress: Likewise.

    Raises:
        InputError: As ``prepare_corpus`` does.
    """
    if chinese_words:
        require_wordpiece(tokenizer, "chinese_words", "leave it out")
    words = {"word_starts": segmenter_version()} if chinese_words else {}
    bare = isinstance(tokenizer, SubwordTokenizer) and tokenizer.joins_by_space
    words |= {"word_starts": "spaces and sentences"} if bare else {}
    started = time.monotonic()
    with atomic_directory(out) as directory:
        drop = source["drop_duplicates"]
        with CorpusWriter(directory, tokenizer, source["sentences"], drop) as writer:
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
            long_sentence_tokens=writer.long_sentence_tokens,
            characters=writer.losses.characters,
            unknown_characters=writer.losses.unknown,
            dropped_marks=writer.losses.marks,
            replaced_bytes=counts.replaced_bytes,
            seconds=time.monotonic() - started,
        )
        if chinese_words:
            write_word_starts(directory, tokenizer, workers, on_progress)
        elif bare:
            write_sentence_starts(directory, tokenizer)
        _describe(directory, tokenizer, report, words | {"source": source})
    way = "learn a vocabulary on this text, of the same casing"
    writer.losses.warn_of_unknown(way, tokenizer)
    if isinstance(tokenizer, WordPieceTokenizer):
        writer.losses.warn_of_marks(tokenizer.casing)
    return dataclasses.replace(report, seconds=time.monotonic() - started)


def _describe(
    directory: Path, tokenizer: Tokenizer, report: CorpusReport, more: dict[str, Any]
) -> None:
    counts, hashes = dataclasses.asdict(report), hash_arrays(directory, store.ARRAYS)
    del counts["seconds"]  # the directory's bytes depend on the input alone
    description = {
        **store.write_tokenizer(directory, tokenizer),
        "arrays_hash": hash_of_all(hashes),
        "hashes": hashes,
        "counts": counts,
        **more,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (directory / store.DESCRIPTION_FILE).write_text(text, "utf-8", errors="backslashreplace")
