"""The exceptions that are meant for the user, and the commands that their messages name."""

import importlib.metadata
import shlex


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is a single line that says what is wrong, what was received and what to do. The
    commands print it to standard error without a traceback and leave with exit code 1; from
    Python it is an ordinary ``ValueError``. What a damaged or hostile file puts into it, line ends
    and the terminal's control characters, is shown as escapes.
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


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop; its state is saved.

    Attributes:
        exit_code: What a shell expects of a program that the signal ended: 128 + its number.
    """

    def __init__(self, step: int, signal_number: int) -> None:
        super().__init__(f"interrupted at step {step:,}; the same command goes on from there")
        self.exit_code = 128 + signal_number


class Diverged(Exception):  # noqa: N818 - as Interrupted, an end of a run
    """The loss is no number any more, or has blown up.

    Attributes:
        step: The first step that showed it.
    """

    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step


class WorkerLost(Exception):  # noqa: N818 - it is no error of this process
    """Another process of the run is gone; the newest checkpoint is what is left."""
