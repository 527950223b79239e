"""Finding the sentences of a paragraph, in English and in Chinese."""

import re
from collections.abc import Iterator
from itertools import pairwise

_CLOSING = "\"'”’»)\\]}」』）》】"
_OPENING = "\"'“‘«(\\[{「『（《【"
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

# Where a sentence may end: English marks before a space, Chinese ones anywhere, and the ASCII
# marks that much Chinese is typed with between Chinese characters.
_CANDIDATE = re.compile(
    rf"[.!?…]+[{_CLOSING}]*(?=\s)"
    rf"|[。！？]+[{_CLOSING}]*"
    rf"|(?<=[{_CJK}])[.!?]+[”’」』）》】]*(?=[{_CJK}“‘「『（《【])"
)
_ENDS_SENTENCE = re.compile(rf"[.!?…。！？][{_CLOSING}\s]*$")
_NEXT_STARTS = re.compile(rf"\s*[{_OPENING}]*(\w?)")
_LAST_WORD = re.compile(rf"[{_OPENING}]*([^\s{_OPENING}]*)$")

# Words that a full stop belongs to, in lower case and without it. After a title the sentence goes
# on whatever follows.
_TITLES = """
    mr mrs ms mx dr prof hon rev fr st sr jr gen col lt sgt capt cmdr maj adm gov sen rep pres
    messrs mme mlle vol vols fig figs eq eqs secs ch pp vs cf viz e.g i.e eg ie approx ca ed eds
    trans jan feb apr jun jul aug sep sept oct nov dec mt ft
"""
# After these it goes on only before a number ("No. 5" is a number's, "No." is an answer) ...
_BEFORE_NUMBERS = "no nos p art mar sec"
# ... and after these only before a word that does not look like the first of a sentence.
_MAY_END = "etc inc ltd co corp bros dept univ assn al a.m p.m u.s u.k u.n d.c ph.d"
_FIRST_WORDS = """
    the a an this that these those it its he she they we you i his her their our in on at by for
    from to with as if when while after before since so but and or yet however there here what
    who how why where all some many most no not let now then thus
"""
_IS_TITLE = frozenset(_TITLES.split())
_IS_BEFORE_NUMBERS = frozenset(_BEFORE_NUMBERS.split())
_IS_MAY_END = frozenset(_MAY_END.split())
_IS_FIRST_WORD = frozenset(_FIRST_WORDS.split())
_NEXT_WORD = re.compile(rf"\s*[{_OPENING}]*([\w']+)")
_INITIAL = re.compile(r"^[A-Z](\.[A-Z])*$")


def split_paragraph(lines: list[str]) -> list[str]:
    """The sentences of a paragraph.

    Lines that are sentences already stay apart; lines that wrap at a margin are joined first.

    Args:
        lines: The paragraph's lines, without their ends.

    Returns:
        The sentences, white space within each reduced to single spaces; none is empty.
    """
    lines = [" ".join(line.split()) for line in lines]
    lines = [line for line in lines if line]
    if len(lines) <= 1 or _are_sentences(lines):
        return [sentence for line in lines for sentence in _split(line)]
    return list(_split(_join(lines)))


def ends_sentence(text: str) -> bool:
    """Whether a text ends in a sentence's last mark, quotes and brackets after it allowed."""
    return _ENDS_SENTENCE.search(text) is not None


def _are_sentences(lines: list[str]) -> bool:
    """Whether each line stands for itself: most end as sentences do, or they are not wrapped.

    Wrapped text fills its margin; where more than a third of the lines stay under half of the
    longest, they are not wrapped (one title, verse or tokenized sentence a line).
    """
    if sum(ends_sentence(line) for line in lines) * 2 > len(lines):
        return not any(
            not ends_sentence(line) and following[:1].islower()
            for line, following in pairwise(lines)
        )
    longest = max(map(len, lines))
    short = sum(len(line) * 2 < longest for line in lines[:-1])
    return short * 3 > len(lines) - 1


def _join(lines: list[str]) -> str:
    """Wrapped lines as one; Chinese has no space where a line ended."""
    text = " ".join(lines)
    return re.sub(rf"(?<=[{_CJK}，。、；：！？]) (?=[{_CJK}])", "", text)


def _split(text: str) -> Iterator[str]:
    start = 0
    for candidate in _CANDIDATE.finditer(text):
        if not _is_end(text, start, candidate):
            continue
        sentence = text[start : candidate.end()].strip()
        if sentence:
            yield sentence
        start = candidate.end()
    if rest := text[start:].strip():
        yield rest


def _is_end(text: str, start: int, candidate: re.Match[str]) -> bool:
    mark = candidate.group()
    if mark[0] in "。！？" or not text[candidate.end() : candidate.end() + 1].isspace():
        return True
    following = _NEXT_STARTS.match(text, candidate.end())
    first = following.group(1) if following else ""
    if first.islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    # A word is looked for in the last characters only: the whole text would make this quadratic.
    before = _LAST_WORD.search(text[max(start, candidate.start() - 40) : candidate.start()])
    word = before.group(1) if before else ""
    lowered = word.lower()
    if lowered in _IS_TITLE:
        return False
    if lowered in _IS_BEFORE_NUMBERS:
        return not first.isdigit()
    if lowered in _IS_MAY_END or (_INITIAL.match(word) and word != "I"):
        return _next_word(text, candidate.end()) in _IS_FIRST_WORD
    return True


def _next_word(text: str, position: int) -> str:
    match = _NEXT_WORD.match(text, position)
    return match.group(1).lower() if match else ""
