"""What the data pipeline asks of a corpus."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Vocabulary(Protocol):
    """The ids that mean something to the pipeline.

    Attributes:
        vocab_size: Ids are smaller than this.
        pad_id: The id of [PAD].
        cls_id: The id of [CLS].
        sep_id: The id of [SEP].
        mask_id: The id of [MASK].
    """

    @property
    def vocab_size(self) -> int: ...  # noqa: D102
    @property
    def pad_id(self) -> int: ...  # noqa: D102
    @property
    def cls_id(self) -> int: ...  # noqa: D102
    @property
    def sep_id(self) -> int: ...  # noqa: D102
    @property
    def mask_id(self) -> int: ...  # noqa: D102


class PretrainingCorpus(Vocabulary, Protocol):
    """Documents of sentences of word-piece ids; ``bert_keras.corpus.Corpus`` is one.

    Attributes:
        tokens: An integer array [T], all sentences one after another; may be memory-mapped.
        sentence_offsets: int64 [S+1]; sentence s is tokens ``offsets[s]`` to ``offsets[s+1]``.
        documents: int64 [D, 2], the half-open range of sentences of each document.
        continues_word: bool [vocab_size], whether a word piece goes on with the word before it
            ("##"). Asked for only where whole words are masked.
        word_starts: bool [T], whether a token is the first of a word, where the corpus knows more
            than ``continues_word`` says (Chinese words of several characters); else None.
    """

    @property
    def tokens(self) -> npt.NDArray[Any]: ...  # noqa: D102
    @property
    def sentence_offsets(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def documents(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def continues_word(self) -> npt.NDArray[np.bool_]: ...  # noqa: D102
    @property
    def word_starts(self) -> npt.NDArray[np.bool_] | None: ...  # noqa: D102
