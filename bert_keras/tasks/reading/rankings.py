"""Queries, each with several documents and their labels, as one pair for each document."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.beir import HEADER, read_judgements, read_passages
from bert_keras.tasks.reading.columns import LABELS, quoted, shortened
from bert_keras.tasks.reading.groups import read_group_examples
from bert_keras.tasks.reading.named import named_rows
from bert_keras.tasks.reading.sources import (
    STANDARD_INPUT,
    DataSet,
    Place,
    and_more,
    id_column,
    is_data_set,
    is_json_lines,
    place,
    shown_name,
    string_of,
    suffix_of,
)
from bert_keras.tasks.reading.texts import TextExample

_logger = logging.getLogger("bert_keras")

QUERIES = ("query", "question", "anchor")
DOCUMENTS = ("documents", "docs", "passages")
_LABELS = ("labels", "scores", *LABELS)
_POSITIVES = ("positive", "pos")
_CORPUS, _QUERIES_FILE = "corpus.jsonl", "queries.jsonl"


def read_lists(
    source: str, ignored: tuple[str, ...] = (), labeled: bool = True
) -> list[TextExample] | None:
    """The pairs of a source whose rows are no pairs; None where they are.

    Three kinds of rows are known. ``query``, ``documents`` and ``labels``: lists of one length, in
    JSON lines. ``anchor`` or ``query``, ``positive`` and negatives, as ``read_group_examples``
    reads them: labels 1 and 0. BEIR's judgements, ``qrels/train.tsv`` or the like: their texts are
    those of ``corpus.jsonl`` and ``queries.jsonl`` in the same folder or the one above.

    Args:
        source: What ``named_rows`` takes. The rows of a pipe with a name are pairs.
        ignored: Further columns or fields, which are passed over.
        labeled: Whether lists must have ``labels``.

    Raises:
        InputError: When a name is unknown, missing or there twice, lists differ in length, or a
            text is empty; names the row. When pairs are given ``ignored``.
    """
    names = {name.strip().lower() for name in _first_names(source)}
    if names == set(HEADER):
        return _judged(source)
    if names.intersection(_POSITIVES):
        return [
            TextExample(group.anchor, text, label, _of_document(group.where, number))
            for group in read_group_examples(source, ignored)
            for number, (text, label) in enumerate(
                zip(group.texts[1:], "1" + "0" * len(group.negatives), strict=True)
            )
        ]
    has_lists = is_json_lines(source) or is_data_set(source) or source == STANDARD_INPUT
    if names.intersection(DOCUMENTS) and has_lists:
        return _lists(source, ignored, labeled)
    if ignored:
        raise InputError(
            f"{shown_name(source)} has pairs, whose other columns are passed over: leave out "
            f"data.ignore_columns (--ignore-column). Received: {listed(ignored)}"
        )
    return None


def by_query(examples: Sequence[TextExample]) -> list[TextExample]:
    """The pairs in the order of their queries' first ones, each pair once; a warning counts others.

    Queries and documents of BEIR are told apart by their ids, so that two may have one text.

    Raises:
        InputError: When a pair has two labels, or there is no document; names the row.
    """
    lists: dict[str, dict[str, TextExample]] = {}
    again = []
    for example in examples:
        if example.text_pair is None:
            raise InputError(
                f"{example.where} has one text; a ranker reads two, such as the columns 'query' "
                "and 'document'"
            )
        query, document = _names(example)
        first = lists.setdefault(query, {}).setdefault(document, example)
        if first is example:
            continue
        again.append(example.where)
        if _differ(first.label, example.label):
            raise InputError(
                f"{example.where} gives {quoted(example.text_pair)} the label {example.label} for "
                f"the query {quoted(example.text)}, and {first.where} gives it {first.label}; "
                "leave one out"
            )
    if again:
        _logger.warning(
            "%s: the pair was there before; it is read once%s", again[0], and_more(len(again) - 1)
        )
    return [example for documents in lists.values() for example in documents.values()]


def numbers_by_query(examples: Sequence[TextExample]) -> list[list[int]]:
    """The numbers of each query's examples."""
    found: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        found.setdefault(_names(example)[0], []).append(number)
    return [*found.values()]


def _names(example: TextExample) -> tuple[str, str]:
    """The query and the document of a pair: their ids in BEIR's judgements, else the texts."""
    ids = example.where.ids if isinstance(example.where, Place) else {}
    query, document, _ = HEADER
    return str(ids.get(query, example.text)), str(ids.get(document, example.text_pair))


def check_order(lists: Sequence[Sequence[float]]) -> None:
    """Refuse labels by which no ranking can be measured.

    Args:
        lists: The labels of each query's documents.

    Raises:
        InputError: When those of each query are equal, or none is above 0.
    """
    if not any(len(set(labels)) > 1 for labels in lists):
        raise InputError(
            "no query to score has documents with different labels, so that any order is as good: "
            "give relevant and other documents of each query"
        )
    if not any(max(labels) > 0 for labels in lists):
        raise InputError(
            "no label to score by is above 0, so that no document counts as relevant: give those "
            "that answer their query labels above 0"
        )


def _differ(label: str | None, other: str | None) -> bool:
    """Tell whether labels differ; 1 and 1.0 do not."""
    try:
        return float(label or "") != float(other or "")
    except ValueError:
        return label != other


