"""The corpus directory: opened, checked, and split into training and held-out documents."""

import dataclasses
import hashlib
import json
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from bert_keras.corpus.hashes import check_hashes, damaged, hash_of_all
from bert_keras.corpus.stored_tokenizers import (
    VOCABULARY_FILE,
    load_subwords,
    load_word_pieces,
)
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    Casing,
    SubwordTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    write_vocabulary,
)

FORMAT_VERSION = 1
TOKENIZER_FORMAT_VERSION = 2  # of a corpus whose tokenizer is not of word pieces
ADDED_FORMAT_VERSION = 3  # of one whose tokenizer has added tokens beside them
_VERSIONS = (FORMAT_VERSION, TOKENIZER_FORMAT_VERSION, ADDED_FORMAT_VERSION)
TOKENS_FILE = "tokens.npy"
SENTENCE_OFFSETS_FILE = "sentence_offsets.npy"
DOCUMENT_OFFSETS_FILE = "document_offsets.npy"
WORD_STARTS_FILE = "word_starts.npy"
DESCRIPTION_FILE = "corpus.json"

_COUNTS = ("documents", "sentences", "tokens")
ARRAYS = (TOKENS_FILE, SENTENCE_OFFSETS_FILE, DOCUMENT_OFFSETS_FILE, WORD_STARTS_FILE)


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The type ids are stored in: uint16, or int32 when the vocabulary needs it."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<i4")


def write_tokenizer(directory: Path, tokenizer: Tokenizer) -> dict[str, Any]:
    """Write what a corpus holds of its tokenizer: the vocabulary, or the files of subwords.

    Returns:
        The keys by which ``corpus.json`` names it, and its own format.
    """
    if isinstance(tokenizer, WordPieceTokenizer):
        write_vocabulary(directory / VOCABULARY_FILE, tokenizer.pieces)
        added = {"added": [token.to_dict() for token in tokenizer.added]} if tokenizer.added else {}
        return {
            "format_version": ADDED_FORMAT_VERSION if added else FORMAT_VERSION,
            "vocab_hash": tokenizer.vocab_hash,
            "vocab_size": tokenizer.vocab_size,
            "casing": tokenizer.casing.to_dict(),
            **added,
        }
    if isinstance(tokenizer, SubwordTokenizer):
        tokenizer.without_files().save(directory)
    return {
        "format_version": TOKENIZER_FORMAT_VERSION,
        "vocab_size": tokenizer.vocab_size,
        "tokenizer": dict(tokenizer.identity),
    }


