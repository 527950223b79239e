"""Write files and directories so that a crash leaves the old one or the new one, never half.

An existing file stays, unless the caller passes ``replace`` because the program wrote it. The
modes follow the umask.
"""

import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from bert_keras.contents import hash_file, hash_files, paths_below
from bert_keras.errors import InputError, errors_naming, refuse_unreadable
from bert_keras.signals import staying

# In a directory that may be replaced: the hash of each file of it.
WRITTEN_FILE = ".bert_keras.json"
_LONGEST = 200  # bytes of a name; a temporary name adds to them, and has 255 at most


def refuse_existing(path: Path) -> None:
    """Refuse a path at which there is anything, a broken link included.

    Raises:
        InputError: When there is something.
        OSError: When the name is impossible, such as one that is too long.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return
    clear_left_behind(path)  # of a process that was killed after the renaming
    raise InputError(f"{path} already exists; remove it or choose another name")


def is_utf8(name: str | Path) -> bool:
    """Tell whether the name of a file, which may be any bytes, is UTF-8."""
    return str(name).isascii() or os.fsencode(name).decode(errors="replace") == str(name)


def check_utf8(name: str | Path, why: str) -> None:
    """Refuse a name that is not UTF-8 by an ``InputError``, with ``why`` in its message."""
    if not is_utf8(name):
        raise InputError(f"{name} is not UTF-8, {why}; rename it, or give a link to it (ln -s)")


def check_replaceable(path: Path, *, whole: bool = False) -> None:
    """Check that a directory may be replaced: it holds nothing but files that bert_keras wrote.

    Raises:
        InputError: When it is not a directory, or has a file that bert_keras did not write or that
            has changed, or an unreadable folder; with ``whole`` also when one is missing.
    """
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise InputError(f"{path} is not a directory and stays as it is; choose another name")
    try:
        written = dict(json.loads((path / WRITTEN_FILE).read_text(encoding="utf-8"))["written"])
    except (OSError, ValueError, TypeError, KeyError):
        written = {}
    for folder, folders, files in os.walk(path, onerror=refuse_unreadable):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for file in (Path(folder, name) for name in sorted((*files, *links))):
            own = written.get(file.relative_to(path).as_posix())  # first, as hashing takes long
            is_own = own is not None and not file.is_symlink() and own == hash_file(file)
            if not is_own and file != path / WRITTEN_FILE:
                raise InputError(
                    f"{file} is not what bert_keras wrote there and stays as it is; move it, or "
                    f"choose another name than {path}"
                )
    gone = [name for name in written or [WRITTEN_FILE] if not (path / name).exists()]
    if whole and gone:
        raise InputError(f"{path} is not as bert_keras wrote it: {gone[0]} is gone; move it away")


@contextmanager
def atomic_directory(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """A block that fills a temporary directory, which is renamed to ``path`` at its end.

    What killed processes left behind for the same ``path`` is removed first.

    Args:
        path: The final name. Its parents are made.
        replace: Whether to replace a directory that was written so too; of a link, its target.
            ``WRITTEN_FILE`` is then written into the new one.

    Raises:
        InputError: When ``path`` exists and ``replace`` is false or ``check_replaceable`` refuses
            it, or another process has made it meanwhile. What is there stays.
    """
    path = Path(os.path.realpath(path)) if replace and os.path.islink(path) else Path(path)
    with errors_naming(path):
        clear_left_behind(path)
        check_replaceable(path) if replace else refuse_existing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        temporary.mkdir()
    mode = S_IMODE(temporary.stat().st_mode)
    try:
        with staying(), _held(temporary):  # until it is renamed; else another would remove it
            with errors_naming(path, temporary):
                yield temporary
                if replace:
                    text = json.dumps({"written": hash_files(temporary)}, indent=2) + "\n"
                    (temporary / WRITTEN_FILE).write_text(text, encoding="utf-8")
            _settle(temporary, mode)
            if replace and path.exists():
                old = temporary.with_suffix(".old")
                with _held(path):
                    try:
                        path.rename(old)
                        temporary.rename(path)
                    finally:
                        if not path.exists():  # a signal came between the two
                            old.rename(path)
                        elif old.exists():
                            shutil.rmtree(old)
            else:
                _rename_to_new(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text_atomic(path: str | Path, text: str, *, replace: bool = False) -> None:
    """Write ``text`` as UTF-8 by ``atomic_file``."""
    write_bytes_atomic(path, text.encode("utf-8"), replace=replace)


def write_bytes_atomic(path: str | Path, data: bytes, *, replace: bool = False) -> None:
    """Write ``data`` by ``atomic_file``."""
    with atomic_file(path, replace=replace) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_file(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """A block that writes a file in a temporary folder, which is moved to ``path`` at its end.

    A library may itself write under another name first and rename: a killed process leaves what is
    in the folder alone.

    Args:
        path: The final name, which the file has in the folder, too. Its parents are made.
        replace: Whether to replace a file of that name; of a link, its target.

    Raises:
        InputError: When ``path`` exists and ``replace`` is false; it stays.
    """
    path = Path(os.path.realpath(path)) if replace and os.path.islink(path) else Path(path)
    with errors_naming(path):
        clear_left_behind(path)
        if not replace:
            refuse_existing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = _temporary(path)
        folder.mkdir()
        try:
            with staying(), _held(folder):
                temporary = folder / path.name
                temporary.touch(exist_ok=False)
                mode = S_IMODE(temporary.stat().st_mode)
                yield temporary
                temporary.chmod(mode)  # some libraries make it readable for its owner alone
                _sync(temporary)
                if replace:
                    temporary.replace(path)
                else:
                    _link_to_new(temporary, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """An unused hidden name in the folder of ``path``."""
    return path.with_name(f".{_stem(path)}.{secrets.token_hex(4)}.bert_keras.tmp")


def _stem(path: Path) -> str:
    name = os.fsencode(path.name)
    return path.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()


def _settle(directory: Path, mode: int) -> None:
    """Set the modes of all in a new directory by the umask, and sync it to the disk."""
    for path in (directory, *paths_below(directory)):
        if path.is_dir() and not path.is_symlink():
            path.chmod(mode)
        elif path.is_file() and not path.is_symlink():
            path.chmod(mode & 0o666)
            _sync(path)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a directory that is not empty, unless there is anything of that name."""
    if not os.path.lexists(path):  # else an empty directory would be replaced
        try:
            temporary.rename(path)
            return
        except OSError:  # another process may have made one that is not empty
            if not os.path.lexists(path):
                raise
    raise _appeared(path)


