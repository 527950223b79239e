"""Tables of Arrow: Parquet files, and splits of the hub's data sets."""

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.errors import InputError, install_command, listed
from bert_keras.hub import DataName, load_split

PARQUET = "Parquet"
_ROWS = 1000  # that are Python objects at a time


@dataclass(frozen=True)
class ArrowTable:
    """Rows of named columns with types.

    Attributes:
        source: Its name, for messages.
        features: The type of each column, of the package ``datasets``.
        batches: A function from names of columns to their values, as tables of Arrow.
    """

    source: str
    features: Mapping[str, Any]
    batches: Callable[[list[str]], Iterator[Any]]

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The values of these columns in every row, as plain Python.

        Class labels are their names, None where the data set hides them (-1).

        Raises:
            InputError: When a value cannot be read.
        """
        before = 0
        for batch in self.batches(list(dict.fromkeys(columns))):
            try:
                rows = [
                    {name: _plain(self.features[name], values[name]) for name in columns}
                    for values in batch.to_pylist()
                ]
            except (UnicodeDecodeError, IndexError) as error:
                raise InputError(
                    f"{self.source}: a value of the rows {before + 1:,} to "
                    f"{before + batch.num_rows:,} is not of its column's type: {error}"
                ) from None
            before += len(rows)
            yield from rows


def is_parquet(source: str | Path) -> bool:
    """Tell by a source's name whether it is a Parquet file, or a glob of such files."""
    return Path(source).suffix.lower() == ".parquet"


def open_table(source: str) -> ArrowTable:
    """The table of a Parquet file, of a glob of them, or of a data set on the hub.

    Raises:
        InputError: When a package is missing, there is no such data set, or a file is not Parquet
            or has other columns than those before it.
    """
    name = DataName.of(source)
    if name is None:
        return _open_files(source)
    split = load_split(name)

    def batches(columns: list[str]) -> Iterator[Any]:
        return iter(split.select_columns(columns).with_format("arrow").iter(_ROWS))

    return ArrowTable(source, dict(split.features), batches)


def table_texts(source: str, text_column: str) -> Iterator[str]:
    """The texts of a table, in order.

    Args:
        source: As ``open_table`` takes it; a data set's name may name the column.
        text_column: The column, unless it is named.

    Raises:
        InputError: When there is no such column, or it is not of texts.
    """
    name = DataName.of(source)
    column = (name and name.column) or text_column
    table = open_table(source)
    texts = [key for key, feature in table.features.items() if _is_text(feature)]
    if column not in table.features:
        way = "hf:ORG/NAME:SPLIT:COLUMN or --text-column" if name else "--text-column (text_column)"
        raise InputError(
            f"{source} has no column {column!r}; its columns: {listed(list(table.features))}. "
            f"Name one: {way}"
        )
    if column not in texts:
        raise InputError(
            f"the column {column!r} of {source} is not text; columns that are: {listed(texts)}"
        )
    for number, values in enumerate(table.rows([column]), start=1):
        if values[column] is None:
            raise InputError(f"{source}, row {number} has nothing in the column {column!r}")
        yield values[column]


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", "") in ("string", "large_string", "string_view")


def _open_files(source: str) -> ArrowTable:
    """The table of one or several Parquet files, which have the same columns."""
    try:
        import datasets
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(
            f"reading {source} needs packages that are not installed ({error}): "
            f"{install_command('datasets')}"
        ) from None
    is_file = Path(source).exists() or not glob.has_magic(source)
    files = [source] if is_file else sorted(glob.glob(source, recursive=True))
    if not files:
        raise InputError(f"no file matches {source}")

    def opened(file: str) -> Any:
        try:
            return parquet.ParquetFile(file)
        except ArrowException as error:
            raise InputError(f"{file} is not a Parquet file: {error}") from None

    def features_of(file: str) -> dict[str, Any]:
        with opened(file) as found:
            return dict(datasets.Features.from_arrow_schema(found.schema_arrow))

    features = features_of(files[0])
    for file in files[1:]:
        if (other := features_of(file)) != features:
            raise InputError(
                f"{file} has other columns than {files[0]}, or of other types: "
                f"{listed(list(other))} and {listed(list(features))}; read them apart"
            )

    def batches(columns: list[str]) -> Iterator[Any]:
        for file in files:
            with opened(file) as found:
                try:
                    yield from found.iter_batches(_ROWS, columns=columns)
                except (ArrowException, OSError) as error:
                    reason = " ".join(str(error).split())
                    raise InputError(f"{file} is damaged: {reason}") from None

    return ArrowTable(source, features, batches)


def _plain(feature: Any, value: Any) -> Any:
    """A value in plain Python, a class label by its name."""
    if isinstance(value, dict):
        return {name: _plain(feature[name], item) for name, item in value.items()}
    if isinstance(value, list):
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        return [_plain(inner, item) for item in value]
    if value is not None and hasattr(feature, "int2str"):
        return None if value < 0 else feature.names[value]
    if isinstance(value, float) and getattr(feature, "dtype", "") in ("float16", "float32"):
        # Through its text it keeps the digits it was written with: 3.8, not 3.7999999523.
        return float(str(np.dtype(feature.dtype).type(value)))
    return value
