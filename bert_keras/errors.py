"""The exceptions for the user, the commands that their messages name, and checks of texts."""

import errno
import importlib.metadata
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

_REFUSALS = tuple(
    number
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ENAMETOOLONG")
    if (number := getattr(errno, name, None)) is not None  # Windows has no EDQUOT
)


class InputError(ValueError):
    """An error in what the user gave, which cannot be used.

    The message is a single line that says what is wrong, what was received and what to do. The
    commands print it to standard error without a traceback and exit with code 1; in Python it is
    an ordinary ``ValueError``. Line ends and control characters in it, of a damaged or hostile
    file, are shown as escapes.

    Args:
        message: What is wrong, what was received and what to do.

    Example:
        >>> try:
        ...     BertConfig.from_preset("huge")
        ... except InputError as error:
        ...     print(error)
        no preset 'huge'; the presets are tiny, mini, small, medium, base, large
    """

    def __init__(self, message: str) -> None:
        shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        super().__init__("".join(shown))


def install_command(extra: str) -> str:
    """The command that installs what an optional feature needs.

    It names the packages that the extra stands for. ``bert-keras`` itself is on no index, where
    anybody could register the name, so no message tells pip to look for it there.

    Args:
        extra: A key of ``[project.optional-dependencies]`` in ``pyproject.toml``.
    """
    try:
        requirements = importlib.metadata.requires("bert-keras") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        requirements = []
    parts = [requirement.partition(";") for requirement in requirements]
    needed = [name.strip() for name, _, marker in parts if f'extra == "{extra}"' in marker]
    return shlex.join(["pip", "install", *(needed or [f".[{extra}]"])])


def listed(names: Sequence[str], most: int | None = None) -> str:
    """The names for a message, or only the first of them."""
    more = f" and {len(names) - most} more" if most and len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more or "none"


def one_text(name: str, given: Any) -> str:
    """A text that was given as an argument.

    Args:
        name: The argument.
        given: What was given.

    Raises:
        InputError: When it is not a text.
    """
    if not isinstance(given, str):
        raise InputError(f"{name} must be one text. Received: {given!r:.60}")
    return given


def several_texts(name: str, given: Any, pairs: str = "", gaps: bool = False) -> list[Any]:
    """Texts that were given as an argument, as a list.

    Args:
        name: The argument.
        given: What was given: a list, an array of one axis, a generator.
        pairs: The argument for the second texts, where there is one.
        gaps: Whether ``None`` may stand in a text's place.

    Raises:
        InputError: When it is not several texts in an order, or a row is not one text.
    """
    is_one = isinstance(given, str | bytes) or not isinstance(given, Iterable)
    # Of dictionaries and tables Python would read the names of the columns.
    is_table = isinstance(given, Mapping | AbstractSet) or getattr(given, "ndim", 1) != 1
    if is_one or is_table:
        raise InputError(f"{name} must be a list of texts. Received: {given!r:.60}")
    rows = list(given)
    for number, text in enumerate(rows):
        if not (isinstance(text, str) or (gaps and text is None)):
            hint = ""
            if isinstance(text, list | tuple):
                hint = f", {len(text)} in a row: a row has one text"
                hint += f", or two, the second in {pairs}" if pairs else ""
            raise InputError(f"{name}[{number}] is not a text. Received: {text!r:.60}{hint}")
    return rows


def texts_and_pairs(texts: Any, text_pairs: Any) -> tuple[list[str], list[str | None]]:
    """First texts and as many second ones, which were given as arguments of these names.

    Args:
        texts: The first texts.
        text_pairs: The second ones, ``None`` where there is none.

    Raises:
        InputError: When they are not texts or not as many.
    """
    first = several_texts("texts", texts, "text_pairs")
    if text_pairs is None:
        return first, [None] * len(first)
    second = several_texts("text_pairs", text_pairs, gaps=True)
    if len(second) != len(first):
        raise InputError(
            f"text_pairs: one for each of the {len(first)} texts, None where there is none. "
            f"Received: {len(second)}"
        )
    return first, second


class Interrupted(Exception):  # noqa: N818 - not an error
    """The end of a run that was asked to stop; its state is saved.

    Args:
        step: The step whose state is saved.
        signal_number: The signal that came.

    Attributes:
        exit_code: That of a program ended by the signal: 128 + its number.

    Example:
        >>> try:
        ...     raise Interrupted(step=1200, signal_number=15)  # as pretrain and finetune do
        ... except Interrupted as stop:
        ...     print(stop.exit_code, stop)
        143 interrupted at step 1,200; the same command resumes the run
    """

    def __init__(self, step: int, signal_number: int) -> None:
        super().__init__(f"interrupted at step {step:,}; the same command resumes the run")
        self.exit_code = 128 + signal_number


class Diverged(Exception):  # noqa: N818 - as Interrupted, an end of a run
    """The end of a run whose loss is not finite any more, or has blown up.

    Args:
        step: The first step with such a loss.
        message: What happened, and what to do.

    Attributes:
        step: The first step with such a loss.

    Example:
        >>> try:
        ...     raise Diverged(1200, "the loss is nan at step 1,200")  # as pretrain and finetune do
        ... except Diverged as end:
        ...     print(end.step, end)
        1200 the loss is nan at step 1,200
    """

    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step


class WorkerLost(Exception):  # noqa: N818 - not an error of this process
    """The loss of another worker of the same run.

    Example:
        >>> try:
        ...     raise WorkerLost("worker 1 of 2 is gone")  # as pretrain does
        ... except WorkerLost as lost:
        ...     print(lost)
        worker 1 of 2 is gone
    """


def refuse_unreadable(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be read, as ``onerror`` of ``os.walk``, which passes over it."""
    raise InputError(
        f"the folder {Path(error.filename)} cannot be read: {error.strerror}; make it readable, "
        "or move it away"
    ) from None


@contextmanager
def errors_naming(path: Path, within: Path | None = None) -> Iterator[None]:
    """A block in which errors of writing are an ``OSError`` that names the user's path.

    So a message names no temporary file, and is the same for every library that writes: h5py,
    safetensors and TensorFlow have exceptions of their own for a full disk.

    Args:
        path: The path that the user gave.
        within: The folder of the block's own files; an error about another path is not changed.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        named = str(error.filename or "")
        if named and within and not named.startswith(str(within)):
            raise
        number = error.errno or _refusal(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None
    except Exception as error:
        number = _refusal(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def _refusal(error: Exception) -> int | None:
    """The ``errno`` of the refusal to write that a library's message quotes, if any."""
    message = str(error)
    return next((number for number in _REFUSALS if os.strerror(number) in message), None)
