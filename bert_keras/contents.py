"""Read what files and folders hold."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError, refuse_unreadable


def read_json_object(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file; ``InputError`` where it holds another value or is not JSON."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object. Received: {type(values).__name__}")
    return values


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
