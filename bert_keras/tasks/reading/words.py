"""The words of raw text, as tagged data sets part them."""

import re
import unicodedata
from collections.abc import Iterator

from bert_keras.tokenization.chunks import IDEOGRAPHS

_CHUNK = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")
_SAME = re.compile(r"(.)\1*")
_INITIALS = re.compile(r"(?:\w\.)+")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)


def split_words(text: str) -> list[tuple[int, int]]:
    """The words of a text, as half-open ranges of its characters.

    Words stand between spaces; punctuation at their edges is put apart, the same mark repeated as
    one word, and so is a final 's. Initials keep their stops, and the @ and # of tweets stay.
    Every CJK character is a word.
    """
    words: list[tuple[int, int]] = []
    for chunk in _CHUNK.finditer(text):
        words += _words(text, *chunk.span())
    return words


def _words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    first, last = start, end
    while first < last and is_mark(text[first]):
        first += 1
    while last > first and is_mark(text[last - 1]):
        last -= 1
    if first < last:
        if first > start and text[first - 1] in "@#":
            first -= 1
        if last < end and _INITIALS.fullmatch(text, first, last + 1):
            last += 1
    yield from (same.span() for same in _SAME.finditer(text, start, first))
    possessive = _POSSESSIVE.search(text[first:last])
    if possessive and possessive.start():
        yield first, first + possessive.start()
        yield first + possessive.start(), last
    elif first < last:
        yield first, last
    yield from (same.span() for same in _SAME.finditer(text, last, end))


def is_mark(character: str) -> bool:
    """Whether BERT's tokenizer splits at it."""
    if character.isascii():
        return not character.isalnum()
    return unicodedata.category(character).startswith("P")
