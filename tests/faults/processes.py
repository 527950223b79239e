"""Commands of bert-keras as processes that can be disturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
LONGEST = 180  # seconds that a command may take here


@dataclass
class Result:
    """How a command ended.

    Attributes:
        code: Its exit code; negative of a signal.
        seconds: How long it took.
        output: Its standard output.
        errors: Its standard error.
        operations: How many operations on files were seen.
    """

    code: int
    seconds: float
    output: str
    errors: str
    operations: int

    @property
    def said(self) -> list[str]:
        """The lines in which the command says why it failed."""
        return [line for line in self.errors.splitlines() if line.startswith("bert-keras: ")]


class Zygote:
    """``zygote.py`` as a process.

    Attributes:
        seconds: How long its imports took.
    """

    def __init__(self) -> None:
        begun = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )
        self._read()
        self.seconds = time.monotonic() - begun

    def ask(self, job: dict) -> dict:
        """Sends a job and waits for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Lets it end."""
        self._process.communicate()

    def _read(self) -> dict:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Alone:
    """A process that no zygote forked, asked as if one had.

    Args:
        process: What is asked.
    """

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def ask(self, job: dict) -> dict:
        """Waits for its end as long as the job says."""
        try:
            return {"code": self._process.wait(job["seconds"])}
        except subprocess.TimeoutExpired:
            return {"code": None}


@dataclass
class Running:
    """A command that runs.

    Attributes:
        zygote: What forked it.
        pid: Its process.
        streams: The files of its standard output and error.
        begun: When it began, by ``time.monotonic``.
    """

    zygote: Zygote | Alone
    pid: int
    streams: tuple[Path, Path]
    begun: float = field(default_factory=time.monotonic)

    def send(self, number: int) -> None:
        """Sends it a signal; one that has ended is not yet forgotten, so no other gets it."""
        os.kill(self.pid, number)

    def children(self) -> list[int]:
        """The processes that it has started, and those they have."""
        found, new = [], [self.pid]
        while new:
            pid = new.pop()
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                new += map(int, path.read_text().split())
            found += [pid] if pid != self.pid else []
        return found

    def wait(self, seconds: float = LONGEST) -> Result:
        """Waits for its end; one that takes too long is killed, with code -9."""
        code = self.zygote.ask({"wait": self.pid, "seconds": seconds})["code"]
        errors = ""
        if code is None:
            os.killpg(self.pid, signal.SIGKILL)
            code = self.zygote.ask({"wait": self.pid, "seconds": 10})["code"]
            errors = f"Traceback: no end after {seconds} seconds\n"
        taken = time.monotonic() - self.begun
        output, said = (path.read_text(errors="replace") for path in self.streams)
        count = self.streams[0].with_name("count")
        operations = int(count.read_text() or 0) if count.exists() else 0
        return Result(code, taken, output, said + errors, operations)


def start(
    zygote: Zygote,
    arguments: list[str],
    folder: Path,
    streams: Path,
    *,
    patches: dict | None = None,
    environment: dict[str, str] | None = None,
    file_size: int = 0,
    operation: int = -1,
    number: int = 0,
    output: Path | None = None,
) -> Running:
    """Starts a command.

    Args:
        zygote: What forks it.
        arguments: What follows ``bert-keras``.
        folder: Where it runs.
        streams: A new folder for its standard output and error, and its temporary files.
        patches: Names of modules and what they become; see ``zygote.patch``.
        environment: More of it.
        file_size: The longest file that it may write, in bytes; 0 any.
        operation: Before which operation on files it gets a signal, from 0; -1 before none.
        number: Of that signal.
        output: Its standard output, by default a file in ``streams``.
    """
    (streams / "tmp").mkdir(parents=True)
    files = (streams / "stdout", streams / "stderr")
    for file in files:
        file.touch()
    job = {
        "arguments": arguments,
        "folder": str(folder),
        "streams": [os.devnull, str(output or files[0]), str(files[1])],
        "environment": {"TMPDIR": str(streams / "tmp")} | (environment or {}),
        "patches": patches or {},
        "file_size": file_size,
        "operation": operation,
        "signal": number,
        "count": str(streams / "count"),
    }
    begun = time.monotonic()
    return Running(zygote, zygote.ask(job)["pid"], files, begun)


def start_alone(arguments: list[str], folder: Path, streams: Path) -> Running:
    """Starts a command as a user does, imports and all; otherwise as ``start``."""
    (streams / "tmp").mkdir(parents=True)
    files = (streams / "stdout", streams / "stderr")
    begun = time.monotonic()
    with files[0].open("w") as output, files[1].open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bert_keras", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            env=os.environ | {"TMPDIR": str(streams / "tmp"), "PYTHONPATH": str(_ROOT)},
        )
    return Running(Alone(process), process.pid, files, begun)
