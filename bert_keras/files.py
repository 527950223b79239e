"""Writing files and directories so that a crash leaves the old one or the new one, never half."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bert_keras.errors import InputError


@contextmanager
def atomic_directory(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary directory that takes the name ``path`` when the block ends well.

    Args:
        path: The final name. Its parents are made.
        replace: Whether a directory that already has that name gives way.

    Raises:
        InputError: When ``path`` is there and ``replace`` is false.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise InputError(f"{path} already exists; remove it or choose another name")
    with _errors_naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes it private; the result should be as any directory
        with _errors_naming(path, temporary):
            yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            old = temporary.with_suffix(".old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Writes ``text`` as UTF-8 under a temporary name and renames it to ``path``."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Writes ``data`` under a temporary name and renames it to ``path``."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _errors_naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _errors_naming(path: Path, within: Path | None = None) -> Iterator[None]:
    """Makes an ``OSError`` name the user's path instead of none or a temporary one.

    Args:
        path: What the user asked for.
        within: Errors that name a path outside this folder are left as they are.
    """
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")
        if error.errno is None or (named and within and not named.startswith(str(within))):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


def _sync(path: Path) -> None:
    """Forces ``path`` (a file or a directory) to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
