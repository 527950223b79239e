"""The words of raw text, split as in tagged data sets, and the text of words."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from bert_keras.tokenization.chunks import IDEOGRAPHS

_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
_WIDE = re.compile("[\u3001-\u303f\uff01-\uff65]")  # the punctuation of Chinese and Japanese
# Thai, Lao, Tibetan, Burmese, Khmer, kana: no spaces, but the tokenizer does not split the words.
_NO_SPACES = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
_CLITIC = re.compile(r"n['’]t|['’]\w+", re.IGNORECASE)
_CHUNK = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")
_SAME = re.compile(r"(.)\1*")
_INITIALS = re.compile(r"(?:\w\.)+")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)


def split_words(text: str) -> list[tuple[int, int]]:
    """The words of a text, as half-open ranges of its characters.

    Words are separated by spaces; punctuation at their edges is split off, a repeated mark as one
    word, and so is a final 's. Initials keep their stops, and tweets their @ and #. Every CJK
    character is a word.
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
    """Tell whether BERT's tokenizer splits at a character."""
    if character.isascii():
        return not character.isalnum()
    return unicodedata.category(character).startswith("P")


def parts_of(word: str) -> list[tuple[int, int]]:
    """Split a word with CJK characters as raw text would be, into ranges of its characters.

    The ranges are half-open; words of other scripts are whole.
    """
    if _IDEOGRAPH.search(word) is None:
        return [(0, len(word))]
    return split_words(word)


def join_words(words: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The text of words, and where each starts in it.

    Single spaces separate them, but for none next to Chinese characters and marks. The tokenizer
    reads the same either way.
    """
    return _joined(words, _is_unspaced)


def as_written(words: Sequence[str]) -> str:
    """The text of words much as people would write it.

    It has no spaces in scripts that have none, nor before "n't" and other clitics.
    """
    return _joined(words, lambda *pair: _is_unspaced(*pair) or _is_written_together(*pair))[0]


def _joined(
    words: Sequence[str], is_unspaced: Callable[[str, str], bool]
) -> tuple[str, tuple[int, ...]]:
    parts, starts, length = [], [], 0
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if number and not (before and word and is_unspaced(before, word)):
            parts.append(" ")
            length += 1
        starts.append(length)
        parts.append(word)
        length += len(word)
    return "".join(parts), tuple(starts)


def _is_unspaced(left: str, right: str) -> bool:
    edges = left[-1], right[0]
    return all(map(_stands_alone, edges)) and any(
        _IDEOGRAPH.match(edge) or _WIDE.match(edge) for edge in edges
    )


def _stands_alone(character: str) -> bool:
    """Tell whether BERT's tokenizer makes a character a token of its own."""
    return _IDEOGRAPH.match(character) is not None or is_mark(character)


def _is_written_together(left: str, right: str) -> bool:
    if _CLITIC.fullmatch(right):
        return True
    edges = left[-1], right[0]
    return any(map(_NO_SPACES.match, edges)) and all(
        _NO_SPACES.match(edge) or _stands_alone(edge) for edge in edges
    )
