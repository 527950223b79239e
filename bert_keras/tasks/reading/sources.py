"""The sources of labeled data: lines, JSON objects, and data sets with typed columns."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from bert_keras.contents import json_object
from bert_keras.corpus.arrow import is_parquet, open_table
from bert_keras.corpus.decoding import SAMPLE_BYTES, ReadCounts, TextFile, open_text
from bert_keras.corpus.formats import JSON_LINES_SUFFIXES, suffix_of as suffix_of
from bert_keras.corpus.tfds import TFDS_PREFIX, find_builder, parse_spec, read_examples
from bert_keras.errors import InputError
from bert_keras.hub import DATA_PREFIX, DataName

_logger = logging.getLogger("bert_keras")

STANDARD_INPUT = "-"
# The names of the column with a row's id in published data sets, in lower case.
_IDS = ("id", "_id", "idx", "index", "guid", "uid", "uuid", "qid", "pairid", "pair_id", "sent_id",
        "example_id", "sentence_id", "text_id", "textid")  # fmt: skip


def is_data_set(source: str) -> bool:
    """Tell whether a source is a data set of TFDS or of the hub, or Parquet."""
    return source.startswith((TFDS_PREFIX, DATA_PREFIX)) or is_parquet(source)


def is_json_lines(source: str) -> bool:
    """Tell by a source's name whether it is a file of JSON lines."""
    return suffix_of(source) in JSON_LINES_SUFFIXES


def is_json_object(line: str) -> bool:
    """Tell whether a line is a JSON object, as no text is."""
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class Place(str):
    """The name of a place in the data, for messages: "train.tsv, row 17".

    Attributes:
        number: The row's number from 1; in SQuAD's JSON the question's.
        id: Its id in the data; None without one.
        id_name: The column or field of the id.
        ids: What answers to the row bear besides its number: ``{"id": ...}``, if it has a column
            for that; of a judgement the ids of the query and the document, of a row with several
            documents to rank the document's number.
    """

    number: int
    id: str | int | float | None
    id_name: str
    ids: dict[str, Any]


def place(name: str, number: int, values: Mapping[str, Any], id_name: str = "") -> Place:
    """A place by its name, with the id in ``values``."""
    result = Place(name)
    identity = values.get(id_name)
    known = isinstance(identity, str | int | float) and not isinstance(identity, bool)
    result.number, result.id, result.id_name = number, identity if known else None, id_name
    result.ids = {"id": result.id} if id_name else {}
    return result


def row(
    source: str, number: int, values: Mapping[str, Any] | None = None, id_name: str = ""
) -> Place:
    """A row of a source; rows count from 1, with a header and blank rows."""
    return place(f"{shown_name(source)}, row {number}", number, values or {}, id_name)


def id_column(names: Iterable[str]) -> str:
    """The first of a row's columns or fields that has a usual name for its id; "" without one."""
    return next((name for name in names if name.strip().lower() in _IDS), "")


def shown_name(source: str) -> str:
    """A source's name for messages."""
    return "standard input" if source == STANDARD_INPUT else source


@contextmanager
def open_source(source: str, warn: bool = True) -> Iterator[TextFile]:
    r"""The text of a file, packed or not, or of standard input, when it is "-".

    Only ``\n`` ends a line; a carriage return stays.

    A warning counts bytes that are not UTF-8, which become U+FFFD, unless ``warn`` is false: for a
    look at a source before it is read.

    Raises:
        InputError: When it is not UTF-8 text; when its end is read, as ``TextFile`` does.
    """
    counts = ReadCounts()
    raw: io.BufferedReader
    if source == STANDARD_INPUT:
        raw = io.BufferedReader(io.BytesIO(_all_of(sys.stdin.buffer)), SAMPLE_BYTES)
        path = Path(shown_name(source))
    else:
        raw = io.BufferedReader(io.FileIO(source), SAMPLE_BYTES)
        path = Path(source)
    with raw, open_text(path, raw, counts, newline="\n") as file:
        yield file
    if warn:
        counts.warn()


@lru_cache(maxsize=1)
def _all_of(stream: BinaryIO) -> bytes:
    """The contents of a stream, read once, so that a source can be looked at before it is read."""
    return stream.read()


def replace_bad(text: str) -> str:
    """The text with U+FFFD for bytes that are not UTF-8, as in a corpus."""
    return ReadCounts().replace_bad(text)


def string_of(value: Any, name: str, where: str) -> str:
    """The text of a field, with U+FFFD for bytes that are not UTF-8.

    Raises:
        InputError: When it is not a string.
    """
    if not isinstance(value, str):
        kind = "nothing" if value is None else type(value).__name__
        if isinstance(value, list):
            kind += f" of {len(value)}; two texts a row are two fields, such as text and text_pair"
        raise InputError(f"{where}: the field {name!r} must be a string. Received: {kind}")
    return replace_bad(value)


