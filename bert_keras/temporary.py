"""The temporary files that libraries make: none is left behind by a command that a signal ends."""

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import Any

_EVENTS = ("tempfile.mkstemp", "tempfile.mkdtemp")
_UNDER_WAY = 0.1  # seconds in which a thread makes what it was about to make


class TemporaryFiles:
    """Takes note of what ``tempfile`` makes in this process.

    Whoever made a file removes it, or asks for that at the program's end. But a signal may come
    between the two, or while it is removed, and a call that ``give_way`` has left to itself makes
    more. Python tells of each before it is made (PEP 578), so none is missed. A folder of the
    process's own would do as well, if it were not for systems that clear away old ones while a run
    trains for weeks.
    """

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._is_over = False
        sys.addaudithook(self._note)

    def remove(self) -> None:
        """Removes what is left of them; no other is made from now on."""
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
