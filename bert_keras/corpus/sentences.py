"""The sentences of a paragraph, in every script that marks their ends.

The text is read as chunks: what lies between spaces and, where marks need no space after them, as
in Chinese, every single character or mark. Whether a sentence ends after a chunk follows from
the kind of this chunk and the kind of the next one. So kinds are found once for each distinct
chunk, and sentences by a look at a table: one for text that begins sentences with capitals, another
for text that does not.
"""

import re

import numpy as np

from bert_keras.corpus.stops import LETTERS_BEFORE, MARKS, STOPS, STOPS_BEFORE_SPACE
from bert_keras.tokenization.chunks import IDEOGRAPHS

_OPENING = "\"'“‘«([{「『（《【"
_QUOTES = "\"'”’»」』"
_CLOSING = _QUOTES + ")]}）》】"
_ALL_STOPS = STOPS + STOPS_BEFORE_SPACE
_END_MARKS = MARKS + _ALL_STOPS
_END_MARK_SET = frozenset(_END_MARKS)
# No sentence begins with one of the first or consists of the second alone.
_BETWEEN = ",;:，、；：،؛"
_NO_SENTENCE = _END_MARKS + "”’»)]}」』）》】"
_CJK = IDEOGRAPHS
_CHINESE_OPENING = "“‘「『（《【"
_DECIMAL_STOP = "۔"  # of Urdu; between digits it is a decimal point
# A number with its stop; a run of marks with a stop among them, and the quotes it closes; a Chinese
# character; any other text without a space.
_CHUNK = re.compile(
    rf"\d{{1,2}}(?:(?!{_DECIMAL_STOP}\d)[{STOPS}])(?![{_END_MARKS}{re.escape(_CLOSING)}])"
    rf"|[{MARKS}]*[{STOPS}][{MARKS}{STOPS}]*[{re.escape(_CLOSING)}]*"
    rf"|[{_CJK}]"
    rf"|[{_CHINESE_OPENING}]*"
    rf"(?:[^\s{_CJK}{STOPS}{_CHINESE_OPENING}]+|(?<=\d){_DECIMAL_STOP}(?=\d))+"
    rf"|[{_CHINESE_OPENING}]+"
)
_BETWEEN_SPACES = re.compile(r"\S+")
_NEEDS_NO_SPACE = re.compile(rf"[{_CJK}{STOPS}]")
_CHINESE_LINE_END = re.compile(rf"(?<=[{_CJK}，。、；：！？]) (?=[{_CJK}])")

# Words that a full stop belongs to, in lower case and without it. After a title the sentence always
# continues.
_TITLES = """
    mr mrs ms mx dr prof hon rev fr st sr jr gen col lt sgt capt cmdr maj adm gov sen rep pres
    messrs mme mlle vol vols fig figs eq eqs secs ch pp vs cf viz e.g i.e eg ie approx ca ed eds
    trans jan feb apr jun jul aug sep sept oct nov dec mt ft
"""
# After these it continues only before a number ("No. 5" is a number's, "No." is an answer) ...
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
_ROMAN = re.compile("[IVX]+|[ivx]+")

# How a chunk ends. A pause (dots, or the question in a quotation) is a mark that may as well be in
# the middle of a sentence; small initials and numbers count only where there are no capitals.
(_NO_END, _STOP, _STOP_LIST_END, _MARK, _PAUSE, _LIST_END, _TITLE, _NUMBERED, _ABBREVIATION,
 _SMALL_INITIAL, _SMALL_LIST_END) = range(11)  # fmt: skip
# How one begins; the kind of a chunk is 8 times the one plus the other.
_OTHER, _DIGIT, _CHINESE, _NEVER_FIRST, _CAPITAL, _FIRST_WORD, _SMALL, _SMALL_FIRST_WORD = range(8)
_CAPITALS, _SMALLS = [_CAPITAL, _FIRST_WORD], [_SMALL, _SMALL_FIRST_WORD]


def _end_table(has_capitals: bool) -> np.ndarray:
    """The chunks (rows) behind which a sentence ends, by the chunk that follows (columns)."""
    ends = np.zeros((11, 8), bool)
    first = [_OTHER, *_CAPITALS] if has_capitals else [_OTHER, *_CAPITALS, *_SMALLS]
    ends[[_STOP, _STOP_LIST_END]] = True
    ends[_MARK, [*first, _DIGIT, _CHINESE]] = True
    ends[_PAUSE, [_OTHER, *_CAPITALS, _DIGIT, _CHINESE]] = True
    ends[_LIST_END, [*first, _DIGIT]] = True
    ends[_NUMBERED, [*first, _CHINESE]] = True
    ends[_ABBREVIATION, [_FIRST_WORD] if has_capitals else [_FIRST_WORD, _SMALL_FIRST_WORD]] = True
    ends[_SMALL_INITIAL] = ends[_MARK if has_capitals else _ABBREVIATION]
    ends[_SMALL_LIST_END] = ends[_MARK if has_capitals else _LIST_END]
    ends[:, _NEVER_FIRST] = False
    return ends


