"""The words of Chinese text, for masking whole words.

To BERT's tokenizer every Chinese character is a word, so the ids of a finished corpus say what the
text was, and the segmenter ``jieba`` says where its words are (Cui et al. 2021, section 3.1:
whole-word masking for Chinese).
"""

import importlib.metadata
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from bert_keras.corpus import store
from bert_keras.corpus.processes import map_in_processes
from bert_keras.errors import InputError, install_command
from bert_keras.tokenization import Tokenizer

# The ideographs that jieba finds words in; it keeps everything else apart.
_FIRST, _LAST = "\u4e00", "\u9fd5"
_SPACE = ord(" ")
_BLOCK_SENTENCES = 1 << 13


def segmenter_version() -> str:
    """The segmenter and its version; another one may find other words.

    Raises:
        InputError: When jieba is not installed.
    """
    try:
        return f"jieba {importlib.metadata.version('jieba')}"
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "Chinese words need the package jieba, which is not installed; run "
            f"{install_command('zh')}"
        ) from None


def write_word_starts(
    directory: Path,
    tokenizer: Tokenizer,
    workers: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write whether each token begins a word, bool [T], into a corpus directory.

    Args:
        directory: Where ``tokens.npy`` and ``sentence_offsets.npy`` are.
        tokenizer: What made the ids, of word pieces.
        workers: Processes that segment; the result does not depend on it.
        on_progress: Called with the bytes of ``tokens.npy`` that are done, and those in all.
    """
    tokens = np.load(directory / store.TOKENS_FILE, mmap_mode="r")
    sentence_starts = np.load(directory / store.SENTENCE_OFFSETS_FILE, mmap_mode="r")[:-1]
    out = np.lib.format.open_memmap(
        directory / store.WORD_STARTS_FILE, mode="w+", dtype=bool, shape=tokens.shape
    )
    blocks = range(0, len(sentence_starts), _BLOCK_SENTENCES)
    starts = sentence_starts[::_BLOCK_SENTENCES].tolist()
    ends = [*starts[1:], len(tokens)]
    work = (
        (np.asarray(tokens[start:end]), sentence_starts[first:][:_BLOCK_SENTENCES] - start)
        for first, start, end in zip(blocks, starts, ends, strict=True)
    )
    with closing(map_in_processes(_segment, (tokenizer,), work, workers)) as results:
        for start, end, found in zip(starts, ends, results, strict=True):
            out[start:end] = found
            if on_progress:
                on_progress(end * tokens.itemsize, tokens.nbytes)
    out.flush()


class WordSegmenter:
    """The first tokens of words, by jieba in its accurate mode with the model for new words.

    Args:
        tokenizer: What made the ids, of word pieces.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._starts_word = tokenizer.starts_word
        self._characters = np.array([_character(piece) for piece in tokenizer.vocab], "<u4")
        self._cut = _load_cut()

    def __call__(self, tokens: np.ndarray, sentence_starts: np.ndarray) -> np.ndarray:
        """Find the tokens that begin a word.

        Args:
            tokens: ids [T], sentence after sentence.
            sentence_starts: int64 [S], the token that each sentence begins with, from 0.

        Returns:
            bool [T].
        """
        # A space before every sentence, and one for all that is not a Chinese character: jieba
        # takes each for a word of its own.
        text = np.insert(self._characters[tokens], sentence_starts, _SPACE)
        words = self._cut(text.tobytes().decode("utf-32-le"))
        lengths = np.fromiter(map(len, words), np.int64)
        starts = np.zeros(len(text), bool)
        starts[np.cumsum(lengths) - lengths] = True
        inserted = sentence_starts + np.arange(len(sentence_starts))
        return np.delete(starts, inserted) & self._starts_word[tokens]


def _load_cut() -> Callable[[str], Iterable[str]]:
    """``jieba.cut`` with a dictionary that was read from the package itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its regular expressions have invalid escapes
        import jieba
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # Else it would read the dictionary from a file in the common temporary folder, where anybody
    # may have put it.
    with tempfile.TemporaryDirectory() as private:
        tokenizer.tmp_dir = private
        tokenizer.initialize()
    cut: Callable[[str], Iterable[str]] = tokenizer.cut
    return cut


def _character(piece: str) -> int:
    """The code point of a piece that is one Chinese character, else a space's."""
    return ord(piece) if len(piece) == 1 and _FIRST <= piece <= _LAST else _SPACE


_Block = tuple[np.ndarray, np.ndarray]


def _segment(tokenizer: Tokenizer) -> Callable[[_Block], np.ndarray]:
    segmenter = WordSegmenter(tokenizer)
    return lambda block: segmenter(*block)
