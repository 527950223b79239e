"""A process that has imported TensorFlow, and forks for each command: a start takes 20 ms, not 5 s.

It reads a JSON object a line from standard input and answers each with another; see ``answer``.
TensorFlow is imported and not used before the fork, so a child begins as a process of its own would
after its imports.
"""

import atexit
import gc
import importlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path


def main() -> int:
    """Answers until standard input ends; in each child, runs its command."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in ("bert_keras.backend", "keras", "tensorflow_text", "matplotlib.figure"):
        importlib.import_module(name)
    for name in ("cli", "saving", "corpus", "training", "tasks", "export", "__main__"):
        importlib.import_module(f"bert_keras.{name}")
    gc.freeze()  # what is here stays shared with the children
    print("{}", flush=True)
    while line := sys.stdin.readline():
        job = json.loads(line)
        if "arguments" in job:
            child = os.fork()
            if not child:
                run(job)
            print(json.dumps({"pid": child}), flush=True)
        else:
            print(json.dumps({"code": exit_code(job["wait"], job["seconds"])}), flush=True)
    return 0


def exit_code(child: int, seconds: float) -> int | None:
    """The exit code of a child, negative of a signal that ended it; None where it goes on."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)


def run(job: dict) -> None:
    """Runs a command as its own process would, with the arguments, folder and limits of the job.

    It ends as Python ends, but leaves its memory to the system: to take TensorFlow's modules apart
    would take far longer than most commands.
    """
    code = 1
    try:
        prepare(job)
        try:
            code = importlib.import_module("bert_keras.__main__").main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except SystemExit as end:  # a signal came now
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 120  # as of Python itself
    finally:
        sys.stderr.flush()
        os._exit(code)


def prepare(job: dict) -> None:
    """Makes this process one of its own."""
    os.setsid()
    for descriptor, path in enumerate(job["streams"]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    tempfile.tempdir = None
    if job["file_size"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
    for name, value in job["patches"].items():
        patch(name, value)
    sys.argv = ["bert-keras", *job["arguments"]]
    sys.addaudithook(Operations(job))


class Operations:
    """Counts what is done to files in a folder, and disturbs one of these operations.

    Python tells its audit hooks of each before it is done; what C++ does by itself is not seen.

    Args:
        job: ``folder``; ``operation``, the number, from 0, of the one before which ``signal`` is
            sent; ``count``, a file in which the number of all is kept.
    """

    _NAMES = (
        "open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
        "os.symlink",
    )  # fmt: skip
    _WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def __init__(self, job: dict) -> None:
        self.folder = job["folder"]
        self.disturbed, self.signal = job["operation"], job["signal"]
        self.count = os.open(job["count"], os.O_WRONLY | os.O_CREAT)
        self.done = 0

    def __call__(self, name: str, arguments: tuple) -> None:
        """Takes note of an event."""
        if name not in self._NAMES or not isinstance(arguments[0], str | Path):
            return
        if name == "open" and not (arguments[2] or 0) & self._WRITING:
            return
        if not os.path.abspath(arguments[0]).startswith(self.folder):
            return
        if self.done == self.disturbed:
            os.kill(os.getpid(), self.signal)
        self.done += 1
        os.pwrite(self.count, str(self.done).encode(), 0)


def patch(name: str, value: object) -> None:
    """Makes a name of a module a path, a function that gives paths, or one that gives a number."""
    module, _, attribute = name.rpartition(".")
    new = Path(value) if isinstance(value, str) else lambda *_, **__: value
    if isinstance(value, list):
        new = lambda: map(Path, value)  # noqa: E731
    setattr(importlib.import_module(module), attribute, new)


if __name__ == "__main__":
    sys.exit(main())
