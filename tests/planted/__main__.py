"""Plants the faults and says which were caught: ``python -m tests.planted [NAME ...]``."""

import argparse
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tests.planted.table import Fault, read_table

ROOT = Path(__file__).resolve().parents[2]
# The tiers a caught fault may be caught by; real data are not everywhere.
MARKS = "not slow and not parity and not parity_garden and not shared_data"
TESTS_FAILED = 1  # pytest's exit code: tests ran, and some failed
LIMIT = 600.0  # seconds that the tests of one fault may take
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


Item = TypeVar("Item")
Result = TypeVar("Result")


class Copy:
    """A copy of the tree, in which the tests import the copied package.

    Args:
        folder: Where; it must not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if os.path.lexists(ROOT / name):  # else deleted and not committed
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name, follow_symlinks=False)

    def run(
        self, tests: Iterable[str], *options: str, limit: float | None = None
    ) -> tuple[int | None, str]:
        """Pytest's exit code, None where it took longer than ``limit`` seconds, and its output."""
        options = ("-q", "--tb=short", "-rfE", "-p", "no:cacheprovider", "-m", MARKS, *options)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *tests],
                cwd=self.folder, env=os.environ | {"PYTHONPATH": str(self.folder)}, timeout=limit,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None, ""
        return done.returncode, done.stdout

    def try_fault(self, fault: Fault) -> tuple[bool, str]:
        """Whether the fault's tests fail with it, and a line that says so."""
        file, started = self.folder / fault.file, time.monotonic()
        text = file.read_text(encoding="utf-8")
        self._write(file, fault.planted(text))
        try:
            code, output = self.run(fault.tests, "-x", limit=LIMIT)
        finally:
            self._write(file, text)
        failed = _FAILED.search(output)
        is_caught = code == TESTS_FAILED and failed is not None
        by = f"caught by {failed[1]}" if is_caught and failed else f"NOT CAUGHT (pytest: {code})"
        return is_caught, f"{fault.name}: {by}, {time.monotonic() - started:.0f} s"

    @staticmethod
    def _write(file: Path, text: str) -> None:
        """Writes a module; what was compiled of the old one may be as large and as old."""
        file.write_text(text, encoding="utf-8")
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


class Copies:
    """Some copies of the tree, each busy with one thing at a time.

    Args:
        folder: Where; there is nothing in it.
        count: How many.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._count = count
        self._idle: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for number in range(count):
            self._idle.put(Copy(folder / str(number)))

    def map(self, work: Callable[[Copy, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``work`` gives for each item, in their order, as soon as it is there."""

        def in_a_copy(item: Item) -> Result:
            copy = self._idle.get()
            try:
                return work(copy, item)
            finally:
                self._idle.put(copy)

        with ThreadPoolExecutor(self._count) as pool:
            yield from pool.map(in_a_copy, items)

    def check_unplanted(self, faults: Iterable[Fault]) -> None:
        """Sees the faults' tests pass without a fault, each test once.

        Raises:
            SystemExit: When they do not, with what pytest wrote.
        """
        tests = sorted({test for fault in faults for test in fault.tests})
        shares = filter(None, (tests[number :: self._count] for number in range(self._count)))
        print(f"{len(tests)} files of tests without a fault ...", flush=True)
        started = time.monotonic()
        for code, output in self.map(Copy.run, shares):
            if code != 0:
                sys.exit(f"{output[-5000:]}\nthey do not pass without a fault (pytest: {code})")
        print(f"they pass, {time.monotonic() - started:.0f} s", flush=True)

    def plant(self, faults: Sequence[Fault]) -> int:
        """Tries the faults and prints a line for each; returns how many were not caught."""
        missed = 0
        for number, (is_caught, line) in enumerate(self.map(Copy.try_fault, faults), start=1):
            print(f"[{number}/{len(faults)}] {line}", flush=True)
            missed += not is_caught
        return missed


def main() -> int:
    """Plants the faults that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults of faults.toml; all")
    parser.add_argument("--jobs", type=int, default=2, help="copies that are tested at a time (2)")
    arguments = parser.parse_args()
    faults = {fault.name: fault for fault in read_table()}
    unknown = set(arguments.names) - faults.keys()
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    for fault in faults.values():
        fault.planted((ROOT / fault.file).read_text(encoding="utf-8"))
    chosen = [faults[name] for name in arguments.names or faults]
    with TemporaryDirectory() as folder:
        copies = Copies(Path(folder), arguments.jobs)
        copies.check_unplanted(chosen)
        missed = copies.plant(chosen)
    print(f"{len(chosen) - missed} of {len(chosen)} faults were caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
