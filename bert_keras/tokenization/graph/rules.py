"""The host's rules, code point by code point: asked of the ``tokenizers`` library itself.

Normalising and splitting by BERT's rules regards one code point at a time, so a table that is
filled by asking the library once for each says all there is to say. What does regard several
(the order of combining marks, the length of words, special tokens) is in ``tokenizer``.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache

import numpy as np
from tokenizers import pre_tokenizers

from bert_keras.tokenization.casing import Casing

_SEPARATOR = "|"  # stays as it is and is part of nothing else's normal form
_CHUNK = 1_000  # the library's time for a text grows faster than its length
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

Spans = Callable[[str], tuple[np.ndarray, np.ndarray]]


class Kind(IntEnum):
    """What a character is to the splitting of words."""

    LETTER = 0  # part of a word
    SINGLE = 1  # a word of its own
    SPACE = 2  # between words


@lru_cache(maxsize=4)
def normal_forms(casing: Casing) -> dict[int, str]:
    """What the library's normaliser makes of every code point that it changes.

    What it puts between spaces stands between spaces here too.
    """
    asked = [c for c in CODE_POINTS if c != ord(_SEPARATOR)]
    text = _SEPARATOR.join(map(chr, asked))
    forms = casing.normalizer().normalize_str(text).split(_SEPARATOR)
    return {c: form for c, form in zip(asked, forms, strict=True) if form != chr(c)}


@lru_cache(maxsize=1)
def host_kinds() -> np.ndarray:
    """What the library's pre-tokeniser takes each code point for: ``Kind``, uint8 [0x110000]."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    def spans(text: str) -> tuple[np.ndarray, np.ndarray]:
        words = np.array([span for _, span in split(text)], np.int64)
        return words[:, 0], words[:, 1]

    return ask_kinds(spans, lambda character: 1)


def ask_kinds(spans: Spans, width: Callable[[str], int]) -> np.ndarray:
    """The kind of every code point by how a splitter divides a text with each after a letter.

    Args:
        spans: The splitter: gives where the words of a text start and end.
        width: How long a character is, in the units of the splitter.

    Returns:
        ``Kind`` by code point, uint8 [0x110000]; 0 for surrogates.
    """
    kinds = np.zeros(0x110000, np.uint8)
    for first in range(0, len(CODE_POINTS), _CHUNK):
        asked = CODE_POINTS[first : first + _CHUNK]
        widths = np.array([width(chr(c)) for c in asked], np.int64)
        places = np.concatenate([[0], np.cumsum(widths + 2)[:-1]]) + 1
        starts, ends = spans("".join(f"a{chr(c)}\n" for c in asked))
        alone, apart = np.isin(places, starts), np.isin(places, ends)
        kinds[asked] = np.where(alone, Kind.SINGLE, np.where(apart, Kind.SPACE, Kind.LETTER))
    return kinds