_ENDS = np.stack([_end_table(has_capitals=True), _end_table(has_capitals=False)])
# Whether a chunk may be the number of what follows: with capitals, without.
_NUMBERS = np.zeros((2, 11), bool)
_NUMBERS[:, [_LIST_END, _STOP_LIST_END, _ABBREVIATION]] = True
_NUMBERS[1, [_SMALL_INITIAL, _SMALL_LIST_END]] = True
# A small letter where a sentence may begin speaks against capitals, a capital three times for them.
_AGAINST_CAPITALS = np.zeros(8, np.int8)
_AGAINST_CAPITALS[_SMALLS], _AGAINST_CAPITALS[_CAPITALS] = 1, -3


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
        pattern = _CHUNK if _needs_no_space(text) else _BETWEEN_SPACES
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

    The tokenizer has to be one to which every Chinese character is a word.
    """
    return _CHUNK.findall(text) if _needs_no_space(text) else text.split()


def chunk_kinds(chunks: list[str]) -> np.ndarray:
    """The beginning and end of each chunk, uint8 [n], as ``sentence_ends`` reads them."""
    kinds = [8 * _end_kind(chunk) + _start_kind(chunk) for chunk in chunks]
    return np.array(kinds, np.uint8)


def sentence_ends(kinds: np.ndarray, text_ends: list[int] | np.ndarray) -> np.ndarray:
    """Tell of each chunk whether it is the last one of a sentence, bool [n].

    Each text shows whether it begins its sentences with capitals: it does not if at its beginning
    and after its marks there are more than three small letters to a capital.

    Args:
        kinds: The kinds of the chunks, uint8 [n].
        text_ends: The number of chunks up to and with each text; a sentence ends there too.
    """
    end, start = kinds >> 3, kinds & 7
    text_ends = np.asarray(text_ends, np.int64)
    last = np.zeros(len(kinds), bool)
    last[text_ends[text_ends > 0] - 1] = True
    opens = np.concatenate([[True], ((end == _MARK) | last)[:-1]])
    against = np.concatenate([[0], np.cumsum(_AGAINST_CAPITALS[start] * opens)])[text_ends]
    table = np.repeat(np.diff(against, prepend=0) > 0, np.diff(text_ends, prepend=0)).astype(
        np.int8
    )
    ends = last.copy()
    ends[:-1] |= _ENDS[table[:-1], end[:-1], start[1:]]
    # "1.", "1。" and "A." at the head of a sentence are its number.
    heads = np.concatenate([[True], ends[:-1]])
    return ends & ~(heads & _NUMBERS[table, end]) | last


def ends_sentence(text: str) -> bool:
    """Tell whether a text ends in a sentence's last mark, quotes and brackets after it allowed."""
    return _ends_in_mark(text.rstrip().rstrip(_CLOSING).rstrip())


def has_end_mark(text: str) -> bool:
    """Tell whether a text has a mark that may end a sentence."""
    return not _END_MARK_SET.isdisjoint(text)


def _ends_in_mark(body: str) -> bool:
    if body[-1:] in LETTERS_BEFORE:
        return body[-2:-1] in LETTERS_BEFORE[body[-1]]
    return body != "" and body[-1] in _END_MARKS


def _are_sentences(lines: list[str]) -> bool:
    """Tell whether each line is a sentence: most end as sentences do, or they are not wrapped.

    Wrapped text fills its margin; where more than a third of the lines stay under half of the
    longest, they are not wrapped (one title, verse or tokenized sentence a line). A line that
    begins with a small letter continues the one before, in text where others do not.
    """
    complete = [ends_sentence(line) for line in lines]
    if sum(complete) * 2 > len(lines):
        return all(line[:1].islower() for line in lines) or not any(
            not end and following[:1].islower()
            for end, following in zip(complete, lines[1:], strict=False)
        )
    longest = max(map(len, lines))
    short = sum(len(line) * 2 < longest for line in lines[:-1])
    return short * 3 > len(lines) - 1


def _needs_no_space(text: str) -> bool:
    return not text.isascii() and _NEEDS_NO_SPACE.search(text) is not None


def _end_kind(chunk: str) -> int:
    body = chunk.rstrip(_CLOSING)
    if not _ends_in_mark(body):
        return _NO_END
    if body[-1] in LETTERS_BEFORE:
        return _MARK
    word = body.rstrip(_END_MARKS)
    marks = body[len(word) :]
    if any(mark in _ALL_STOPS for mark in marks):
        return _STOP_LIST_END if word.isdigit() else _STOP
    if marks != ".":
        is_quoted = any(mark in _QUOTES for mark in chunk[len(body) :]) and "." not in marks
        return _PAUSE if is_quoted or not marks.strip(".…") else _MARK
    return _full_stop_kind(word[max(map(word.rfind, _OPENING)) + 1 :])


def _full_stop_kind(word: str) -> int:
    """The kind of a word with a full stop after it."""
    lowered = word.lower()
    if lowered in _IS_TITLE:
        return _TITLE
    if lowered in _IS_BEFORE_NUMBERS:
        return _NUMBERED
    if lowered in _IS_MAY_END:
        return _ABBREVIATION
    if lowered != "i" and all(len(letter) == 1 for letter in word.split(".")):
        if word.isupper():
            return _ABBREVIATION
        if word.islower():
            return _SMALL_INITIAL
    if _is_list_number(word):
        return _SMALL_LIST_END if word.islower() else _LIST_END
    return _MARK


def _is_list_number(word: str) -> bool:
    """Tell whether a word may number what follows: 1, (12, 2.3, IV."""
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
    if first.islower() or first.isupper():
        word = _WORD.match(body)
        is_first_word = word is not None and word.group().lower() in _IS_FIRST_WORD
        if first.islower():
            return _SMALL_FIRST_WORD if is_first_word else _SMALL
        return _FIRST_WORD if is_first_word else _CAPITAL
    if first.isdigit():
        return _DIGIT
    return _CHINESE if _NEEDS_NO_SPACE.match(first) else _OTHER
