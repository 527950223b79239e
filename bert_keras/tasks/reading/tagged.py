"""Words with a tag each: CoNLL columns, CoNLL-U, JSON lines, data sets."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bert_keras.errors import InputError
from bert_keras.tasks.reading.columns import shortened
from bert_keras.tasks.reading.conll import NOTHING, WORDS, has_words, read_columns
from bert_keras.tasks.reading.sources import (
    DataSet,
    id_column,
    is_data_set,
    is_json_lines,
    read_objects,
    read_source_lines,
    replace_bad,
    row,
    shown_name,
)
from bert_keras.tasks.reading.word_columns import GivenColumns, tag_of
from bert_keras.tasks.reading.words import as_written, join_words, parts_of, split_words

_logger = logging.getLogger("bert_keras")

_MOST_COMPARED = 10_000  # sentences
_MANY_DIFFERENT = 0.2  # of the sentences
_FEW = 20  # so few different tags are always accepted
_TAGS = ("tags", "ner_tags", "ner", "labels", "upos", "pos_tags", "pos", "xpos")


@dataclass(frozen=True)
class TaggedExample:
    """A sentence of words.

    Attributes:
        words: The words.
        tags: A tag for each as in the data; None without tags.
        where: The place in the data for messages: "train.txt, row 17".
        text: The text of the words; by default ``join_words`` of them.
        starts: Where in the text each word starts, in characters.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    where: str
    text: str = ""
    starts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.starts:
            text, starts = join_words(self.words)
            object.__setattr__(self, "text", text)
            object.__setattr__(self, "starts", starts)

    @property
    def parts(self) -> list[list[tuple[int, int]]]:
        """The parts of each word that are tagged, as ranges of the text's characters.

        They are the words that raw text would have: of a word with CJK characters, each character.
        """
        return [
            [(start + first, start + last) for first, last in parts_of(word)]
            for word, start in zip(self.words, self.starts, strict=True)
        ]

    @classmethod
    def from_text(cls, text: str, where: str) -> Self:
        """The words of raw text, as ``split_words`` splits it, with their places."""
        spans = split_words(text)
        words = tuple(text[start:end] for start, end in spans)
        return cls(words, None, where, text, tuple(start for start, _ in spans))


def read_tagged_examples(
    source: str, word_column: str = "", tag_column: str = "", labeled: bool = True
) -> list[TaggedExample]:
    """The sentences of a source, in order.

    Args:
        source: A data set, as ``DataSet`` takes it; a ``.jsonl`` file of objects with ``tokens`` or
            ``words``, and ``tags`` or ``ner_tags``; or a file of columns as in CoNLL, separated
            by tabs or spaces, with a blank line after each sentence, CoNLL-U among them; ``-`` is
            standard input. ``-DOCSTART-`` lines and comments (``# ...`` before a sentence) are
            skipped. With one column the words are unlabeled.
        word_column: The column of the words: its number from 1 or its name, in JSON lines and data
            sets the field; by default FORM, or the first that does not number the words.
        tag_column: That of the tags; by default UPOS, or the last.
        labeled: Whether they are to be learned from or scored. Else tags are ignored, and a
            sentence of JSON lines may have no words, or empty ones.

    Raises:
        InputError: When a column has to be named, words and tags differ in number, the source holds
            raw text, or it is not UTF-8 text in its format; names the row.
    """
    given = GivenColumns(word_column, tag_column)
    if is_data_set(source) or is_json_lines(source):
        examples = list(_records(source, given, labeled))
    elif has_words(source, word_column):
        examples = list(_rows(source, given, labeled))
    else:
        raise InputError(
            f"{shown_name(source)} is read as raw text, which has no tags; columns of words and "
            "tags are read from a .conll file, or a .txt file whose lines end in tags; or set "
            "data.word_column"
        )
    if not examples:
        raise InputError(f"{shown_name(source)} holds no words")
    if labeled:
        _check_distinct(source, examples)
    return examples


