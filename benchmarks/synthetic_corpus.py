"""A corpus of any size, made up: for measurements that do not depend on its content."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bert_keras.tokenization import SequenceTemplate

_TEMPLATE = SequenceTemplate.bert(cls_id=101, sep_id=102)


@dataclass(frozen=True)
class SyntheticTokenizer:
    """A stand-in for a tokenizer, as far as the data pipeline asks, with the numbers of BERT's."""

    vocab_size: int = 30_522
    template: SequenceTemplate = _TEMPLATE
    pad_id: int = 0
    mask_id: int = 103

    @property
    def starts_word(self) -> np.ndarray:
        """All word pieces but a fifth."""
        return np.arange(self.vocab_size) % 5 != 0


@dataclass(frozen=True)
class SyntheticCorpus:
    """Random ids in sentences of 5 to 49 tokens, 70 sentences a document."""

    tokens: np.ndarray
    sentence_offsets: np.ndarray
    documents: np.ndarray
    tokenizer: SyntheticTokenizer = SyntheticTokenizer()
    word_starts: np.ndarray | None = None

    @classmethod
    def make(cls, directory: Path, token_count: int) -> "SyntheticCorpus":
        """Write the arrays into ``directory`` and map them."""
        rng = np.random.default_rng(0)
        lengths = rng.integers(5, 50, size=token_count // 27)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        bounds = np.append(np.arange(0, len(lengths), 70), len(lengths))
        np.save(directory / "tokens.npy", rng.integers(999, 30_522, offsets[-1], dtype=np.uint16))
        np.save(directory / "sentence_offsets.npy", offsets)
        tokens, offsets = (
            np.load(directory / f"{name}.npy", mmap_mode="r")
            for name in ("tokens", "sentence_offsets")
        )
        return cls(tokens, offsets, np.stack([bounds[:-1], bounds[1:]], axis=1))
