"""The host's rules, code point by code point, as the ``tokenizers`` library itself applies them.

Normalizing and splitting by BERT's rules depend on one code point at a time, so a table that the
library fills for each of them is complete. What depends on several is the order of combining marks
(here: ``mark_ranks``), the length of words, special tokens and added ones.
"""

from collections.abc import Callable, Sequence
from functools import cmp_to_key, lru_cache

import numpy as np
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.vocabulary import UNK

# Planes 4 to 13 are unassigned: their code points are letters that stay as they are.
CODE_POINTS = [
    *range(0xD800),
    *range(0xE000, 0x40000),
    *range(0xE0000, 0x110000),
]
# Planes 0, 1 and 14: the others hold no combining marks.
_MARK_PLANES = [c for c in CODE_POINTS if c < 0x20000 or 0xE0000 <= c < 0xF0000]

_SEPARATOR = "|"  # stays as it is and is part of nothing else's normal form
_CHUNK = 1_000  # the library's time for a text grows faster than its length
_HIGHEST_MARK = "\u0345"  # no mark is ordered behind it
_FOUND = "\x01"  # a token; neither a letter nor a space

# What a character is to the splitting of words: part of a word, a word of its own, between words.
LETTER, SINGLE, SPACE = range(3)

Spans = Callable[[str], tuple[np.ndarray, np.ndarray]]


@lru_cache(maxsize=4)
def normal_forms(casing: Casing) -> dict[int, str]:
    """The form that the library's normalizer gives every code point that it changes.

    Spaces that it puts around a character are kept.
    """
    asked = [c for c in CODE_POINTS if c != ord(_SEPARATOR)]
    forms = casing.normalizer().normalize_str(_SEPARATOR.join(map(chr, asked))).split(_SEPARATOR)
    return {c: form for c, form in zip(asked, forms, strict=True) if form != chr(c)}


@lru_cache(maxsize=1)
def host_kinds() -> np.ndarray:
    """The kind of each code point to the library's pre-tokenizer, uint8 [0x110000]."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    def spans(text: str) -> tuple[np.ndarray, np.ndarray]:
        words = np.array([span for _, span in split(text)], np.int64)
        return words[:, 0], words[:, 1]

    return ask_kinds(spans, lambda character: 1)


def ask_kinds(spans: Spans, width: Callable[[str], int]) -> np.ndarray:
    """The kind of every code point, by how a splitter divides a text with each after a letter.

    Args:
        spans: The splitter: gives where the words of a text start and end.
        width: How long a character is, in the units of the splitter.

    Returns:
        ``LETTER``, ``SINGLE`` or ``SPACE`` by code point, uint8 [0x110000]; 0 for surrogates.
    """
    kinds = np.full(0x110000, LETTER, np.uint8)
    for first in range(0, len(CODE_POINTS), _CHUNK):
        asked = CODE_POINTS[first : first + _CHUNK]
        widths = np.array([width(chr(c)) for c in asked], np.int64)
        places = np.concatenate([[0], np.cumsum(widths + 2)[:-1]]) + 1
        starts, ends = spans("".join(f"a{chr(c)}\n" for c in asked))
        alone, apart = np.isin(places, starts), np.isin(places, ends)
        kinds[asked] = np.where(alone, SINGLE, np.where(apart, SPACE, LETTER))
    return kinds


@lru_cache(maxsize=1)
def word_characters() -> list[int]:
    """The code points beside which a token of single words is not found."""
    finder, kept = _finder(single_word=True), []
    for first in range(0, len(CODE_POINTS), _CHUNK):
        asked = CODE_POINTS[first : first + _CHUNK]
        found = finder.encode("".join(f"{chr(c)}{_FOUND}\n" for c in asked))
        starts = {start for n, (start, _) in zip(found.ids, found.offsets, strict=True) if n}
        kept += [c for n, c in enumerate(asked) if 3 * n + 1 not in starts]
    return kept


@lru_cache(maxsize=1)
def space_characters() -> list[int]:
    """The code points that a token may take from before and behind it."""
    finder = _finder(lstrip=True)
    asked = [c for c in CODE_POINTS if chr(c).isspace()]  # the library's are among them
    starts = [finder.encode(f"a{chr(c)}{_FOUND}").offsets[-1][0] for c in asked]
    return [c for c, start in zip(asked, starts, strict=True) if start == 1]


def _finder(**flags: bool) -> tokenizers.Tokenizer:
    """A tokenizer that finds one token, of id 1, and knows nothing else."""
    finder = tokenizers.Tokenizer(models.WordPiece({UNK: 0}, unk_token=UNK))
    finder.add_tokens([tokenizers.AddedToken(_FOUND, normalized=False, **flags)])
    return finder


@lru_cache(maxsize=4)
def mark_ranks(casing: Casing) -> dict[int, int]:
    """The order of combining marks where the normalizer decomposes text and so orders them.

    Returns:
        For code points that do not end a run of marks: 0 where they are deleted before the marks
        are ordered, else the place of their combining class among all, from 1.
    """
    if not casing.drops_marks:
        return {}
    cleaned = normal_forms(Casing(False, strip_accents=False, tokenize_chinese_chars=False))
    ranks = {c: 0 for c, form in cleaned.items() if not form}
    marks = sorted(_marks(), key=cmp_to_key(_compare_marks))
    rank = 0
    for n, mark in enumerate(marks):
        if not n or _compare_marks(marks[n - 1], mark):
            rank += 1
        ranks[mark] = rank
    return ranks


def _marks() -> list[int]:
    """The code points that the library orders, but for the last in order."""
    asked = [c for c in _MARK_PLANES if c != ord(_SEPARATOR)]
    text = _SEPARATOR.join(f"a{_HIGHEST_MARK}{chr(c)}" for c in asked)
    ordered = normalizers.NFD().normalize_str(text).split(_SEPARATOR)
    pairs = zip(asked, ordered, strict=True)
    highest = ord(_HIGHEST_MARK)
    return [c for c, form in pairs if form[1] != _HIGHEST_MARK or c == highest]


def _compare_marks(first: int, second: int) -> int:
    """Compare marks: -1 if the library puts one before another, 1 behind it, 0 for neither."""
    order = normalizers.NFD().normalize_str
    first, second = (ord(order(chr(mark))[0]) for mark in (first, second))
    kept, swapped = f"a{chr(first)}{chr(second)}", f"a{chr(second)}{chr(first)}"
    return (order(kept) != kept) - (order(swapped) != swapped)


def kept_marks(casing: Casing) -> set[int]:
    """The combining marks that the normalizer keeps."""
    forms = normal_forms(casing)
    return {c for c, rank in mark_ranks(casing).items() if rank and forms.get(c) != ""}


def composed_marks(casing: Casing) -> dict[int, Sequence[int]]:
    """The code points that decompose into others and kept marks, and what into."""
    kept = set(map(chr, kept_marks(casing)))
    return {
        c: [ord(character) for character in form]
        for c, form in normal_forms(casing).items()
        if len(form) > 1 and not kept.isdisjoint(form)
    }