@dataclass(frozen=True)
class Corpus:
    """Documents as sentences of ids, memory-mapped.

    Attributes:
        path: The directory.
        tokens: uint16 or int32 [T], all ids in order, without special tokens.
        sentence_offsets: int64 [S + 1]; sentence s is ``tokens[offsets[s]:offsets[s + 1]]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        tokenizer: What made the ids.
        word_starts: bool [T], whether a token is the first of a word, in a corpus prepared with
            Chinese words or with a tokenizer whose first token of a text does not show it; None
            where the tokenizer's ``starts_word`` is right.

    Example:
        >>> corpus = Corpus.open("corpus")
        >>> train, held_out = corpus.split(eval_fraction=0.25)
        >>> len(corpus.documents) == len(train.documents) + len(held_out.documents)
        True
    """

    path: Path
    tokens: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray
    tokenizer: Tokenizer
    word_starts: np.ndarray | None = None

    @property
    def vocab_size(self) -> int:
        """The number of the tokenizer's tokens."""
        return self.tokenizer.vocab_size

    @property
    def identity(self) -> str:
        """A text that differs for every other corpus and does not depend on where anything lies.

        For one prepared before there was a hash of its arrays it is the whole description.
        """
        text = (self.path / DESCRIPTION_FILE).read_text(encoding="utf-8")
        description = json.loads(text)
        if "arrays_hash" not in description:
            return text
        names = _identity(description) | {"arrays_hash": description["arrays_hash"]}
        return json.dumps(names, indent=2) + "\n"

    @property
    def num_tokens(self) -> int:
        """The number of tokens in ``documents`` (after ``split``, those of this side)."""
        first, end = self.documents[:, 0], self.documents[:, 1]
        return int((self.sentence_offsets[end] - self.sentence_offsets[first]).sum())

    @classmethod
    def open(cls, path: str | Path, tokenizer: Tokenizer | None = None) -> Self:
        """Open a corpus directory and check that its files belong together.

        Types, sizes, offsets and the vocabulary are checked; ``verify`` compares every byte.

        Args:
            path: The directory.
            tokenizer: What made the ids, where it is from Python: the directory holds others.

        Raises:
            InputError: When it is not a corpus, or a damaged one, or of another format version or
                another tokenizer.
        """
        path = Path(path)
        if not (path / DESCRIPTION_FILE).is_file():
            raise InputError(
                f"{path} is not a corpus (it has no {DESCRIPTION_FILE}); make one with "
                "bert-keras prepare"
            )
        description = _read_description(path)
        tokenizer = _tokenizer(path, description, tokenizer)
        counts = description["counts"]
        tokens = _load(path / TOKENS_FILE, token_dtype(tokenizer.vocab_size), counts["tokens"])
        if len(tokens) and int(tokens.max()) >= tokenizer.vocab_size:
            raise damaged(path / TOKENS_FILE, "it holds ids that are not in the vocabulary")
        sentence_offsets, document_offsets = (
            _load_offsets(path / name, counts[of] + 1, last=last)
            for name, of, last in (
                (SENTENCE_OFFSETS_FILE, "sentences", counts["tokens"]),
                (DOCUMENT_OFFSETS_FILE, "documents", counts["sentences"]),
            )
        )
        documents = np.stack([document_offsets[:-1], document_offsets[1:]], axis=1)
        word_starts = None
        if "word_starts" not in description and (path / WORD_STARTS_FILE).exists():
            raise damaged(path / DESCRIPTION_FILE, f"it does not name {WORD_STARTS_FILE}")
        if "word_starts" in description:
            word_starts = _load(path / WORD_STARTS_FILE, np.dtype(bool), counts["tokens"])
        return cls(path, tokens, sentence_offsets, documents, tokenizer, word_starts)

    def verify(self) -> None:
        """Compare what the arrays hold with the hashes of when they were prepared.

        All of it is read. A run does this whenever it begins or resumes.

        Raises:
            InputError: When a file is damaged; names it.
        """
        check_hashes(self.path, ARRAYS, _read_description(self.path))

    def split(self, eval_fraction: float) -> tuple[Self, Self]:
        """Two views of the same arrays: the documents for training and those held out.

        A document's side follows from a hash of its own token ids, so that adding files to a
        corpus does not move the others. When the fraction is above 0 and there are two documents
        or more, both sides have one.

        Args:
            eval_fraction: The share of documents to hold out, at least 0 and below 1.
        """
        if not 0 <= eval_fraction < 1:
            raise InputError(f"eval_fraction must lie in [0, 1). Received: {eval_fraction!r}")
        held_out = np.zeros(len(self.documents), bool)
        if eval_fraction > 0 and len(self.documents) > 1:
            keys = self._document_keys()
            held_out = keys < eval_fraction * 2.0**64
            if not held_out.any():
                held_out[np.argmin(keys)] = True
            elif held_out.all():
                held_out[np.argmax(keys)] = False
        train, evaluation = (
            dataclasses.replace(self, documents=self.documents[side])
            for side in (~held_out, held_out)
        )
        return train, evaluation

    def _document_keys(self) -> np.ndarray:
        """A uint64 for each document that depends on its ids alone."""
        bounds = self.sentence_offsets[self.documents]
        digests = b"".join(
            hashlib.blake2b(self.tokens[start:end].tobytes(), digest_size=8).digest()
            for start, end in bounds.tolist()
        )
        return np.frombuffer(digests, "<u8")


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads((path / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        version = description["format_version"]
        if version in _VERSIONS:
            whole_numbers = [description["counts"][name] for name in _COUNTS]
            if not all(isinstance(number, int) for number in whole_numbers):
                raise ValueError("the counts are not whole numbers")
            _identity(description)
            hashes = description.get("hashes", {})
            own = {name: hashes[name] for name in ARRAYS if name in hashes}
            if hashes and hash_of_all(own) != description["arrays_hash"]:
                raise ValueError("arrays_hash is not that of hashes")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path / DESCRIPTION_FILE, repr(error)) from None
    if version not in _VERSIONS:
        raise InputError(
            f"{path} has corpus format {version!r}, this version of bert_keras reads formats "
            f"{', '.join(map(str, _VERSIONS))}; prepare it again"
        )
    return description


def _identity(description: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer's ``identity``, by the keys of ``write_tokenizer``."""
    version = description["format_version"]
    if version == TOKENIZER_FORMAT_VERSION:
        return dict(description["tokenizer"])
    if description["casing"].keys() - Casing().to_dict().keys():
        raise ValueError(f"its casing is {description['casing']}")
    added = {"added": description["added"]} if version == ADDED_FORMAT_VERSION else {}
    return {
        "vocab_hash": str(description["vocab_hash"]),
        "casing": description["casing"],
        **added,
    }


def _tokenizer(path: Path, description: dict[str, Any], given: Tokenizer | None) -> Tokenizer:
    """The tokenizer that was given, or that of the directory, checked to be the corpus's."""
    identity = _identity(description)
    if given is not None and dict(given.identity) != identity:
        raise InputError(
            f"{path} was prepared with another tokenizer, {identity}. Received: {given.identity}"
        )
    is_other = description["format_version"] == TOKENIZER_FORMAT_VERSION
    if given is None and is_other and {"rules_hash", "added_hash"} <= identity.keys():
        return load_subwords(path, identity, DESCRIPTION_FILE)
    if given is None and is_other:
        raise InputError(
            f"{path} was prepared with a tokenizer from Python, {identity}: give it to Corpus.open"
        )
    return load_word_pieces(path, identity, DESCRIPTION_FILE) if given is None else given


def _load(file: Path, dtype: np.dtype[Any], length: int) -> np.ndarray:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise damaged(file, str(error)) from None
    except FileNotFoundError:
        raise damaged(file, "the file is missing") from None
    if array.dtype != dtype or array.shape != (length,):
        raise damaged(
            file, f"expected {dtype.name} [{length}], found {array.dtype} {list(array.shape)}"
        )
    size = file.stat().st_size
    if size != array.offset + array.nbytes:
        raise damaged(file, f"it has {size - array.offset - array.nbytes:,} bytes too many")
    return array


def _load_offsets(file: Path, length: int, last: int) -> np.ndarray:
    offsets = np.asarray(_load(file, np.dtype("<i8"), length))
    # Strictly ascending: neither sentences nor documents are ever empty.
    if offsets[0] != 0 or offsets[-1] != last or not (offsets[1:] > offsets[:-1]).all():
        raise damaged(file, f"the offsets do not ascend from 0 to {last}")
    return offsets
