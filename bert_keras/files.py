"""Writing files and directories so that a crash leaves the old one or the new one, never half."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from bert_keras.errors import InputError

TEMPORARY_FILES = ".*.tmp"  # a glob


@contextmanager
def atomic_directory(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary directory that takes the name ``path`` when the block ends well.

    What killed processes left behind for the same ``path`` is cleared away first.

    Args:
        path: The final name. Its parents are made.
        replace: Whether a directory that already has that name gives way; of a link to one, what
            it leads to does.

    Raises:
        InputError: When ``path`` is there and ``replace`` is false; also when another process
            has made it by the end of the block. What is there stays as it is.
    """
    path = Path(path)
    if replace and path.is_symlink():
        path = Path(os.path.realpath(path))
    with _errors_naming(path):
        clear_left_behind(path)
        if path.exists() and not replace:
            raise InputError(f"{path} already exists; remove it or choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes it private; the result should be as any directory
        with _held(temporary):  # until it has its name, or another process takes it for left
            with _errors_naming(path, temporary):
                yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if replace and path.exists():
                old = temporary.with_suffix(".old")
                with _held(path):
                    try:
                        path.rename(old)
                        temporary.rename(path)
                    finally:
                        if not path.exists():  # a signal came in between
                            old.rename(path)
                        elif old.exists():
                            shutil.rmtree(old)
            else:
                _rename_to_new(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Writes ``text`` as UTF-8 under a temporary name and renames it to ``path``."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Writes ``data`` under a temporary name and renames it to ``path``."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary name for a file that becomes ``path`` when the block ends well.

    What a killed process leaves behind is called as ``TEMPORARY_FILES`` says.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _errors_naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Renames a directory that has something in it, unless there is anything of that name."""
    if not path.exists():  # as an empty directory would give way
        try:
            temporary.rename(path)
            return
        except OSError:  # what another process has made since does not
            if not path.exists():
                raise
    raise InputError(f"{path} has appeared meanwhile and stays as it is; try once more")


def clear_left_behind(path: Path) -> None:
    """Clears away what killed processes left behind as they wrote a directory ``path``.

    Where one was killed before the new directory had the name, the old one gets it back. What a
    process still holds stays as it is.
    """
    path = Path(os.path.realpath(path))
    names = f".{glob.escape(path.name)}.{'?' * 8}"
    for left in [*path.parent.glob(f"{names}.old"), *path.parent.glob(f"{names}.tmp")]:
        with _held(left) as is_ours:
            if is_ours and left.suffix == ".old" and not path.exists():
                left.rename(path)
            elif is_ours:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _held(directory: Path) -> Iterator[bool]:
    """Yields whether this process alone holds ``directory``; a kill lets go of it.

    False where the system cannot tell.
    """
    if fcntl is None or not directory.is_dir():
        yield False
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except OSError:  # held by another process, or a file system without locks
            is_ours = False
        yield is_ours
    finally:
        os.close(descriptor)


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