def _first_names(source: str) -> Collection[str]:
    """The names in a source's first row; none where it has no names, or cannot be read."""
    if is_data_set(source):
        return DataSet(source).fields
    known = is_json_lines(source) or suffix_of(source) in (".csv", ".tsv")
    is_file = known and Path(source).is_file()  # a pipe can be read once
    if not (is_file or source == STANDARD_INPUT):
        return ()
    rows = named_rows(source, "", lambda names, where: names, lambda names: names)
    try:
        return next((names for _, names, _ in rows), ())
    except InputError:  # the reader of pairs says what is wrong
        return ()


@dataclass(frozen=True)
class _Fields:
    """The fields of a row by their roles, ``labels`` perhaps empty; and those not read."""

    query: str
    documents: str
    labels: str
    others: tuple[str, ...]

    def describe(self) -> str:
        """The roles for the log."""
        roles = {"query": self.query, "documents": self.documents, "labels": self.labels}
        return ", ".join(f"{role} = {quoted(name)}" for role, name in roles.items() if name)


def _lists(source: str, ignored: tuple[str, ...], labeled: bool) -> list[TextExample]:
    """The pairs of rows with lists."""
    examples: list[TextExample] = []
    left_out: set[str] = set()
    rows = named_rows(
        source,
        "with 'query', 'documents' and 'labels'",
        lambda names, where: _fields_of(names, where, ignored, labeled),
        lambda fields: (fields.query, fields.documents, fields.labels),
    )
    for where, fields, values in rows:
        if not examples:
            passed = f"; passed over: {shortened(fields.others)}" if fields.others else ""
            _logger.info("%s: %s%s", shown_name(source), fields.describe(), passed)
        left_out.update(fields.others)
        examples += _pairs(values, fields, where)
    absent = [name for name in ignored if name not in left_out]
    if absent:
        raise InputError(f"{shown_name(source)} has no {listed(absent)} to leave out")
    return examples


def _fields_of(
    names: Sequence[str], where: str, ignored: Collection[str], labeled: bool
) -> _Fields:
    plain = {name.strip().lower(): name for name in names if name not in ignored}
    found = []
    for role in (QUERIES, DOCUMENTS, _LABELS):
        given = [plain[name] for name in dict.fromkeys(role) if name in plain]
        if len(given) > 1:
            raise InputError(f"{where} has {listed(given)}, which say the same; leave one out")
        if not given and (labeled or role is not _LABELS):
            raise InputError(f"{where} has no field {role[0]!r}; its fields: {listed(list(names))}")
        found += given or [""]
    query, documents, labels = found
    others = tuple(name for name in names if name not in found)
    unknown = [name for name in others if not (name in ignored or id_column([name]))]
    if unknown:
        raise InputError(
            f"{where} has {listed(unknown)}, which a ranking does not know; leave it out by "
            f"data.ignore_columns = [{quoted(unknown[0])}] (--ignore-column)"
        )
    return _Fields(query, documents, labels, others)


def _pairs(values: dict[str, Any], fields: _Fields, where: Place) -> list[TextExample]:
    """The pairs of a row."""
    query = string_of(values[fields.query], fields.query, where)
    documents = values[fields.documents]
    labels = values[fields.labels] if fields.labels else None
    for name, value in ((fields.documents, documents), (fields.labels, labels)):
        if name and not isinstance(value, list):
            raise InputError(
                f"{where}: the field {name!r} must be a list. Received: {type(value).__name__}"
            )
    labels = [None] * len(documents) if labels is None else labels
    if len(documents) != len(labels) or not documents:
        raise InputError(
            f"{where} must have a label for each document, and a document. Received: "
            f"{len(documents)} documents, {len(labels)} labels"
        )
    pairs = []
    for number, (document, label) in enumerate(zip(documents, labels, strict=True)):
        text = string_of(document, f"{fields.documents}[{number}]", where)
        if not (text.strip() and query.strip()):
            raise InputError(f"{where}: the query or {fields.documents}[{number}] is empty")
        if fields.labels and (isinstance(label, bool) or not isinstance(label, int | float)):
            raise InputError(
                f"{where}: {fields.labels}[{number}] must be a number. Received: {label!r:.60}"
            )
        label = str(label) if fields.labels else None
        pairs.append(TextExample(query, text, label, _of_document(where, number)))
    return pairs


def _of_document(where: str, number: int) -> Place:
    """The place of a document in a row of several, which count from 0, as those of ``rank``."""
    assert isinstance(where, Place)
    named = place(where, where.number, {where.id_name: where.id}, where.id_name)
    named.ids["document"] = number
    return named


def _judged(source: str) -> list[TextExample]:
    """The pairs that BEIR's judgements name."""
    here = Path(source).resolve().parent
    folder = next((each for each in (here, here.parent) if (each / _CORPUS).is_file()), None)
    if folder is None:
        raise InputError(
            f"{source} names texts of BEIR's {_CORPUS} and {_QUERIES_FILE} by their ids, which "
            f"must lie in {here} or {here.parent}"
        )
    documents, queries = (
        {str(passage.where.id): passage.text for passage in read_passages(str(folder / name))}
        for name in (_CORPUS, _QUERIES_FILE)
    )
    return [
        TextExample(queries[query], documents[document], str(score), where)
        for query, document, score, where in read_judgements(source, queries, documents)
    ]
