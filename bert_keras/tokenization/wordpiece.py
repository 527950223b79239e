"""BERT's tokenizer, by the pipeline of the ``tokenizers`` library, with offsets."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from bert_keras.errors import several_texts
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.added import AddedToken, with_added
from bert_keras.tokenization.by_library import PipelineTokenizer
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.chunks import ChunkTable, in_blocks
from bert_keras.tokenization.directory import Parts, TokenizerFiles, read_directory, write_directory
from bert_keras.tokenization.pipeline import make_pipeline
from bert_keras.tokenization.template import SequenceTemplate

_ASCII_WORD = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 ]")
_MAX_WORDS = 250_000
_GROUP = 256  # texts that the library is given as one, which is faster
# str.split() breaks at these control characters, the tokenizer deletes them; and it does not take
# lone surrogates, which are bad bytes in Python: they are deleted, as U+FFFD is.
_DELETED = re.compile("[\x0b\x0c\x1c-\x1f\x85\ud800-\udfff]")


class WordPieceTokenizer(PipelineTokenizer):
    """Text to word-piece ids and back, by the rules published checkpoints are used with.

    Clean, separate CJK characters, lower-case and strip accents (when uncased), split at
    punctuation, then greedy longest-match-first word pieces, at most 100 characters a word
    (Devlin et al. 2019, section 3; Wu et al. 2016, section 4.1). Special tokens that stand in
    the text stay whole. ``tests/tokenization/departures.py`` lists what differs from Google's code.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalized.
        files: The other settings of its directory, which ``save`` writes back.
        added: Tokens that stay whole in the text beside the special ones, and special ones with
            other flags than usual. The ids of those that are no word pieces follow the last.

    Attributes:
        vocab: All tokens, by id.
        pieces: The word pieces, by id.

    Raises:
        InputError: When a piece is repeated, a special token is missing, or the id of an added
            token is taken or leaves a gap.

    Example:
        >>> tokenizer = WordPieceTokenizer.from_vocab("vocab.txt")
        >>> tokenizer.encode("A fine film", "great fun").tokens
        ['[CLS]', 'a', 'fine', 'film', '[SEP]', 'great', 'fun', '[SEP]']
    """

    def __init__(
        self,
        vocab: Iterable[str],
        casing: Casing = Casing(),
        files: TokenizerFiles = TokenizerFiles(),
        added: Iterable[AddedToken] = (),
    ) -> None:
        self.pieces = list(vocab)
        self.casing = casing
        self.files = files
        self.added = tuple(sorted(added, key=lambda token: token.id))
        vocabulary.check_vocabulary(self.pieces)
        self._parts = Parts(self.pieces, casing, files, self.added)
        self.vocab = with_added(self.pieces, self.added)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self.pieces.index(token) for token in vocabulary.SPECIAL_TOKENS
        )
        self.template = SequenceTemplate.bert(self.cls_id, self.sep_id)
        self._pipeline = make_pipeline(self.pieces, casing, self.added)
        self._chunks = ChunkTable(self.encode_chunks)
        self._ids_of_word: dict[str, list[int]] = {}

    @classmethod
    def from_vocab(cls, path: str | Path, casing: Casing = Casing()) -> Self:
        """A tokenizer from a ``vocab.txt``.

        Raises:
            InputError: When the file is not a BERT vocabulary.
            FileNotFoundError: When there is no such file.
        """
        return cls(vocabulary.read_vocabulary(path), casing)

    @classmethod
    def from_pretrained(cls, directory: str | Path, casing: Casing | None = None) -> Self:
        """A tokenizer from a model directory, as transformers reads it.

        The vocabulary is that of ``tokenizer.json``, else ``vocab.txt``; added tokens are those of
        ``tokenizer.json``, ``tokenizer_config.json``, ``special_tokens_map.json`` and
        ``added_tokens.json``. Google's own directories have ``vocab.txt`` alone; then the casing
        is guessed from the vocabulary and logged.

        Args:
            directory: The directory.
            casing: The casing, in place of what the files say of it.

        Raises:
            InputError: When one of the files cannot be used, or asks for other rules than BERT's.
            FileNotFoundError: When there is neither vocabulary.
        """
        return cls(*read_directory(Path(directory), casing))

    def save(
        self, directory: str | Path, positions: int | None = None, *, replace: bool = False
    ) -> None:
        """Write ``vocab.txt`` and ``tokenizer_config.json``, which transformers reads too.

        Files and keys that came with the tokenizer are written with it.

        Args:
            directory: Where; it must be there.
            positions: The longest sequence that the model has positions for: without
                ``model_max_length`` transformers' ``truncation=True`` cuts nothing.
            replace: Whether files of these names are replaced.

        Raises:
            InputError: When one is there and ``replace`` is false.
        """
        write_directory(Path(directory), self._parts, positions, replace=replace)

    def lowercased(self) -> Self:
        """The tokenizer of lower-cased text, accents as before; its ``save`` writes ``self``."""
        if self.casing.do_lower_case:
            return self
        strip = bool(self.casing.strip_accents)
        casing = replace(self.casing, do_lower_case=True, strip_accents=strip)
        files = replace(self.files, casing=self.casing)
        return type(self)(*self._parts._replace(casing=casing, files=files))

    @property
    def vocab_hash(self) -> str:
        """The SHA-256 of the vocabulary's lines, in hexadecimal."""
        return vocabulary.hash_vocabulary(self.pieces)

    @property
    def identity(self) -> dict[str, Any]:
        """The hash of the vocabulary, the casing and, where there are any, the added tokens."""
        added = {"added": [token.to_dict() for token in self.added]} if self.added else {}
        return {"vocab_hash": self.vocab_hash, "casing": self.casing.to_dict(), **added}

    @property
    def drops_marks(self) -> bool:
        """Tell whether combining marks are dropped with the accents."""
        return self.casing.drops_marks

    @cached_property
    def starts_word(self) -> np.ndarray:
        """A mask of the pieces that begin a word and so lack the "##", bool [V]."""
        return np.array([not piece.startswith(vocabulary.CONTINUATION) for piece in self.vocab])

    def __reduce__(self) -> tuple[Any, ...]:
        """The arguments for another process, which builds the library's pipeline anew."""
        return type(self), self._parts

    def encode_sentences(self, texts: list[str]) -> list[list[int]]:
        """The ids of many texts, without special tokens; the quick way for much text.

        The ids of a chunk between spaces do not depend on its neighbors, so each distinct chunk
        goes through the library once and is then remembered. Added tokens may reach across spaces:
        with them every text goes through whole.
        """
        texts = several_texts("texts", texts)
        if self.added:
            return [list(ids) for ids, _ in self._run_all(texts)]
        chunks: list[str] = []
        last = []  # the number of chunks up to and with each text
        for text in texts:
            chunks += (_DELETED.sub("", text) if _DELETED.search(text) else text).split()
            last.append(len(chunks))
        ids, lengths, _ = self._chunks.lookup(chunks)
        ends = np.concatenate([[0], np.cumsum(lengths)])[last].tolist()
        flat = ids.tolist()
        return [flat[start:end] for start, end in pairwise([0, *ends])]

    def encode_chunks(self, chunks: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of many short texts, one after another, without special tokens.

        Returns:
            The ids, int32 [T], and how many each text has, int32 [n].
        """
        words = [self._split_ascii(chunk) for chunk in chunks]
        if len(self._ids_of_word) > _MAX_WORDS:
            self._ids_of_word.clear()
        known = self._ids_of_word
        unseen = [w for w in dict.fromkeys(chain.from_iterable(words)) if w not in known]
        ids = chain.from_iterable(map(self._encode_block, in_blocks(unseen, len)))
        known.update(zip(unseen, ids, strict=True))
        rows = [[number for word in row for number in known[word]] for row in words]
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        return np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum())), lengths

    def _split_ascii(self, text: str) -> list[str]:
        """The words and marks of plain ASCII, where the rules are short; another text whole."""
        if "[" in text or not (text.isascii() and text.isprintable()):
            return [text]
        return _ASCII_WORD.findall(text.lower() if self.casing.do_lower_case else text)

    def _encode_block(self, texts: list[str]) -> Iterator[list[int]]:
        """The ids of texts, by the library, without special tokens."""
        groups = [texts[n : n + _GROUP] for n in range(0, len(texts), _GROUP)]
        encodings = self._pipeline.encode_batch_fast(
            groups, is_pretokenized=True, add_special_tokens=False
        )
        for group, encoding in zip(groups, encodings, strict=True):
            ids, numbers = encoding.ids, encoding.word_ids
            if None in numbers:  # there is a special token in one of the texts
                singles = self._pipeline.encode_batch_fast(group, add_special_tokens=False)
                yield from (single.ids for single in singles)
            else:
                ends = np.searchsorted(
                    np.array(numbers, int), np.arange(len(group)), side="right"
                ).tolist()
                yield from (ids[start:end] for start, end in pairwise([0, *ends]))
