"""A model's answers to the rows of a file, as tables, JSON lines and SQuAD's JSON."""

import csv
import io
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.files import refuse_existing, write_text_atomic
from bert_keras.tasks.answering import AnsweringTask
from bert_keras.tasks.reading import LABEL_SEPARATOR, Place
from bert_keras.tasks.task import Prediction

_logger = logging.getLogger("bert_keras")

Answers = Sequence[Prediction | None]

_SQUAD = ".json"
SUFFIXES = (".csv", ".tsv", ".jsonl", _SQUAD)
_NOT_IN_TABLES = ("nbest",)
_BREAK = re.compile(r"[\t\r\n]+")  # what a cell of a .tsv cannot have


def numbered(examples: Sequence[Any], answers: Answers) -> list[Prediction | None]:
    """The answers, each with its ``row`` and, where the data have one, its ``id``.

    Those of a ranker on BEIR's judgements have ``query-id`` and ``corpus-id``, on rows with several
    documents ``document``, the number.

    Args:
        examples: The examples. Where they know no place they count from 1.
        answers: The answer to each; None stays None.
    """
    rows = [_named(number, example) for number, example in enumerate(examples, start=1)]
    return [
        None if answer is None else name | answer
        for name, answer in zip(rows, answers, strict=True)
    ]


def check_is_new(path: Path) -> None:
    """Refuse a path that exists already, or whose suffix is not that of a format of answers.

    Raises:
        InputError: When the path exists, or the suffix is another.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: answers are written as {', '.join(SUFFIXES)}; choose one")
    refuse_existing(path)


def check_fits(path: Path, task: AnsweringTask) -> None:
    """Refuse SQuAD's format for a task that does not answer questions.

    Raises:
        InputError: When the format is SQuAD's and the task answers no questions.
    """
    if path.suffix.lower() == _SQUAD and not task.answers_questions:
        raise InputError(
            f"{path}: .json is SQuAD's format, for answers to questions, and the model's task is "
            f"{task.name}; choose .csv, .tsv or .jsonl"
        )


def write_answers(
    path: Path, task: AnsweringTask, examples: Sequence[Any], answers: Answers
) -> None:
    """Write the answers, under a temporary name first.

    A ``.jsonl`` has an object a line: row, id, text and the answer, whose fields are null for a
    row without text. A ``.csv`` (quoted) or ``.tsv`` (a tab or line end within a cell becomes a
    space) has a column for each field and for each label's score; several labels are joined by
    ``|``, other lists are JSON. A ``.json`` is what SQuAD's official scorers read: the answer to
    each question by its id, empty where there is none.

    Args:
        path: The file; its suffix says the format.
        task: The task.
        examples: The examples.
        answers: The answer to each, or None.

    Raises:
        InputError: When the file exists, or two questions have one id.
    """
    check_is_new(path)
    check_fits(path, task)
    suffix = path.suffix.lower()
    if suffix == _SQUAD:
        write_by_question(path, examples, [a["answer"] if a else "" for a in answers])
        return
    fields = list(dict.fromkeys(name for answer in answers if answer for name in answer))
    rows = [
        _named(number, example) | task.texts_of(example) | (answer or dict.fromkeys(fields))
        for number, (example, answer) in enumerate(zip(examples, answers, strict=True), start=1)
    ]
    if suffix == ".jsonl":
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    else:
        text = _table([_cells(row) for row in rows], suffix)
    write_text_atomic(path, text)


def write_by_question(path: Path, examples: Sequence[Any], values: Sequence[Any]) -> None:
    """Write a value for each question by its id, as SQuAD's official scorers read them.

    Raises:
        InputError: When the file exists, or two questions have one id.
    """
    check_is_new(path)
    result: dict[str, Any] = {}
    for number, (example, value) in enumerate(zip(examples, values, strict=True), start=1):
        name = example.id or str(number)
        if name in result:
            raise InputError(
                f"{example.where}: another question has the id {name!r}, and {path} tells "
                "questions apart by their ids; write a .jsonl"
            )
        result[name] = value
    write_text_atomic(path, json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _named(position: int, example: Any) -> dict[str, Any]:
    """The row and the ids of an example."""
    where = example.where
    if not isinstance(where, Place):
        return {"row": position}
    return {"row": where.number} | where.ids


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """A row's values as the cells of a table."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= {f"{name.removesuffix('s')}_{key}": cell for key, cell in value.items()}
        elif name == "labels" and value is not None:
            cells[name] = LABEL_SEPARATOR.join(value)
        elif isinstance(value, list):
            cells[name] = json.dumps(value, ensure_ascii=False)
        else:
            cells[name] = value
    return {name: value for name, value in cells.items() if name not in _NOT_IN_TABLES}


def _table(rows: Sequence[dict[str, Any]], suffix: str) -> str:
    # Fields that are null in a row without text are several columns in others.
    whole = {name for row in rows for name, value in row.items() if value is not None}
    columns = [n for n in dict.fromkeys(name for row in rows for name in row) if n in whole]
    file = io.StringIO(newline="")
    if suffix == ".csv":
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()
    changed = 0
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        cells = ["" if row.get(name) is None else str(row[name]) for name in columns]
        plain = [_BREAK.sub(" ", cell) for cell in cells]
        changed += plain != cells
        file.write("\t".join(plain) + "\n")
    if changed:
        _logger.info("%s rows had tabs or line ends in a cell: each became a space", changed)
    return file.getvalue()
