"""Numbered folders, as TF Serving looks for them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.files import atomic_directory


@contextmanager
def next_version(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the next version of ``path`` and a folder that takes its name when all is well.

    TF Serving takes up whatever has a number for a name, the moment it is there; so a version
    gets its name when it is whole. When the block fails nothing is left behind.

    Raises:
        InputError: When ``path`` is a file or a SavedModel itself, or another process takes the
            number meanwhile.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the folder in which the versions are to be")
    if (path / "saved_model.pb").exists():
        raise InputError(f"{path} is a version itself; give the folder above it")
    is_new = not path.exists()
    numbers = [int(child.name) for child in path.glob("*") if child.name.isdecimal()]
    try:
        version = path / str(max(numbers, default=0) + 1)
        with atomic_directory(version) as folder:
            yield version, folder
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the version is in it
                path.rmdir()
