"""What the data pipeline asks of a corpus."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bert_keras.tokenization import Tokenizer


class PretrainingCorpus(Protocol):
    """Documents of sentences of ids; ``bert_keras.corpus.Corpus`` is one.

    Attributes:
        tokens: An integer array [T], all sentences one after another; may be memory-mapped.
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        tokenizer: What made the ids. Asked for its template, ``vocab_size``, ``pad_id`` and
            ``mask_id`` and, where whole words are masked, for ``starts_word``.
        word_starts: bool [T], whether a token is the first of a word, where the corpus knows more
            than ``starts_word`` says (Chinese words of several characters); else None.
    """

    @property
    def tokens(self) -> npt.NDArray[Any]: ...  # noqa: D102
    @property
    def sentence_offsets(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def documents(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    @property
    def word_starts(self) -> npt.NDArray[np.bool_] | None: ...  # noqa: D102
