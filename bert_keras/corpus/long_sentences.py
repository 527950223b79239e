"""Over-long sentences, from text without stops, cut so that none of it is lost.

A pair shows at most as many tokens as a sequence has room for, and cuts the rest off. So what the
text gives as one sentence of hundreds of tokens (speech, verse, a script without stops) is written
as several.
"""

import numpy as np

from bert_keras.tokenization import SubwordTokenizer, Tokenizer

MOST_TOKENS_READ = 512
"""Tokens of the longest sequence that a published BERT reads."""
LONGEST = {"auto": 128, "lines": MOST_TOKENS_READ}
"""Tokens of a sentence that is left whole: a found one is a guess, a line is what the user gave."""
PIECE = 64
"""Tokens that each piece of a longer one has at most, unless a single word has more."""

_CLAUSE_ENDS = frozenset(",;:!?…—–，、；：،؛。！？")


class SentenceCutter:
    """Cut over-long sentences, near the middle, until the pieces are short.

    A cut is made after a comma or another mark if there is one in the middle half, else between
    two words. An ideograph begins a word.

    Args:
        tokenizer: What made the ids.
        sentences: How the sentences were found, ``"auto"`` or ``"lines"``.
    """

    def __init__(self, tokenizer: Tokenizer, sentences: str) -> None:
        self._longest = LONGEST[sentences]
        vocab = tokenizer.words if isinstance(tokenizer, SubwordTokenizer) else tokenizer.vocab
        self._begins_word = tokenizer.starts_word
        self._is_plain = np.array([piece[:1].isalnum() for piece in vocab], bool)
        self._ends_clause = np.array([piece[-1:] in _CLAUSE_ENDS for piece in vocab], bool)
        self._begins_number = np.array([piece[:1].isdigit() for piece in vocab], bool)

    def __call__(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The ends of sentences and of their pieces.

        Args:
            tokens: ids [T].
            lengths: int64 [S], tokens in each sentence.

        Returns:
            int64 [at least S], ascending, the last one T: the ends of sentences, and of pieces.
        """
        ends = np.cumsum(lengths)
        cuts = [
            ends[row] - lengths[row] + self._cuts(tokens[ends[row] - lengths[row] : ends[row]])
            for row in np.flatnonzero(lengths > self._longest)
        ]
        return np.sort(np.concatenate([ends, *cuts])) if cuts else ends

    def _cuts(self, ids: np.ndarray) -> np.ndarray:
        before, after = ids[:-1], ids[1:]
        # "1,000" is one number, though three tokens. Behind a mark there may be no space.
        clauses = self._ends_clause[before] & ~self._begins_number[after]
        begins = self._begins_word[after] | clauses
        # Neither at an apostrophe nor at a hyphen. A piece with "##" does not begin with a letter,
        # so a word's last piece is allowed before the cut as well.
        words = begins & self._is_plain[after] & (self._is_plain | ~self._begins_word)[before]
        borders = [1 + np.flatnonzero(kind) for kind in (clauses, words, begins)]
        cuts = []
        ranges = [(0, len(ids))]
        while ranges:
            start, end = ranges.pop()
            cut = _middle(borders, start, end) if end - start > PIECE else None
            if cut is not None:
                cuts.append(cut)
                ranges += [(start, cut), (cut, end)]
        return np.array(cuts, np.int64)


def _middle(borders: list[np.ndarray], start: int, end: int) -> int | None:
    """The border nearest the middle, of the first kind that has one in the middle half; or any."""
    quarter = (end - start) // 4
    for kind, margin in [*((kind, quarter) for kind in borders), (borders[-1], 1)]:
        low, high = np.searchsorted(kind, [start + margin, end - margin + 1])
        if high > low:
            near = kind[low:high]
            return int(near[np.argmin(np.abs(2 * near - start - end))])
    return None
