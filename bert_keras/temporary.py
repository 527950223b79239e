"""The temporary files of libraries, which a command removes when a signal ends it."""

import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

from bert_keras.signals import held

_EVENTS = ("tempfile.mkstemp", "tempfile.mkdtemp")
_UNDER_WAY = 0.1  # seconds for a thread to finish the file that it is making


class TemporaryFiles:
    """A record of the files and folders that ``tempfile`` makes in this process.

    A library removes its files, at the latest at the program's end. But a signal may come before
    that, and a call that ``give_way`` has abandoned makes more. Python reports each file before it
    is made (PEP 578), so none is missed. (A single folder for all of them could be cleared away by
    the system while a run trains for weeks.)
    """

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._is_over = False
        sys.addaudithook(self._note)

    def remove(self) -> None:
        """Remove those that are left; from now on no other can be made."""
        self._is_over = True
        time.sleep(_UNDER_WAY)
        for path in self._paths:
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                os.remove(path)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            if self._is_over:
                raise RuntimeError("the program ends, and makes no more temporary files")
            self._paths.append(os.path.abspath(arguments[0]))


def choose_folder() -> None:
    """Let ``tempfile`` choose its folder, where it writes and removes a file of no event.

    Chosen later, a signal could leave that file there.
    """
    with held(), suppress(OSError):  # without a folder, what needs one says so
        tempfile.gettempdir()