def note_on_raw_text(examples: Sequence[TaggedExample]) -> None:
    """Log how many sentences would have other words if they were raw text.

    Raw text is answered worse by a model that learned from other words.
    """
    different, first = 0, ""
    compared = examples[:: max(1, len(examples) // _MOST_COMPARED)]
    for example in compared:
        text = as_written(example.words)
        raw = [text[start:end] for start, end in split_words(text)]
        parts = [example.text[start:end] for word in example.parts for start, end in word]
        if raw != parts:
            different += 1
            first = first or _difference(example.where, parts, raw)
    share = different / len(compared)
    if different:
        _logger.log(
            logging.WARNING if share > _MANY_DIFFERENT else logging.INFO,
            "in %.1f %% of the sentences raw text has other words (%s); predict reads the words "
            "themselves from CoNLL columns or from JSON lines with 'tokens'",
            100 * share,
            first,
        )


def _difference(where: str, words: Sequence[str], raw: Sequence[str]) -> str:
    """The first place where two ways to split a text differ."""
    at = next((n for n, pair in enumerate(zip(words, raw, strict=False)) if pair[0] != pair[1]), 0)
    return f"{where}: {' '.join(words[at : at + 2])!r:.40}, raw {' '.join(raw[at : at + 2])!r:.40}"


def _records(source: str, given: GivenColumns, labeled: bool) -> Iterator[TaggedExample]:
    """The examples of JSON lines or of a data set."""
    names: Sequence[str] = ()
    if is_data_set(source):
        data_set = DataSet(source)
        names = data_set.fields
        fields = [
            data_set.first_of(*([name] if name else usual))
            for name, usual in ((given.word, WORDS), (given.tag, _TAGS))[: 1 + labeled]
        ]
        if not labeled:
            fields.append(id_column(data_set.fields))
        records = data_set.read([name for name in fields if name])
    else:
        records = read_objects(source, "with the fields 'tokens' and 'tags'")
    word = tag = ""
    for where, record in records:
        found = _fields_of(record, given)
        if word:
            _check_same(where, [word, tag][: 1 + labeled], found)
        else:
            word, tag = found
            if given.tag and labeled and tag not in record:
                raise InputError(f"{where} has no field {tag!r}; its fields: {', '.join(record)}")
            example = _from_record(record, where, word, tag, labeled)
            words = f" ({example.words[0]!r:.40})" if example.words else ""
            tags = f", tag = {tag!r} ({example.tags[0]!r:.40})" if example.tags else ""
            read = (word, tag) if labeled else (word,)
            others = [name for name in names or record if name not in read]
            tags += f"; passed over: {shortened(others)}" if others else ""
            _logger.info("%s: word = %r%s%s", source, word, words, tags)
        yield _from_record(record, where, word, tag, labeled)


def _fields_of(record: dict[str, Any], given: GivenColumns) -> tuple[str, str]:
    """The fields of the words and of the tags in a record; no name where it has no tags."""
    word = given.word or next((name for name in WORDS if name in record), WORDS[0])
    tag = given.tag or next((name for name in _TAGS if record.get(name) is not None), "")
    return word, tag


def _check_same(where: str, read: Sequence[str], fields: Sequence[str]) -> None:
    """Refuse a row in which another field would be read if it were the first."""
    for name, own in zip(read, fields, strict=False):
        if own and own != name:
            before = f"of the rows before it {name!r} is read" if name else "no row before it does"
            raise InputError(
                f"{where} has {own!r}, which would be read, but {before}; give every row the same "
                "fields, or name those that are read: data.word_column and data.tag_column "
                "(--word-column, --tag-column)"
            )


def _from_record(
    record: dict[str, Any], where: str, word: str, tag: str, labeled: bool
) -> TaggedExample:
    words = _strings(record, word, where)
    if words is None and not labeled and word in record:
        words = ()  # null
    if words is None:
        raise InputError(
            f"{where} has no field {word!r}; its fields: {', '.join(record) or 'none'}"
        )
    if not labeled:
        return TaggedExample(words, None, where)
    tags = _strings(record, tag, where)
    if not words or not all(map(str.strip, words)):
        raise InputError(f"{where}: a word is empty" if words else f"{where} has no words")
    if tags is not None and len(tags) != len(words):
        raise InputError(f"{where} has {len(words)} words but {len(tags)} tags")
    if tags is not None and not all(map(str.strip, tags)):
        raise InputError(f"{where}: a tag is empty")
    return TaggedExample(words, tags, where)


def _strings(record: dict[str, Any], name: str, where: str) -> tuple[str, ...] | None:
    values = record.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        wrong = values[:8] if isinstance(values, list) else values
        raise InputError(
            f"{where}: the field {name!r} must be a list of strings: words, or the names of tags, "
            f"not their numbers. Received: {wrong!r:.80}"
        )
    return tuple(map(replace_bad, values))


def _rows(source: str, given: GivenColumns, labeled: bool) -> Iterator[TaggedExample]:
    """The examples of a file of columns."""
    columns = read_columns(source, list(read_source_lines(source)), given, labeled)
    count = len(columns.sentences)
    plural = "" if count == 1 else "s"
    _logger.info("%s: %d sentence%s, %s", shown_name(source), count, plural, columns.description)
    for sentence in columns.sentences:
        words, tags = [], []
        for number, cells in sentence:
            where = row(source, number)
            words.append(cells[columns.word])
            if not words[-1]:
                raise InputError(f"{where}: the word is empty")
            if columns.tag is None:
                continue
            tags.append(tag_of(cells[columns.tag], columns.key))
            if not tags[-1] or (columns.is_conllu and tags[-1] == NOTHING):
                raise InputError(f"{where}: the word {words[-1]!r:.40} has no tag")
        yield TaggedExample(tuple(words), tuple(tags) or None, row(source, sentence[0].number))


def _check_distinct(source: str, examples: Sequence[TaggedExample]) -> None:
    """Refuse tags that are nearly all different: they are words, lemmas or numbers."""
    tags = [tag for example in examples for tag in example.tags or ()]
    distinct = len(set(tags))
    if distinct > _FEW and 2 * distinct > len(tags):
        raise InputError(
            f"{source}: of {len(tags):,} tags {distinct:,} are different ({tags[0]!r:.40}), so "
            "they are not tags; name the column or field of the tags: data.tag_column"
        )
