"""Finding the sentences of a paragraph, in English and in Chinese.

The text is taken as chunks: what lies between spaces, and in Chinese every character by itself.
Whether a sentence ends after a chunk follows from the kind of this chunk and the kind of the next
one. So kinds are found once for each distinct chunk, and sentences by a look at a table.
"""

import re

import numpy as np

from bert_keras.tokenization.chunks import IDEOGRAPHS

_OPENING = "\"'“‘«([{「『（《【"
_CLOSING = "\"'”’»)]}」』）》】"
_MARKS = ".!?…"
_CHINESE_MARKS = "。！？｡"
_END_MARKS = _MARKS + _CHINESE_MARKS
# No sentence begins with one of the first, nor is it nothing but the second.
_BETWEEN = ",;:，、；："
_NO_SENTENCE = _END_MARKS + "”’»)]}」』）》】"
_CJK = IDEOGRAPHS
_CHINESE_OPENING = "“‘「『（《【"
# A number with its full stop; a run of marks with a Chinese one among them, and the quotes it
# closes; a Chinese character; whatever else has no space in it.
_CHUNK = re.compile(
    rf"[0-9０-９]{{1,2}}。(?![{_END_MARKS}{re.escape(_CLOSING)}])"
    rf"|[{_MARKS}]*[{_CHINESE_MARKS}][{_MARKS}{_CHINESE_MARKS}]*[{re.escape(_CLOSING)}]*"
    rf"|[{_CJK}]"
    rf"|[{_CHINESE_OPENING}]*[^\s{_CJK}{_CHINESE_MARKS}{_CHINESE_OPENING}]+"
    rf"|[{_CHINESE_OPENING}]+"
)
_BETWEEN_SPACES = re.compile(r"\S+")
_CHINESE_TEXT = re.compile(rf"[{_CJK}{_CHINESE_MARKS}]")
_CHINESE_LINE_END = re.compile(rf"(?<=[{_CJK}，。、；：！？]) (?=[{_CJK}])")

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
_WORD = re.compile(r"[\w']+")
_INITIAL = re.compile(r"[A-Z](\.[A-Z])*")
_ROMAN = re.compile("[IVX]+")

# How a chunk ends ...
_NO_END, _CHINESE_MARK, _MARK, _LIST_END, _TITLE, _NUMBERED, _ABBREVIATION = range(7)
_CHINESE_LIST_END = 7
# ... and how one begins; the kind of a chunk is 8 times the one plus the other.
_OTHER, _LOWER, _DIGIT, _FIRST_WORD, _CHINESE, _NEVER_FIRST = range(6)
# Whether a sentence ends between: a row for the chunk before, a column for the one after.
_ENDS = np.zeros((8, 8), bool)
_ENDS[[_CHINESE_MARK, _CHINESE_LIST_END]] = True
_ENDS[_MARK, [_OTHER, _DIGIT, _FIRST_WORD, _CHINESE]] = True
_ENDS[_LIST_END, [_OTHER, _DIGIT, _FIRST_WORD]] = True
_ENDS[_NUMBERED, [_OTHER, _FIRST_WORD, _CHINESE]] = True
_ENDS[_ABBREVIATION, _FIRST_WORD] = True
_ENDS[:, _NEVER_FIRST] = False


def split_paragraph(lines: list[str]) -> list[str]:
    """The sentences of a paragraph.

    Lines that are sentences already stay apart; lines that wrap at a margin are joined first.

    Args:
        lines: The paragraph's lines, without their ends.

    Returns:
        The sentences, white space within each reduced to single spaces; none is empty.
    """
    sentences = []
    for text in join_lines(lines):
        pattern = _CHUNK if _is_chinese(text) else _BETWEEN_SPACES
        spans = [match.span() for match in pattern.finditer(text)]
        kinds = chunk_kinds([text[start:end] for start, end in spans])
        first = 0
        for last in np.flatnonzero(sentence_ends(kinds, [len(spans)])).tolist():
            sentence = " ".join(text[spans[first][0] : spans[last][1]].split())
            sentences.append(_CHINESE_LINE_END.sub("", sentence))
            first = last + 1
    return sentences


def join_lines(lines: list[str]) -> list[str]:
    """The lines of a paragraph, as one text when they wrap at a margin."""
    lines = [stripped for line in lines if (stripped := line.strip())]
    return lines if len(lines) <= 1 or _are_sentences(lines) else [" ".join(lines)]


