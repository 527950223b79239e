"""Recipes: TOML into frozen dataclasses and back, strict about keys and types."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from bert_keras.config.checks import nearest
from bert_keras.errors import InputError
from bert_keras.files import check_utf8

T = TypeVar("T")

# Keys that name files. Leaving one out has a meaning of its own; an empty name is an error.
FILES = ("data.corpus", "data.train", "data.dev", "model.init", "tflite.prune_vocab")

# Marks the field that holds a table's other keys as they stand; their reader checks them.
OTHER_KEYS = {"other_keys": True}


def load_toml(cls: type[T], path: str | Path, overrides: Sequence[str] = ()) -> T:
    """The config that a recipe gives.

    A task's own keys of ``[data]`` are checked when the task is made, as ``finetune`` does first.

    Args:
        cls: The dataclass whose fields are the file's tables, such as ``PretrainConfig``.
        path: The TOML file.
        overrides: Settings such as ``"train.steps=200"``, which win over the file. The value is
            read as TOML, or as a plain string where it is not TOML.

    Raises:
        InputError: When the file is not TOML or sets nothing, or a key or value is not possible;
            names the file, and the overrides if there are any.
        FileNotFoundError: When there is no such file.

    Example:
        >>> config = load_toml(PretrainConfig, "pretrain.toml", ["train.steps=200"])
        >>> config.train.steps, config.data.corpus
        (200, 'corpus')
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    if not flat(values):  # a file that was cut to nothing is not to train a model of all defaults
        raise InputError(
            f"{path} sets nothing; write at least one key into it, as the recipes of configs/ do"
        )
    for override in overrides:
        check_utf8(override, "as TOML has to be")
        _apply_override(values, override)
    with naming_recipe(path, overrides):
        _check_names(values)
        return from_tables(cls, values)


@contextmanager
def naming_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Let errors in the block name the recipe, and the overrides if there are any."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{' --set '.join([str(path), *overrides])}: {error}") from None


def dump_toml(config: Any) -> str:
    """The resolved config as TOML; ``load_toml`` reads an equal config from it."""
    tables = to_tables(config)
    for name in FILES:
        table, key = name.split(".")
        if tables.get(table, {}).get(key) == "":
            del tables[table][key]
    return tomli_w.dumps(tables)


def from_tables(cls: type[T], tables: dict[str, Any], prefix: str = "") -> T:
    """The dataclass that nested tables stand for.

    Args:
        cls: The dataclass whose fields are the tables, such as ``PretrainConfig``.
        tables: The values by table and key, as a recipe's file has them.
        prefix: The beginning of names in messages: the table's dotted name and a dot.

    Raises:
        InputError: When a key or value is not possible.

    Example:
        >>> config = from_tables(PretrainConfig, {"train": {"steps": 1000}})
        >>> config.train.steps, config.train.batch_size
        (1000, 256)
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    every, types_of = {field.name: field for field in fields}, typing.get_type_hints(cls)
    others = next((name for name, field in every.items() if field.metadata == OTHER_KEYS), None)
    names = [name for name in every if name != others]
    given: dict[str, Any] = {}
    for name, value in tables.items():
        if name in names:
            given[name] = _convert(value, types_of[name], f"{prefix}{name}")
        elif others:
            given.setdefault(others, {})[name] = value
        else:
            raise InputError(f"unknown key {prefix}{name}; {nearest(name, names)}")
    for name in names:
        if name not in tables and _is_required(every[name]):
            raise InputError(f"{prefix}{name} is missing")
    return cls(**given)


def to_tables(config: Any) -> dict[str, Any]:
    """The resolved config as nested tables of plain values, without those that are ``None``."""
    tables: dict[str, Any] = _without_none(all_values(config))
    return tables


def all_values(config: Any) -> dict[str, Any]:
    """The values of a config's fields, those of nested configs as tables; tuples are lists."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata == OTHER_KEYS:
            values |= value
        elif isinstance(value, tuple):
            values[field.name] = [
                all_values(item) if dataclasses.is_dataclass(item) else item for item in value
            ]
        else:
            is_table = dataclasses.is_dataclass(value)
            values[field.name] = all_values(value) if is_table else value
    return values


def flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The values of tables in tables, by their names joined with dots.

    Example:
        >>> flat({"train": {"steps": 100}})
        {'train.steps': 100}
    """
    values: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, Mapping):
            values |= {f"{name}.{key}": below for key, below in flat(value).items()}
        else:
            values[name] = value
    return values


def _check_names(values: dict[str, Any]) -> None:
    """Refuse a key that names a file and has an empty value."""
    for name in FILES:
        table, key = name.split(".")
        given = values.get(table)
        value = given.get(key) if isinstance(given, dict) else None
        if isinstance(value, str) and not value.strip():
            raise InputError(f"{name} is an empty name; leave the key out, or name a file")


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    names = key.strip().split(".")
    if not separator or not all(names):
        raise InputError(
            f"--set takes table.key=value, as in train.steps=200. Received: {override!r}"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for name in names[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: {name} is not a table")
    values[names[-1]] = value


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _convert(value: Any, hint: Any, name: str) -> Any:
    """The ``value`` as a field's type, or an ``InputError``.

    A whole number serves where a float is meant, and where a name is: a column's or a label's.
    """
    if isinstance(hint, types.UnionType):  # X | None; or several kinds, which the class checks
        hint, *others = (kind for kind in hint.__args__ if kind is not types.NoneType)
        if others:
            return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{name} must be a table. Received: {value!r}")
        return from_tables(hint, value, f"{name}.")  # type: ignore[arg-type]
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} must be an array. Received: {value!r}")
        return tuple(_convert(item, hint.__args__[0], name) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and type(value) is int:
        return str(value)
    if type(value) is not hint:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        raise InputError(f"{name} must be {kinds[hint]}. Received: {value!r}")
    return value


def _without_none(value: Any) -> Any:
    """A value without the parts that are ``None``, as TOML has no null."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
