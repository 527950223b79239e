"""Questions on texts: SQuAD's JSON, JSON lines, data sets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bert_keras.contents import json_object
from bert_keras.errors import InputError
from bert_keras.tasks.reading.columns import quoted
from bert_keras.tasks.reading.sources import (
    DataSet,
    Place,
    is_data_set,
    is_json_lines,
    open_source,
    place,
    read_objects,
    replace_bad,
    string_of,
)


@dataclass(frozen=True)
class QuestionExample:
    """A question and the text that may answer it.

    Attributes:
        id: The question's name in the data.
        question: The question.
        context: The text.
        answers: The right answers, each with the character of the context that it starts at, as in
            the data; empty where there is none or the data have no answers.
        is_impossible: Whether the context holds no answer (SQuAD 2.0): the data say so or have an
            empty list of answers. Null in its place says nothing, as if the field were missing.
        where: The place in the data for messages: "dev.json, question 56be4db0".
    """

    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]
    is_impossible: bool
    where: str


def read_question_examples(source: str, labeled: bool = True) -> list[QuestionExample]:
    """The questions of a source, in order.

    Offsets of answers are not checked against the context: published files have some that are
    wrong, and they count in the evaluation by their text alone.

    Args:
        source: A data set, as ``DataSet`` takes it, with SQuAD's fields; a ``.jsonl`` file of
            objects with ``question``, ``context`` and, as in the datasets library, ``answers``
            (``{"text": [...], "answer_start": [...]}``); or, by any other name, SQuAD's JSON,
            version 1.1 or 2.0. ``-`` is standard input.
        labeled: Whether they are to be learned from or scored. Else answers are not read, and a
            question or text may be empty or null.

    Raises:
        InputError: When a field is missing or of another type, a text is empty, or the source is
            not UTF-8 text in its format; names the question or the row.
    """
    if is_data_set(source):
        examples = list(_data_set(source, labeled))
    elif is_json_lines(source):
        records = read_objects(source, "with the fields 'question' and 'context'")
        examples = [
            _example(record, record, where, str(number), labeled)
            for number, (where, record) in enumerate(records, start=1)
        ]
    else:
        examples = list(_squad(source, labeled))
    if not examples:
        raise InputError(f"{source} holds no questions")
    return examples


def _data_set(source: str, labeled: bool) -> Iterator[QuestionExample]:
    data_set = DataSet(source)
    fields = [data_set.first_of(name) for name in ("question", "context")]
    fields += [data_set.first_of("answers")] if labeled else []
    fields += [name for name in ("id", "is_impossible") if name in data_set.fields]
    for number, (where, record) in enumerate(data_set.read(fields), start=1):
        yield _example(record, record, where, str(number), labeled)


def _squad(source: str, labeled: bool) -> Iterator[QuestionExample]:
    with open_source(source) as file:
        text = file.read()
    data = json_object(source, text, "with the field 'data', as SQuAD has it")
    number = 0
    for a, article in enumerate(_list(data, "data", source)):
        here = f"{source}, article {a + 1}"
        for p, paragraph in enumerate(_list(article, "paragraphs", here)):
            here = f"{source}, article {a + 1}, paragraph {p + 1}"
            for question in _list(paragraph, "qas", here):
                number += 1
                if not isinstance(question, dict):
                    raise InputError(f"{source}, question {number} must be a JSON object")
                name = f"{source}, question {question.get('id', number)}"
                where = place(name, number, question, "id")
                yield _example(question, paragraph, where, str(number), labeled)


def _list(record: Any, name: str, where: str) -> list[Any]:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, list):
        raise InputError(f"{where} has no list {name!r}, as SQuAD has it")
    return value


def _example(
    record: dict[str, Any], paragraph: dict[str, Any], where: Place, number: str, labeled: bool
) -> QuestionExample:
    question = _text(record, "question", where, labeled)
    context = _text(paragraph, "context", where, labeled)
    name = str(record.get("id", number))
    if not labeled:
        return QuestionExample(name, question, context, (), False, where)
    given = record.get("answers")
    answers = () if given is None else _answers(given, where)
    is_impossible = record.get("is_impossible", given is not None and not answers)
    if not isinstance(is_impossible, bool):
        raise InputError(f"{where}: 'is_impossible' must be true or false")
    text = next((text for text, _ in answers if text.strip()), "")
    if is_impossible and text:
        raise InputError(
            f"{where}: 'is_impossible' is true, but 'answers' has {quoted(text)}; a question "
            "without answer has an empty list there"
        )
    answers = () if is_impossible else answers
    return QuestionExample(name, question, context, answers, is_impossible, where)


def _text(record: dict[str, Any], name: str, where: str, labeled: bool) -> str:
    value = record.get(name)
    if value is None and name in record and not labeled:
        return ""
    text = string_of(value, name, where)
    if labeled and not text.strip():
        raise InputError(f"{where}: the {name} is empty")
    return text


def _answers(answers: Any, where: str) -> tuple[tuple[str, int], ...]:
    """The answers of SQuAD's list of objects, or of an object of lists."""
    lists = [answers]
    if isinstance(answers, dict):
        lists = [answers.get("text"), answers.get("answer_start")]
    if not all(isinstance(values, list) for values in lists):
        raise InputError(
            f"{where}: 'answers' must be a list, or an object with the lists 'text' and "
            f"'answer_start'; null says nothing of the answer. Received: {answers!r:.80}"
        )
    try:
        if isinstance(answers, dict):
            found = list(zip(*lists, strict=True))
        else:
            found = [(answer["text"], answer["answer_start"]) for answer in answers]
    except (KeyError, TypeError, ValueError):
        found = [(None, None)]
    if not all(isinstance(text, str) and type(start) is int for text, start in found):
        raise InputError(
            f"{where}: every answer must have 'text', a string, and 'answer_start', a whole number"
        )
    return tuple((replace_bad(text), start) for text, start in found)
