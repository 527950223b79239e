"""Files as streams of bytes, gzip and zstd unpacked on the way."""

import importlib
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError

PACKED_SUFFIXES = frozenset({".gz", ".zst"})

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FORMAT_OF_SUFFIX = {".gz": "gzip", ".zst": "zstd"}
_BLOCK = 1 << 16


def open_unpacked(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    """What an open file holds, unpacked when it begins as gzip or zstd data does.

    Args:
        path: The file's name, for messages.
        file: The file, open at its start.

    Raises:
        InputError: When the name says that it is packed and it is not, when the package for zstd
            is missing and, while reading, when the data are cut short or damaged.
    """
    start = file.peek(4)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    named = _FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if named not in (None, kind):
        raise InputError(f"{path} is not {named} data, as its name says; rename it if it is text")
    if kind is None:
        return file
    new, errors = _gzip() if kind == "gzip" else _zstd(path)
    return io.BufferedReader(_Unpacked(path, file, kind, new, errors), _BLOCK)


def _gzip() -> tuple[Callable[[], Any], type[Exception]]:
    return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), zlib.error


def _zstd(path: Path) -> tuple[Callable[[], Any], type[Exception]]:
    """Python's own (from 3.14) or that of the ``zstandard`` package."""
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        try:
            module = importlib.import_module("zstandard")
        except ImportError:
            raise InputError(
                f"reading {path} needs a package that is not installed: pip install zstandard"
            ) from None
        return lambda: module.ZstdDecompressor().decompressobj(), module.ZstdError
    return module.ZstdDecompressor, module.ZstdError


class _Unpacked(io.RawIOBase):
    """The members of a packed file, one after another, unpacked while they are read."""

    def __init__(
        self,
        path: Path,
        file: io.BufferedReader,
        kind: str,
        new: Callable[[], Any],
        errors: type[Exception],
    ) -> None:
        self._path, self._file, self._kind, self._new, self._errors = path, file, kind, new, errors
        self._member = new()
        self._output = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer as far as one block of the file goes; 0 at the end."""
        while not self._output:
            block = self._file.read(_BLOCK)
            if not block:
                if not self._member.eof:
                    raise InputError(
                        f"{self._path} is cut short: its {self._kind} data end too early; get the "
                        "whole file"
                    )
                return 0
            self._output = memoryview(self._unpack(block))
        view = memoryview(buffer)
        size = min(len(view), len(self._output))
        view[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _unpack(self, block: bytes) -> bytes:
        pieces = []
        try:
            while block:
                if self._member.eof:  # zeros may pad the end, another member may follow
                    block = block.lstrip(b"\0")
                    if not block:
                        break
                    self._member = self._new()
                pieces.append(self._member.decompress(block))
                block = self._member.unused_data if self._member.eof else b""
        except self._errors as error:
            raise InputError(f"{self._path} is damaged {self._kind} data: {error}") from None
        return b"".join(pieces)
