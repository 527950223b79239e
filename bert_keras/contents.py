"""Read what files and folders hold; of JSON nothing is passed over: no key may come twice."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError, refuse_unreadable


class KeyTwiceError(Exception):
    """A key that comes twice in an object; RFC 8259 (section 4) leaves open which value counts.

    It is no ``ValueError``, as one of Python's readers may mean that more text is needed.
    """


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key comes twice, as ``object_pairs_hook`` of Python's readers.

    Raises:
        KeyTwiceError: When one does; Python's own would take the last.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise KeyTwiceError(f"the key {twice!r:.40} comes twice in an object; keep one of them")
    return values


def json_value(where: str, text: str) -> Any:
    """The value of a JSON text.

    Args:
        where: The text's place, for messages: a file, or a line of one.
        text: The text.

    Raises:
        InputError: When it is not JSON, or a key comes twice in an object.
    """
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        # A text of one line may be any line of a file.
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        reason = f"{error.msg} ({line}character {error.colno})"
    except KeyTwiceError as error:
        raise InputError(f"{where} is not clear: {error}") from None
    except ValueError as error:  # a number of thousands of digits
        reason = str(error)
    except RecursionError:
        reason = "too deeply nested"
    raise InputError(f"{where} is not valid JSON: {reason}")


def json_object(where: str, text: str, wanted: str = "") -> dict[str, Any]:
    """The JSON object that a text is.

    Args:
        where: As in ``json_value``.
        text: The text.
        wanted: What the object must have, for messages: "with the field 'text'".

    Raises:
        InputError: When it is not a JSON object, or a key comes twice in one.
    """
    value = json_value(where, text)
    if not isinstance(value, dict):
        kind = f"a JSON object {wanted}".rstrip()
        raise InputError(f"{where} must be {kind}. Received: {type(value).__name__}")
    return value


def read_json(path: str | Path) -> Any:
    """The value in a JSON file; raises as ``json_value`` does."""
    return json_value(str(path), _text(path))


def read_json_object(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file; raises as ``json_object`` does."""
    return json_object(str(path), _text(path))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None


def hash_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder and the folders in it, by its name there.

    Raises:
        InputError: When a folder cannot be read.
        OSError: When a file cannot be read.
    """
    files = [path for path in sorted(paths_below(folder)) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def paths_below(folder: Path) -> Iterator[Path]:
    """All files, folders and links in a folder and the folders in it; links are not followed.

    Raises:
        InputError: When a folder cannot be read, which ``rglob`` passes over.
    """
    for above, folders, files in os.walk(folder, onerror=refuse_unreadable):
        yield from (Path(above, name) for name in (*folders, *files))


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_target_outside(folder: Path, path: Path) -> str:
    """The place out of a folder to which a path in it leads by links; empty where it stays inside.

    Of a folder in the cache of ``huggingface_hub``, ``models--*/snapshots/COMMIT``, the ``blobs``
    of that cache count as inside: the model's own and, from version 2 of the client on, those that
    models share, to which the model's own are links.

    Args:
        folder: The folder, which may itself be a link.
        path: A path in it, which need not exist.
    """
    home, target = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    inside = [home]
    model = home.parent.parent
    if home.parent.name == "snapshots" and model.name.startswith("models--"):
        inside += [model / "blobs", model.parent / "blobs"]
    return "" if any(target.is_relative_to(place) for place in inside) else str(target)
