"""The corpus directory: opened, checked, and split into training and held-out documents."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from bert_keras.errors import InputError
from bert_keras.tokenization import CONTINUATION, BertTokenizer, Casing

FORMAT_VERSION = 1
TOKENS_FILE = "tokens.npy"
SENTENCE_OFFSETS_FILE = "sentence_offsets.npy"
DOCUMENT_OFFSETS_FILE = "document_offsets.npy"
WORD_STARTS_FILE = "word_starts.npy"
DESCRIPTION_FILE = "corpus.json"
VOCABULARY_FILE = "vocab.txt"

_COUNTS = ("documents", "sentences", "tokens")
_ARRAYS = (TOKENS_FILE, SENTENCE_OFFSETS_FILE, DOCUMENT_OFFSETS_FILE, WORD_STARTS_FILE)


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The type ids are stored in: uint16, or int32 when the vocabulary needs it."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<i4")


def continuations(vocab: Sequence[str]) -> np.ndarray:
    """Which word pieces go on with the word before them ("##"), bool [vocab_size]."""
    return np.array([piece.startswith(CONTINUATION) for piece in vocab], bool)


def hash_arrays(directory: Path) -> str:
    """The SHA-256 of what the arrays of a corpus directory hold."""
    digest = hashlib.sha256()
    for name in _ARRAYS:
        if (directory / name).exists():
            with (directory / name).open("rb") as file:
                # Left out: NumPy's releases may write the header in different ways.
                np.lib.format.read_magic(file)
                np.lib.format.read_array_header_1_0(file)
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Corpus:
    """Documents as sentences of word-piece ids, memory-mapped.

    Attributes:
        path: The directory.
        tokens: uint16 or int32 [T], all ids in order, without special tokens.
        sentence_offsets: int64 [S + 1]; sentence s is ``tokens[offsets[s]:offsets[s + 1]]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        tokenizer: What made the ids.
        word_starts: bool [T], whether a token is the first of a word, in a corpus prepared with
            Chinese words; None where the vocabulary's "##" says it.
    """

    path: Path
    tokens: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray
    tokenizer: BertTokenizer
    word_starts: np.ndarray | None = None

    @property
    def vocab_size(self) -> int:
        """The number of word pieces."""
        return self.tokenizer.vocab_size

    @property
    def vocab_hash(self) -> str:
        """The SHA-256 of the vocabulary's lines."""
        return self.tokenizer.vocab_hash

    @property
    def identity(self) -> str:
        """The text that tells the corpus from any other, wherever its texts and itself lie.

        One prepared before there was a hash of its arrays is told by its whole description.
        """
        text = (self.path / DESCRIPTION_FILE).read_text(encoding="utf-8")
        description = json.loads(text)
        if "arrays_hash" not in description:
            return text
        told_by = ("vocab_hash", "casing", "arrays_hash")
        return json.dumps({key: description[key] for key in told_by}, indent=2) + "\n"

    @property
    def casing(self) -> Casing:
        """How the text was normalised."""
        return self.tokenizer.casing

    @property
    def pad_id(self) -> int:
        """The id of [PAD]."""
        return self.tokenizer.pad_id

    @property
    def cls_id(self) -> int:
        """The id of [CLS]."""
        return self.tokenizer.cls_id

    @property
    def sep_id(self) -> int:
        """The id of [SEP]."""
        return self.tokenizer.sep_id

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""
        return self.tokenizer.mask_id

    @functools.cached_property
    def continues_word(self) -> np.ndarray:
        """Which word pieces go on with the word before them ("##"), bool [vocab_size]."""
        return continuations(self.tokenizer.vocab)

    @property
    def num_tokens(self) -> int:
        """The number of tokens in ``documents`` (after ``split``, those of this part)."""
        first, end = self.documents[:, 0], self.documents[:, 1]
        return int((self.sentence_offsets[end] - self.sentence_offsets[first]).sum())

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens a corpus directory and checks that its parts belong together.

        Raises:
            InputError: When it is no corpus, or a damaged one, or of another format version.
        """
        path = Path(path)
        if not (path / DESCRIPTION_FILE).is_file():
            raise InputError(
                f"{path} is not a corpus (it has no {DESCRIPTION_FILE}); make one with "
                "bert-keras prepare"
            )
        description = _read_description(path)
        tokenizer = BertTokenizer.from_vocab(
            path / VOCABULARY_FILE, Casing.from_dict(description["casing"])
        )
        if tokenizer.vocab_hash != description["vocab_hash"]:
            raise InputError(
                f"{path}: {VOCABULARY_FILE} is not the vocabulary the corpus was prepared with; "
                "prepare it again"
            )
        counts = description["counts"]
        tokens = _load(path / TOKENS_FILE, token_dtype(tokenizer.vocab_size), counts["tokens"])
        if len(tokens) and int(tokens.max()) >= tokenizer.vocab_size:
            raise _damaged(path / TOKENS_FILE, "it holds ids that are not in the vocabulary")
        sentence_offsets, document_offsets = (
            _load_offsets(path / name, counts[of] + 1, last=last)
            for name, of, last in (
                (SENTENCE_OFFSETS_FILE, "sentences", counts["tokens"]),
                (DOCUMENT_OFFSETS_FILE, "documents", counts["sentences"]),
            )
        )
        documents = np.stack([document_offsets[:-1], document_offsets[1:]], axis=1)
        word_starts = None
        if "word_starts" in description:
            word_starts = _load(path / WORD_STARTS_FILE, np.dtype(bool), counts["tokens"])
        return cls(path, tokens, sentence_offsets, documents, tokenizer, word_starts)

    def split(self, eval_fraction: float) -> tuple[Self, Self]:
        """Holds out whole documents: (training, held-out), two views of the same arrays.

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
        if version == FORMAT_VERSION:
            whole_numbers = [description["counts"][name] for name in _COUNTS]
            if not all(isinstance(number, int) for number in whole_numbers):
                raise ValueError("the counts are not whole numbers")
            dict(description["casing"]), str(description["vocab_hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path / DESCRIPTION_FILE, repr(error)) from None
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has corpus format {version!r}, this version of bert_keras reads format "
            f"{FORMAT_VERSION}; prepare it again"
        )
    return description


def _load(file: Path, dtype: np.dtype[Any], length: int) -> np.ndarray:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _damaged(file, str(error)) from None
    except FileNotFoundError:
        raise _damaged(file, "the file is missing") from None
    if array.dtype != dtype or array.shape != (length,):
        raise _damaged(
            file, f"expected {dtype.name} [{length}], found {array.dtype} {list(array.shape)}"
        )
    return array


def _load_offsets(file: Path, length: int, last: int) -> np.ndarray:
    offsets = np.asarray(_load(file, np.dtype("<i8"), length))
    # Strictly ascending: neither sentences nor documents are ever empty.
    if offsets[0] != 0 or offsets[-1] != last or not (offsets[1:] > offsets[:-1]).all():
        raise _damaged(file, f"the offsets do not ascend from 0 to {last}")
    return offsets


def _damaged(file: Path, what: str) -> InputError:
    return InputError(f"{file} is damaged ({' '.join(what.split())}); prepare the corpus again")