def _link_to_new(temporary: Path, path: Path) -> None:
    """Give a file its final name, unless there is anything of that name."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _appeared(path) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        refuse_existing(path)  # a file system without links
        temporary.rename(path)


def _appeared(path: Path) -> InputError:
    return InputError(f"{path} has appeared meanwhile and stays as it is; try once more")


def clear_left_behind(path: Path, stem: str | None = None) -> None:
    """Remove what killed processes left behind when they wrote ``path``.

    After a kill between two renames, an old directory gets its name back. Files that a living
    process holds stay.

    Args:
        path: The final name; of a link its target.
        stem: A glob of names to use instead, for all files of a kind.
    """
    path = Path(os.path.realpath(path))
    names = f".{stem or glob.escape(_stem(path))}.{'?' * 8}.bert_keras"
    for left in [*path.parent.glob(f"{names}.old"), *path.parent.glob(f"{names}.tmp*")]:
        with _held(left) as is_alone:
            if is_alone and left.suffix == ".old" and not path.exists():
                left.rename(path)
            elif is_alone and left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif is_alone:
                left.unlink(missing_ok=True)


def remove_directory(directory: Path, path: Path) -> None:
    """Remove a directory of the caller's own; after a kill ``clear_left_behind`` removes the rest.

    Args:
        directory: The directory, beside ``path``.
        path: The file that it was needed for.
    """
    temporary = _temporary(path)
    directory.rename(temporary)
    shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """A lock on a file or directory; False if another process has it or there are no locks."""
    if fcntl is None or not path.exists():
        yield False
        return
    descriptor = os.open(path, os.O_RDONLY)
    is_alone = False
    try:
        with suppress(OSError):  # held by another process, or a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        yield is_alone
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Sync a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
