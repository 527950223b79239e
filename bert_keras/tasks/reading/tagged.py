"""Words with a tag each: CoNLL columns, JSON lines, TFDS."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from bert_keras.errors import InputError
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    id_column,
    is_json_lines,
    is_tfds,
    read_objects,
    read_source_lines,
    replace_bad,
    row,
    suffix_of,
)
from bert_keras.tasks.reading.words import split_words

_WORDS = ("tokens", "words")
_TAGS = ("tags", "ner_tags", "ner", "labels")
_TAG = re.compile("O|[BI]-.+")
_DOCUMENT_START = "-DOCSTART-"


@dataclass(frozen=True)
class TaggedExample:
    """A sentence of words.

    Attributes:
        words: The words.
        tags: A tag for each, in IOB2: ``B-x`` begins an entity of type x, ``I-x`` goes on with
            it, ``O`` is outside; None where the data have none.
        where: The place in the data, for messages: "train.txt, row 17".
        text: The text that the words stand in; by default the words joined by single spaces.
        starts: Where in the text each word starts, in characters.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    where: str
    text: str = ""
    starts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.starts:
            starts, position = [], 0
            for word in self.words:
                starts.append(position)
                position += len(word) + 1
            object.__setattr__(self, "text", " ".join(self.words))
            object.__setattr__(self, "starts", tuple(starts))

    @classmethod
    def from_text(cls, text: str, where: str) -> Self:
        """The words of raw text, as ``split_words`` parts them, where they stand in it."""
        spans = split_words(text)
        words = tuple(text[start:end] for start, end in spans)
        return cls(words, None, where, text, tuple(start for start, _ in spans))


def has_words(source: str) -> bool:
    """Whether a source has its words parted, and so is no raw text.

    Raw are ``.csv`` files, standard input, ``.txt`` files whose first row has no tag, JSON lines
    and data sets that have neither ``tokens`` nor ``words``.
    """
    if is_tfds(source):
        return any(name in DataSet(source).fields for name in _WORDS)
    if is_json_lines(source):
        _, record = next(read_objects(source, "with a text or tokens"), ("", {}))
        return any(name in record for name in _WORDS)
    if suffix_of(source) == ".txt":
        cells = next(read_source_lines(source), "").split()
        return len(cells) > 1 and _TAG.fullmatch(cells[-1]) is not None
    return source != STANDARD_INPUT and suffix_of(source) != ".csv"


def read_tagged_examples(source: str, labelled: bool = True) -> list[TaggedExample]:
    """The sentences of a source, in order.

    An ``I-x`` that follows no x is taken as ``conlleval`` takes it, for the start of an entity.

    Args:
        source: ``tfds:NAME[/CONFIG][:SPLIT]``; a ``.jsonl`` file of objects with ``tokens`` or
            ``words``, and ``tags`` or ``ner_tags``; or, by any other name, a file of columns as
            CoNLL has them, parted by tabs or spaces: the word first, the tag last, a blank line
            after each sentence. ``-DOCSTART-`` lines and comments (``# ...`` before a sentence)
            are passed over. With one column, or without tags, the words are unlabelled. ``-`` is
            standard input.
        labelled: Whether they are to be learned from or scored. Else tags are passed over, and a
            sentence may have no words, or empty ones.

    Raises:
        InputError: When a tag is not IOB2, words and tags differ in number, or it is not UTF-8
            text in its format; names the row.
    """
    if is_tfds(source):
        examples = list(_data_set(source, labelled))
    elif is_json_lines(source):
        records = read_objects(source, "with the fields 'tokens' and 'tags'")
        examples = [_from_record(record, where, labelled) for where, record in records]
    else:
        examples = list(_columns(source))
    if not examples:
        raise InputError(f"{source} holds no words")
    return examples if labelled else [replace(example, tags=None) for example in examples]


def _data_set(source: str, labelled: bool) -> Iterator[TaggedExample]:
    data_set = DataSet(source)
    fields = [data_set.first_of(*_WORDS)]
    fields.append(data_set.first_of(*_TAGS) if labelled else id_column(data_set.fields))
    for where, record in data_set.read([name for name in fields if name]):
        yield _from_record(record, where, labelled)


def _from_record(record: dict[str, Any], where: str, labelled: bool) -> TaggedExample:
    words = _strings(record, _WORDS, where)
    if words is None and not labelled and any(name in record for name in _WORDS):
        words = ()  # null
    if words is None:
        raise InputError(
            f"{where} has no field 'tokens'; its fields: {', '.join(record) or 'none'}"
        )
    if not labelled:
        return TaggedExample(words, None, where)
    tags = _strings(record, _TAGS, where)
    if not words or not all(map(str.strip, words)):
        raise InputError(f"{where}: a word is empty" if words else f"{where} has no words")
    if tags is not None and len(tags) != len(words):
        raise InputError(f"{where} has {len(words)} words but {len(tags)} tags")
    for tag in tags or ():
        _check_tag(tag, where)
    return TaggedExample(words, tags, where)


def _strings(record: dict[str, Any], names: tuple[str, ...], where: str) -> tuple[str, ...] | None:
    name = next((name for name in names if record.get(name) is not None), None)
    if name is None:
        return None
    values = record[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"{where}: the field {name!r} must be a list of strings")
    return tuple(map(replace_bad, values))


def _columns(source: str) -> Iterator[TaggedExample]:
    words: list[str] = []
    tags: list[str] = []
    first, width = 0, 0
    for number, line in enumerate(read_source_lines(source), start=1):
        line = line.rstrip(" \t")
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) == 1:
            cells = re.split(" +", cells[0])
        if not line or cells[0].startswith(_DOCUMENT_START):
            if words:
                yield TaggedExample(tuple(words), tuple(tags) or None, row(source, first))
            words, tags = [], []
            continue
        if not words:
            is_row = len(cells) == (width or 2) and _TAG.fullmatch(cells[-1])
            if line.startswith("# ") and not is_row:
                continue
            first = number
        where = row(source, number)
        width = width or len(cells)
        if (width == 1) != (len(cells) == 1):
            raise InputError(
                f"{where} has {len(cells)} column{'s' if len(cells) > 1 else ''}, the first row "
                f"has {width}: a word and its tag are wanted. Received: {line!r:.80}"
            )
        if not cells[0]:
            raise InputError(f"{where}: the word is empty")
        words.append(cells[0])
        if width > 1:
            _check_tag(cells[-1], where)
            tags.append(cells[-1])
    if words:
        yield TaggedExample(tuple(words), tuple(tags) or None, row(source, first))


def _check_tag(tag: str, where: str) -> None:
    if not _TAG.fullmatch(tag):
        raise InputError(
            f"{where}: a tag must be O, B-TYPE or I-TYPE (IOB2). Received: {tag!r:.80}"
        )
