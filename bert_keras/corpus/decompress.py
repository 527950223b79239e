"""Files as streams of bytes, gzip and zstd unpacked on the way."""

import gzip
import importlib
import io
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError

PACKED_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BLOCK = 1 << 16


def open_unpacked(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    """The bytes of an open file, unpacked when it begins as gzip or zstd data does.

    Args:
        path: The file's name, for messages.
        file: The file, open at its start.

    Raises:
        InputError: When the name says that it is packed and it is not, when the package for zstd
            is missing and, while reading, when the data are cut short or damaged.
    """
    start = file.peek(4)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    named = PACKED_SUFFIXES.get(path.suffix.lower())
    if named not in (None, kind):
        raise InputError(f"{path} is not {named} data, as its name says; rename it if it is text")
    if kind is None:
        return file
    return io.BufferedReader(_Unpacked(path, kind, file), _BLOCK)


class _Unpacked(io.RawIOBase):
    """A packed file that is unpacked as it is read; what is wrong with it is an ``InputError``."""

    def __init__(self, path: Path, kind: str, file: io.BufferedReader) -> None:
        self._path, self._kind = path, kind
        self._file: Any
        self._errors: tuple[type[Exception], ...]
        if kind == "gzip":
            self._file, self._errors = gzip.GzipFile(fileobj=file), (gzip.BadGzipFile, zlib.error)
        else:
            zstd = _zstd_module(path)
            self._file, self._errors = zstd.ZstdFile(file), (zstd.ZstdError,)

    def readable(self) -> bool:
        """True, always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there are data; 0 at the end."""
        try:
            return self._file.readinto(buffer)
        except EOFError:
            raise InputError(
                f"{self._path} is cut short: its {self._kind} data end too early; get the whole "
                "file"
            ) from None
        except self._errors as error:
            raise InputError(f"{self._path} is damaged {self._kind} data: {error}") from None


def _zstd_module(path: Path) -> Any:
    """The module of Python for zstd, or ``backports.zstd``, the same for versions before 3.14."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return importlib.import_module(name)
    raise InputError(
        f"reading {path} needs a package that is not installed: pip install backports.zstd"
    )
