"""Byte-level BPE, Unigram and MPNet's word pieces, by the rules in a ``tokenizer.json``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer as LibraryTokenizer, normalizers

from bert_keras.errors import InputError, several_texts
from bert_keras.tokenization.added import AddedToken, PipelineNormalizer, check_findable, with_added
from bert_keras.tokenization.by_library import PipelineTokenizer
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.directory import TokenizerFiles
from bert_keras.tokenization.pipeline import add_tokens
from bert_keras.tokenization.settings import PIPELINE_FILE
from bert_keras.tokenization.subword_files import (
    SUBWORD_FILES,
    SubwordParts,
    read_parts,
    write_parts,
)
from bert_keras.tokenization.subword_parts import (
    adds_prefix_space,
    check_parts,
    drops_marks,
    hash_of,
    kind_of,
    library_tokenizer,
    lowers,
    unknown_id,
    vocabulary_of,
)
from bert_keras.tokenization.subword_template import template_of
from bert_keras.tokenization.subword_words import starts_of, texts_of
from bert_keras.tokenization.tokenizer import Encoding, Tokenizer, without_spaces

__all__ = ["SUBWORD_FILES", "SubwordTokenizer", "read_pieces"]


class SubwordTokenizer(PipelineTokenizer):
    """Text to ids and back by byte-level BPE or Unigram, with the rules of a ``tokenizer.json``.

    BPE as RoBERTa's (Radford et al. 2019, section 2.2), Unigram as XLM-R's (Kudo 2018), and the
    word pieces of MPNet, whose special tokens are RoBERTa's. Ids, tokens, types and offsets are
    those of transformers' tokenizer of the same files.

    Args:
        rules: ``tokenizer.json`` without its added tokens, as JSON.
        added: The added tokens, special ones among them.
        roles: The tokens by their roles: ``{"pad_token": "<pad>", "mask_token": "<mask>"}`` at
            least.
        files: The other settings of its directory, which ``save`` writes back.
        lowered: Whether text is lower-cased before the rules apply.
        source: The file of the rules, for messages.

    Attributes:
        kind: ``"BPE"``, ``"Unigram"`` or ``"WordPiece"``.
        vocab: All tokens, by id.
        template: The special tokens around texts, by the rules' post-processor.

    Raises:
        InputError: When a part of the rules cannot be taken, the id of an added token is taken
            or leaves a gap, or no token pads or masks.

    Example:
        >>> tokenizer = learn_subwords(["low lower lowest"] * 3, size=270)
        >>> tokenizer.encode("low lowest", "low").tokens
        ['<s>', 'low', 'Ġlowest', '</s>', '</s>', 'low', '</s>']
    """

    def __init__(
        self,
        rules: str,
        added: Iterable[AddedToken],
        roles: Mapping[str, str],
        files: TokenizerFiles = TokenizerFiles(),
        lowered: bool = False,
        source: Path = Path(PIPELINE_FILE),
    ) -> None:
        self.added = tuple(sorted(added, key=lambda token: token.id))
        self.roles, self.files = roles, files
        self._parts = SubwordParts(rules, self.added, roles, files, lowered, source)
        self._set_up(json.loads(rules))

    def _set_up(self, rules: dict[str, Any]) -> None:
        source = self._parts.source
        check_parts(source, rules)
        self.kind = kind_of(rules)
        self.vocab = with_added(vocabulary_of(source, rules["model"]), self.added)
        self._pipeline = self._make_pipeline(rules)
        ids = {token: number for number, token in enumerate(self.vocab)}
        self.pad_id, self.mask_id = (self._id_of(key, ids) for key in ("pad_token", "mask_token"))
        self.unk_id = unknown_id(rules["model"], ids)
        self.template = template_of(source, rules["post_processor"], ids)
        self.drops_marks = drops_marks(rules["normalizer"])
        self.adds_prefix_space = adds_prefix_space(rules)
        self._lowers = lowers(rules["normalizer"])

    @classmethod
    def from_pretrained(cls, directory: str | Path) -> Self:
        """A tokenizer from a model directory, as transformers reads it.

        It reads ``tokenizer.json``, else ``vocab.json`` and ``merges.txt``, or of an MPNet
        ``vocab.txt``.

        Args:
            directory: The directory.

        Raises:
            InputError: When a file cannot be used, or none is of these kinds.
        """
        parts = read_parts(Path(directory))
        if parts is None:
            raise InputError(
                f"{directory} has no tokenizer of byte-level BPE or Unigram: neither a "
                f"{PIPELINE_FILE} of these nor vocab.json with merges.txt"
            )
        return cls(*parts)

    def without_files(self) -> Self:
        """The tokenizer without the other files that came with it, such as ``merges.txt``."""
        files = replace(self.files, companions={})
        return type(self)(*self._parts._replace(files=files))

    def save(
        self, directory: str | Path, positions: int | None = None, *, replace: bool = False
    ) -> None:
        """Write ``tokenizer.json`` and what came with it; transformers reads them too.

        Args:
            directory: Where; it must be there.
            positions: The longest sequence that the model has positions for.
            replace: Whether files of these names are replaced.

        Raises:
            InputError: When one is there and ``replace`` is false.
        """
        plain = (
            self if not self._parts.lowered else type(self)(*self._parts._replace(lowered=False))
        )
        pipeline = plain._pipeline.to_str(pretty=True)
        write_parts(Path(directory), self._parts, pipeline, positions, replace=replace)

    def lowercased(self) -> Self:
        """The tokenizer of lower-cased text; its ``save`` writes ``self``."""
        if self._lowers or self._parts.lowered:
            return self
        return type(self)(*self._parts._replace(lowered=True))

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The kind, and hashes of the rules and of the added tokens with their roles."""
        added = [[token.to_dict() for token in self.added], self.roles]
        return {
            "kind": self.kind,
            "rules_hash": hash_of(json.loads(self._parts.rules)),
            "added_hash": hash_of(added),
            "lowered": self._parts.lowered,
        }

    @cached_property
    def starts_word(self) -> np.ndarray:
        """A mask of the tokens that begin a word, by a space or an ideograph, bool [V]."""
        return starts_of(self.kind, self.vocab, self.added)

    @cached_property
    def words(self) -> list[str]:
        """The tokens as text, by id, without the space before them."""
        return texts_of(self.kind, self.vocab, self.added)

    @property
    def joins_by_space(self) -> bool:
        """Tell whether a text behind another needs a space to be read as in one text with it."""
        return not self.adds_prefix_space

    @property
    def rules(self) -> dict[str, Any]:
        """``tokenizer.json`` without its added tokens."""
        return dict(json.loads(self._parts.rules))

    @property
    def lowered(self) -> bool:
        """Tell whether text is lower-cased before the rules apply."""
        return self._parts.lowered

    def __reduce__(self) -> tuple[Any, ...]:
        """The arguments for another process, which builds the library's pipeline anew."""
        return type(self), tuple(self._parts)

    def encode_words(self, texts: Sequence[str], max_length: int | None = None) -> list[Encoding]:
        """Many texts, with offsets that leave out the spaces at the ends of a token.

        They are those of ``encode`` where the rules trim offsets, as RoBERTa's do.
        """
        return [
            replace(encoding, offsets=[without_spaces(text, *pair) for pair in encoding.offsets])
            for text, encoding in zip(
                texts, self.encode_batch(texts, None, max_length), strict=True
            )
        ]

    def encode_sentences(self, texts: list[str]) -> list[list[int]]:
        """The ids of many texts, without special tokens."""
        return [list(ids) for ids, _ in self._run_all(several_texts("texts", texts))]

    def _make_pipeline(self, rules: dict[str, Any]) -> LibraryTokenizer:
        pipeline = library_tokenizer(self._parts.source, rules)
        if self._parts.lowered:
            steps = [normalizers.Lowercase()]
            steps += [] if pipeline.normalizer is None else [pipeline.normalizer]
            pipeline.normalizer = normalizers.Sequence(steps)
        check_findable(self.added, PipelineNormalizer(pipeline.normalizer), str(self._parts.source))
        add_tokens(pipeline, self.added)
        return pipeline

    def _id_of(self, role: str, ids: dict[str, int]) -> int:
        token = self.roles.get(role)
        if token is None or token not in ids:
            named = "names none" if token is None else f"names {token!r}, which it lacks"
            raise InputError(
                f"{self._parts.source}: a tokenizer needs a {role}; its "
                f"tokenizer_config.json {named}: name a token there"
            )
        return ids[token]


def read_pieces(folder: Path, casing: Casing | None) -> Tokenizer | None:
    """The tokenizer of these kinds of a directory; None where it has none.

    Args:
        folder: The directory.
        casing: None: text is normalized by the rules of the tokenizer's own files.

    Raises:
        InputError: When one of its files cannot be used, or a casing is given.
    """
    parts = read_parts(folder)
    if parts is None:
        return None
    if casing is not None:
        raise InputError(
            f"{folder} normalizes text by its own {PIPELINE_FILE}: leave the casing out"
        )
    return SubwordTokenizer(*parts)
