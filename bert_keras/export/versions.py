"""Numbered folders, as TF Serving looks for them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.files import atomic_directory


@contextmanager
def next_version(path: Path) -> Iterator[Path]:
    """Yields a temporary folder that becomes the next number in ``path`` when the block ends well.

    TF Serving takes up whatever has a number for a name, the moment it is there; so a version
    gets its name when it is whole. When the block fails nothing is left behind.

    Raises:
        InputError: When ``path`` is a file, or a SavedModel itself.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the folder in which the versions are to be")
    if (path / "saved_model.pb").exists():
        raise InputError(f"{path} is a version itself; give the folder above it")
    is_new = not path.exists()
    numbers = [int(child.name) for child in path.glob("*") if child.name.isdecimal()]
    try:
        with atomic_directory(path / str(max(numbers, default=0) + 1)) as folder:
            yield folder
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the version is in it
                path.rmdir()
