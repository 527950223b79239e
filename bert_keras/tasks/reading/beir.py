"""Passages and judgements for retrieval: BEIR's three files, and texts in any format of ours.

Thakur et al. 2021, "BEIR: A Heterogenous Benchmark for Zero-shot Evaluation of Information
Retrieval Models": ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/test.tsv``.
"""

import logging
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.sources import (
    Place,
    and_more,
    is_json_lines,
    place,
    read_objects,
    read_source_lines,
    row,
    shown_name,
    string_of,
)
from bert_keras.tasks.reading.texts import read_text_examples

_logger = logging.getLogger("bert_keras")

_ID, _TITLE, _TEXT = "_id", "title", "text"
HEADER = ("query-id", "corpus-id", "score")
Blanks = Literal["kept", "left out", "refused"]


@dataclass(frozen=True)
class Passage:
    """A document or a query.

    Attributes:
        text: What is embedded: of BEIR's files the title, a space and the text.
        where: The place in the data; its ``number`` is the row, its ``id`` the id, if it has one.
    """

    text: str
    where: Place


def read_passages(
    source: str, text_column: str = "", header: bool | None = None, blanks: Blanks = "kept"
) -> list[Passage]:
    """The documents or queries of a source, in order.

    Args:
        source: JSON lines whose first object has an ``_id``, as BEIR's; or any source of
            ``read_text_examples``.
        text_column: The column of the text; by default one with a usual name.
        header: Whether a table's first row is its header; None means that it is found out.
        blanks: What is done with texts without a word: ``"kept"`` and ``"left out"`` with a
            warning, or ``"refused"``, as in BEIR's files always.

    Raises:
        InputError: When there is none, the source cannot be read, or has two texts a row, or a
            text is blank and must not be; of BEIR's files also when an id comes twice or is not a
            text.
    """
    if is_json_lines(source) and not text_column and _is_beir(source):
        return _read_beir(source)
    passages = []
    for example in read_text_examples(source, text_column, header=header, labeled=False):
        if example.text_pair is not None:
            raise InputError(
                f"{example.where} has two texts; name the column of the one to read: --text-column"
            )
        assert isinstance(example.where, Place)
        passages.append(Passage(example.text, example.where))
    empty = [passage.where for passage in passages if not passage.text.strip()]
    if not empty or blanks == "kept":
        _warn_of(empty, "its vector is that of no words")
        return passages
    if blanks == "refused":
        raise InputError(
            f"{empty[0]}: the text is empty, and nothing is like it: leave it "
            f"out{and_more(len(empty) - 1)}"
        )
    if len(empty) == len(passages):
        raise InputError(f"{shown_name(source)} has no text that is not blank")
    _warn_of(empty, "it is left out")
    return [passage for passage in passages if passage.text.strip()]


def _warn_of(empty: list[Place], what: str) -> None:
    """Warn of texts without a word, and say what is done with them."""
    if empty:
        _logger.warning("%s: the text is empty; %s%s", empty[0], what, and_more(len(empty) - 1))


class Judgement(NamedTuple):
    """The score of a document for a query, by their ids."""

    query: str
    document: str
    score: int
    where: Place


def read_judgements(
    source: str, queries: Container[str], documents: Container[str]
) -> list[Judgement]:
    """The judgements of a file as BEIR's ``qrels/test.tsv``.

    Args:
        source: A table of tabs with the header ``query-id``, ``corpus-id``, ``score``.
        queries: The ids of the queries.
        documents: The ids of the documents.

    Raises:
        InputError: When it holds no judgement, a row has other cells, names an unknown query or
            document, or judges once more, or a score is not a whole number.
    """
    judgements: dict[tuple[str, str], Judgement] = {}
    is_first = True
    for number, line in enumerate(read_source_lines(source), start=1):
        where = row(source, number)
        cells = line.split("\t")
        if is_first:
            if tuple(cell.strip() for cell in cells) != HEADER:
                raise InputError(
                    f"{where} must be the header of judgements, with tabs: {' '.join(HEADER)}. "
                    f"Received: {line!r:.60}"
                )
            is_first = False
        elif line.strip():
            query, document, score = _judgement(where, cells)
            if query not in queries:
                raise InputError(f"{where} judges for a query that is not there: {query!r:.60}")
            if document not in documents:
                raise InputError(f"{where} judges a document that is not there: {document!r:.60}")
            if (query, document) in judgements:
                raise InputError(
                    f"{where} judges {document!r:.60} for {query!r:.60} a second time; keep one"
                )
            named = place(f"{where} (query {query!r}, document {document!r})", number, {})
            named.ids = dict(zip(HEADER, (query, document), strict=False))
            judgements[query, document] = Judgement(query, document, score, named)
    if not judgements:
        raise InputError(f"{shown_name(source)} holds no judgement for any query")
    return [*judgements.values()]


def scores_by_query(judgements: Iterable[Judgement]) -> dict[str, dict[str, int]]:
    """The scores of judgements by query, then by document."""
    scores: dict[str, dict[str, int]] = {}
    for query, document, score, _ in judgements:
        scores.setdefault(query, {})[document] = score
    return scores


def _judgement(where: Place, cells: list[str]) -> tuple[str, str, int]:
    if len(cells) != len(HEADER):
        raise InputError(
            f"{where} must have {len(HEADER)} cells with tabs between them. Received: {len(cells)}"
        )
    query, document, score = (cell.strip() for cell in cells)
    digits = score.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise InputError(f"{where}: the score must be a whole number. Received: {score!r:.40}")
    return query, document, int(score)


def ids_of(passages: list[Passage]) -> list[str]:
    """The ids of passages, by which judgements name them.

    Raises:
        InputError: When one has none, or one comes twice.
    """
    seen: dict[str, Place] = {}
    for passage in passages:
        where = passage.where
        if where.id is None:
            raise InputError(f"{where} has no id, by which judgements could name it: {_ID!r}")
        if str(where.id) in seen:
            raise InputError(
                f"{where} has the id {where.id!r} of {seen[str(where.id)]}; give each its own"
            )
        seen[str(where.id)] = where
    return list(seen)


def _is_beir(source: str) -> bool:
    """Tell whether the first object of JSON lines has BEIR's id."""
    if not Path(source).is_file():  # a pipe can be read once
        return False
    return any(_ID in values for _, values in _first(source))


def _first(source: str) -> list[tuple[Place, dict[str, Any]]]:
    rows = read_objects(source, f"with {_ID!r} and {_TEXT!r}", warn=False)
    first = next(rows, None)
    return [first] if first else []


def _read_beir(source: str) -> list[Passage]:
    passages: list[Passage] = []
    for where, values in read_objects(source, f"with {_ID!r} and {_TEXT!r}"):
        missing = [name for name in (_ID, _TEXT) if name not in values]
        if missing:
            raise InputError(
                f"{where} has no field {missing[0]!r}; its fields: {listed(list(values))}"
            )
        identity = string_of(values[_ID], _ID, where)
        title = "" if values.get(_TITLE) is None else string_of(values[_TITLE], _TITLE, where)
        text = string_of(values[_TEXT], _TEXT, where)
        if not identity.strip():
            raise InputError(f"{where}: the field {_ID!r} is empty")
        if not (title.strip() or text.strip()):
            raise InputError(f"{where} has an empty text (_id {identity!r:.60}); leave it out")
        named = place(str(where), where.number, {_ID: identity}, _ID)
        passages.append(Passage(f"{title} {text}".strip(), named))
    ids_of(passages)
    return passages