def read_source_lines(source: str, warn: bool = True) -> Iterator[str]:
    r"""The lines of a file or of standard input, without their ends, ``\n`` or ``\r\n``.

    A carriage return elsewhere is a character of the text; a warning counts the lines that have
    one, unless ``warn`` is false.

    Raises:
        InputError: When it is not UTF-8 text.
    """
    with_return = []
    with open_source(source, warn) as file:
        for number, line in enumerate(file, start=1):
            line = line.removesuffix("\n").removesuffix("\r")
            if "\r" in line:
                with_return.append(number)
            yield line
    if with_return and warn:
        _logger.warning(
            "%s: %s",
            row(source, with_return[0]),
            "a carriage return inside the line does not end it"
            + and_more(len(with_return) - 1)
            + "; if it should, convert the file: tr '\\r' '\\n'",
        )


def and_more(count: int) -> str:
    """The end of a message that names only the first of several places."""
    return f", and {count:,} more like it" if count > 0 else ""


def read_objects(
    source: str, needed: str, warn: bool = True
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The objects of JSON lines, each with its row's place; blank lines are skipped.

    Args:
        source: The file.
        needed: The fields that an object must have, for messages.
        warn: As in ``read_source_lines``.

    Raises:
        InputError: When a line is not a JSON object.
    """
    for number, line in enumerate(read_source_lines(source, warn), start=1):
        if line.strip():
            values = json_object(row(source, number), line, needed)
            yield row(source, number, values, id_column(values)), values


class DataSet:
    """A data set whose columns have types: of TFDS, of the hub, or Parquet.

    Args:
        source: ``tfds:NAME[/CONFIG][:SPLIT]`` or ``hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT]``, the
            split ``train`` unless it is named; or a ``.parquet`` file or a glob of them.

    Attributes:
        fields: The names of its fields.

    Raises:
        InputError: When there is no such data set, or a column is named in it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        name = DataName.of(source)
        is_tfds = source.startswith(TFDS_PREFIX)
        if parse_spec(source)[2] is not None if is_tfds else name and name.column:
            prefix = "tfds:NAME[/CONFIG]" if is_tfds else "hf:ORG/NAME[/CONFIG][@REVISION]"
            raise InputError(
                f"expected {prefix}[:SPLIT]; name a column by its own option or setting. "
                f"Received: {source}"
            )
        self._read: Callable[[list[str]], Iterator[dict[str, Any]]]
        if is_tfds:
            features, self._read = _tfds_values(source)
        else:
            table = open_table(source)
            features, self._read = table.features, table.rows
        self.fields = tuple(features)

    def first_of(self, *names: str) -> str:
        """The first of these fields that the data set has.

        Raises:
            InputError: When it has none.
        """
        found = next((name for name in names if name in self.fields), None)
        if found is None:
            raise InputError(
                f"{self._source} has no field {' or '.join(map(repr, names))}; its fields: "
                f"{', '.join(map(repr, self.fields))}"
            )
        return found

    def read(self, fields: Sequence[str]) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The fields of all examples as plain Python values, each with its row's place.

        Class labels are their names, None where the data set hides them (-1).

        Raises:
            InputError: When the data set cannot be made or has no such split.
        """
        name_of_id = id_column(fields)
        fields = [*dict.fromkeys(fields)]
        for number, values in enumerate(self._read(fields), start=1):
            yield row(self._source, number, values, name_of_id), values


def _tfds_values(
    source: str,
) -> tuple[Mapping[str, Any], Callable[[list[str]], Iterator[dict[str, Any]]]]:
    """The features of a TFDS data set, and a function from fields to all their values."""
    name, split, _ = parse_spec(source)
    builder = find_builder(name)
    features = dict(sorted(builder.info.features.items()))

    def read(fields: list[str]) -> Iterator[dict[str, Any]]:
        for example in read_examples(builder, name, split, fields):
            yield {field: _plain(features[field], example[field]) for field in fields}

    return features, read


def _plain(feature: Any, value: Any) -> Any:
    if isinstance(value, dict):
        # In a sequence of records every field is a sequence of its own.
        fields = getattr(feature, "feature", feature)
        return {name: _plain(fields[name], item) for name, item in value.items()}
    if isinstance(value, bytes):
        return replace_bad(value.decode("utf-8", errors="surrogateescape"))
    if getattr(value, "ndim", 0):
        return [_plain(getattr(feature, "feature", feature), item) for item in value]
    if hasattr(feature, "int2str"):
        return None if value < 0 else feature.int2str(int(value))
    # Through its text a float32 keeps the digits it was written with: 3.8, not 3.7999999523.
    return float(str(value)) if value.dtype.kind == "f" else value.item()
