"""The output of the commands: results on standard output, progress on standard error."""

import gc
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from bert_keras.errors import InputError

# Brackets in a text or a path are the user's, not markup.
console = Console(highlight=False, soft_wrap=True, markup=False)
errors = Console(stderr=True, highlight=False, markup=False)

_NUMBER = re.compile(r"[-+]?[\d,.]+(e[-+]\d+)?( .*)?|nan|")  # with or without a unit
_WIDTH = 70  # characters of a text that are shown


def progress_bar(unit: str) -> Progress:
    """A bar on standard error with rate and time left; ``unit`` is ``"bytes"`` or ``"steps"``."""
    counts: list[ProgressColumn] = (
        [DownloadColumn(), TransferSpeedColumn()]
        if unit == "bytes"
        else [MofNCompleteColumn(), TextColumn("{task.fields[rate]}")]
    )
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),  # with it the time left fits into 80 columns
        *counts,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


@contextmanager
def progress(description: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar during the block; yields a function that takes (done, total)."""
    bar = progress_bar(unit)
    task = bar.add_task(description, total=None, rate="")

    def advance(done: int, total: int | None) -> None:
        bar.start()  # only once there is something to show: a mistake shows no bar
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        bar.stop()


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A plain table, numbers on the right; a header of empty strings is left out."""
    header = list(header)
    cells = [list(row) for row in rows]
    result = Table(title=title, title_justify="left", show_header=any(header), box=None)
    for index, name in enumerate(header):
        is_numeric = index > 0 and all(_NUMBER.fullmatch(row[index]) for row in cells)
        result.add_column(name, justify="right" if is_numeric else "left")
    for row in cells:
        result.add_row(*row)
    return result


def short(text: str) -> str:
    """A text for a cell of a table: each of its lines cut where it is too long."""
    lines = text.split("\n")
    return "\n".join(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in lines)


class Notes(logging.Handler):
    """A handler that prints what the library logs on standard error, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        errors.print(record.getMessage(), soft_wrap=True)


@contextmanager
def notes_shown() -> Iterator[None]:
    """Show, during the block, what the library says about its input, and its warnings."""
    logger, notes = logging.getLogger("bert_keras"), Notes()
    before = logger.level, logger.propagate
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # some libraries give the root logger a handler, which would repeat it
    try:
        yield
    finally:
        logger.removeHandler(notes)
        level, logger.propagate = before
        logger.setLevel(level)


def start_tensorflow() -> None:
    """Import TensorFlow without the notes that its C++ part writes meanwhile.

    They go past Python to the descriptor of standard error; should the import fail, they are
    shown. ``TF_CPP_MIN_LOG_LEVEL`` brings the later ones back.

    Raises:
        InputError: When Keras is set to another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import bert_keras.backend  # noqa: F401 - before Keras is imported

    if "keras" in sys.modules:
        return
    # The garbage collector would walk all that is imported again and again: a third of the time.
    gc.disable()
    try:
        with without_notes():
            import keras  # noqa: F401 - brings TensorFlow
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_notes() -> Iterator[None]:
    """Hide what C++ writes to standard error, unless the block fails.

    If it fails for another reason than bad input or a full disk, the notes are shown. What our
    own library says is shown in any case.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            with _errors_on(kept):
                yield
        except (InputError, OSError):
            raise
        except Exception:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _errors_on(descriptor: int) -> Iterator[None]:
    """Let ``errors`` write to a copy of standard error, where it goes to descriptor 2."""
    try:
        is_descriptor = errors.file.fileno() == 2
    except (OSError, ValueError):  # a test's
        is_descriptor = False
    if not is_descriptor:
        yield
        return
    encoding = errors.encoding
    with open(descriptor, "w", encoding=encoding, errors="backslashreplace", closefd=False) as file:
        errors.file = file
        try:
            yield
        finally:
            errors.file = None  # type: ignore[assignment] # whatever sys.stderr is


def cpu_has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 in hardware; on Linux, else assumed not to."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    flags = cpuinfo.read_text(encoding="utf-8", errors="replace").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