def split_chunks(text: str) -> list[str]:
    """The chunks of a text: neither their ids nor where sentences end need more context.

    The ids, that is, of a tokenizer that takes every Chinese character for a word.
    """
    return _CHUNK.findall(text) if _is_chinese(text) else text.split()


def chunk_kinds(chunks: list[str]) -> np.ndarray:
    """How each chunk begins and ends, uint8 [n], as ``sentence_ends`` reads it."""
    kinds = [8 * _end_kind(chunk) + _start_kind(chunk) for chunk in chunks]
    return np.array(kinds, np.uint8)


def sentence_ends(kinds: np.ndarray, text_ends: list[int] | np.ndarray) -> np.ndarray:
    """Whether each chunk is the last one of a sentence, bool [n].

    Args:
        kinds: The kinds of the chunks, uint8 [n].
        text_ends: The number of chunks up to and with each text; a sentence ends there too.
    """
    end, start = kinds >> 3, kinds & 7
    text_ends = np.asarray(text_ends, np.int64)
    last = np.zeros(len(kinds), bool)
    last[text_ends[text_ends > 0] - 1] = True
    ends = last.copy()
    ends[:-1] |= _ENDS[end[:-1], start[1:]]
    # "1.", "1。" and "A." at the head of a sentence are its number.
    heads = np.concatenate([[True], ends[:-1]])
    is_number = (end == _LIST_END) | (end == _CHINESE_LIST_END) | (end == _ABBREVIATION)
    return ends & ~(heads & is_number) | last


def ends_sentence(text: str) -> bool:
    """Whether a text ends in a sentence's last mark, quotes and brackets after it allowed."""
    body = text.rstrip().rstrip(_CLOSING).rstrip()
    return body != "" and body[-1] in _END_MARKS


def _are_sentences(lines: list[str]) -> bool:
    """Whether each line stands for itself: most end as sentences do, or they are not wrapped.

    Wrapped text fills its margin; where more than a third of the lines stay under half of the
    longest, they are not wrapped (one title, verse or tokenized sentence a line).
    """
    complete = [ends_sentence(line) for line in lines]
    if sum(complete) * 2 > len(lines):
        return not any(
            not end and following[:1].islower()
            for end, following in zip(complete, lines[1:], strict=False)
        )
    longest = max(map(len, lines))
    short = sum(len(line) * 2 < longest for line in lines[:-1])
    return short * 3 > len(lines) - 1


def _is_chinese(text: str) -> bool:
    return not text.isascii() and _CHINESE_TEXT.search(text) is not None


def _end_kind(chunk: str) -> int:
    body = chunk.rstrip(_CLOSING)
    if not body or body[-1] not in _END_MARKS:
        return _NO_END
    word = body.rstrip(_END_MARKS)
    marks = body[len(word) :]
    if any(mark in _CHINESE_MARKS for mark in marks):
        return _CHINESE_LIST_END if word else _CHINESE_MARK
    if marks != ".":
        return _MARK
    word = word[max(map(word.rfind, _OPENING)) + 1 :]
    lowered = word.lower()
    if lowered in _IS_TITLE:
        return _TITLE
    if lowered in _IS_BEFORE_NUMBERS:
        return _NUMBERED
    if lowered in _IS_MAY_END or (_INITIAL.fullmatch(word) and word != "I"):
        return _ABBREVIATION
    return _LIST_END if _is_list_number(word) else _MARK


def _is_list_number(word: str) -> bool:
    """Whether a word may number what follows: 1, (12, 2.3, IV."""
    before = word.rstrip("0123456789.")
    digits = word[len(before) :]
    if not digits:
        return _ROMAN.fullmatch(word) is not None
    return len(digits) <= 5 and not before[-1:].isalnum()


def _start_kind(chunk: str) -> int:
    if chunk[0] in _BETWEEN or not chunk.strip(_NO_SENTENCE):
        return _NEVER_FIRST
    body = chunk.lstrip(_OPENING)
    first = body[:1]
    if first.islower():
        return _LOWER
    if first.isdigit():
        return _DIGIT
    if _CHINESE_TEXT.match(first):
        return _CHINESE
    word = _WORD.match(body)
    return _FIRST_WORD if word and word.group().lower() in _IS_FIRST_WORD else _OTHER
