"""A command that is disturbed once, and what must hold of it."""

import hashlib
import json
import random
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from bert_keras.saving.run_state import steps_in
from tests.faults.commands import Command
from tests.faults.laboratory import Laboratory
from tests.faults.processes import Result, Running

# What is nobody's error: a line of Python's or TensorFlow's in the place of one for the user.
_NOISE = ("Traceback", "Exception ignored", "Error in sys.excepthook", "terminate called", "Fatal")
_OF_TIME = ("tokens_per_second", "input_share")  # in a log; no two runs have the same
_LOG_ASIDE = "out/run/metrics.jsonl.1"

Files = dict[str, tuple[str, int]]


class Trial:
    """One command in a folder of its own, one fault, and the same command again.

    Every draw follows from ``seed``, which every failure names.

    Args:
        lab: What the trials share.
        command: The command.
        folder: A new folder.
        seed: Of all draws.
    """

    def __init__(self, lab: Laboratory, command: Command, folder: Path, seed: str) -> None:
        self.lab, self.command, self.seed = lab, command, seed
        self.draw = random.Random(seed)
        self.undisturbed = lab.undisturbed(command)
        self.place = lab.lay_out(command, folder / "place")
        self.out = self.place / "out"
        self.fault = ""
        self._story: list[str] = []
        self._stopped_at = 0
        self._has_failed_to_save = False

    def begin(self, fault: str, alone: bool = False, **more: object) -> list[Running]:
        """Notes what there is, and starts the command that ``fault`` shall disturb.

        Args:
            fault: What a failure says of it.
            alone: Whether it is started with all its imports.
            more: As ``processes.start`` takes it.
        """
        self.fault = fault
        self._before = files_in(self.place)
        self._steps = steps_in(self.out / "run" / "checkpoints")
        if alone:
            return self.lab.start_alone(self.command, self.place)
        return self.lab.start(self.command, self.place, **more)

    def has_begun(self) -> bool:
        """Whether anything is otherwise than before."""
        return files_in(self.place) != self._before

    def end(self, running: Iterable[Running], codes: Callable[[int], bool]) -> list[Result]:
        """Waits for the disturbed command and checks what it says and leaves.

        Args:
            running: Its processes.
            codes: Whether a process may end with that code.
        """
        results = [each.wait() for each in running]
        for each, result in zip(running, results, strict=True):
            self._tell("disturbed", result)
            self.check(codes(result.code), f"exit code {result.code}")
            if stop := re.search(r"interrupted at step (\d+)", result.errors):
                self._stopped_at = int(stop[1])
            self._has_failed_to_save |= "a checkpoint could not be written" in result.errors
            noise = [word for word in _NOISE if word in result.errors]
            self.check(not noise, f"it says {noise}")
            if result.code == 1:
                self.check(len(result.said) == 1, f"{len(result.said)} lines say why")
            if result.code >= 0:
                left = [path.name for path in (each.streams[0].parent / "tmp").iterdir()]
                self.check(not left, f"temporary files are left: {left}")
        return results

    def check_kept(self) -> None:
        """Checks that nothing is lost that was there before."""
        now = files_in(self.place)
        for name, was in self._before.items():
            if not self.is_owned(name):
                self.check(now.get(name) == was, f"{name} was {was}, is {now.get(name)}")
        steps = steps_in(self.out / "run" / "checkpoints")
        self.check(max(self._steps, default=0) <= max(steps, default=0), f"{steps=}")

    def again(self, *, is_same: bool = True) -> None:
        """The same command without the fault; it ends as one that was never disturbed.

        Where everything is done already, it may say so in one line.

        Args:
            is_same: Whether it began from the same files; else it may also say that it did not.
        """
        results = [each.wait() for each in self.lab.start(self.command, self.place)]
        for result in results:
            self._tell("again", result)
            self.check(not any(word in result.errors for word in _NOISE), "noise, again")
            if result.code:
                self.check(result.code == 1 and len(result.said) == 1, "again it says no reason")
        if is_same:
            is_done = all(result.code == 0 for result in results)
            self.check(
                is_done or "already exists" in results[0].errors, "the same command does not go on"
            )
            self.check_product()
            if self.command.prints:
                self.check(results[0].output == self.undisturbed.output, "it prints something else")

    def check_product(self) -> None:
        """Checks that everything is there that an undisturbed run makes, and nothing else."""
        theirs, ours = (self._product(place) for place in (self.undisturbed.place, self.place))
        theirs = self._with_stop(theirs, ours)
        aside = ours.pop(_LOG_ASIDE, None) if self._has_failed_to_save else None
        self.check(
            theirs.keys() == ours.keys(),
            f"missing: {sorted(theirs.keys() - ours.keys())}, "
            f"left over: {sorted(ours.keys() - theirs.keys())}",
        )
        for name, was in theirs.items():
            mode = ours[name][1]
            self.check(was[1] == mode, f"{name} has mode {mode:o}, not {was[1]:o}")
            if self._matches(name, self.command.exact):
                self.check(was == ours[name], f"{name} is not the same")
        log = "run/metrics.jsonl"
        if f"out/{log}" in theirs and log in self.command.owned:
            logs = (self.undisturbed.place / "out" / log, self.out / log)
            undisturbed, again = (_timeless(path.read_text()) for path in logs)
            self.check(undisturbed == again, "the log is not the same")
            if aside:  # its last line may be half a one
                whole = (self.place / _LOG_ASIDE).read_text().rpartition("\n")[0]
                others = [line for line in _timeless(whole) if line not in undisturbed]
                self.check(not others, f"the log that was set aside has other lines: {others}")

    def _with_stop(self, theirs: Files, ours: Files) -> Files:
        """An undisturbed run's files, with the checkpoint that a stop saved among the newest.

        It is one more, so the oldest is gone.
        """
        stop = f"out/run/checkpoints/step-{self._stopped_at:09d}.safetensors"
        kept = sorted(name for name in theirs if fnmatchcase(name, "out/run/checkpoints/step-*"))
        if not kept or stop in kept or stop < kept[0]:
            return theirs
        files = {name: file for name, file in theirs.items() if name != kept[0]}
        return files | {stop: ours.get(stop, theirs[kept[0]])}

    def check(self, holds: bool, what: str) -> None:
        """Fails with all that is needed to see it again."""
        if not holds:
            raise AssertionError(
                f"{what}\n  seed {self.seed!r}: bert-keras {self.command.arguments}\n"
                f"  fault: {self.fault}\n  in {self.place}\n" + "\n".join(self._story)
            )

    def _tell(self, which: str, result: Result) -> None:
        self._story.append(
            f"  {which}: code {result.code} after {result.seconds:.2f} s\n{result.errors}"
        )

    def is_owned(self, name: str) -> bool:
        """Whether a file is a run's own, which it may change."""
        return self._matches(name, self.command.owned)

    def _matches(self, name: str, patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(name, f"out/{pattern}") for pattern in patterns)

    def _product(self, place: Path) -> Files:
        """The files in ``out/``; of several versions of an export the last alone."""
        loose = (*self.command.loose, "*.damaged")  # what a run has set aside, with a word
        found = {n: file for n, file in files_in(place).items() if not self._matches(n, loose)}
        versions = {n.split("/")[2] for n in found if n.startswith("out/served/")}
        last = max(versions, key=int, default="1")
        return {
            name.replace(f"out/served/{last}/", "out/served/1/"): file
            for name, file in found.items()
            if not name.startswith("out/served/") or name.startswith(f"out/served/{last}/")
        }


def files_in(folder: Path) -> Files:
    """The hash and mode of each file in a folder, and the mode of each folder, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "folder"
        found[path.relative_to(folder).as_posix()] = digest, mode
    return found


def _timeless(log: str) -> list[dict]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [{k: v for k, v in line.items() if k not in _OF_TIME} for line in lines]


def disk_use(folder: Path) -> int:
    """The bytes that a folder's files take on a disk of pages."""
    return sum(-path.stat().st_size // 4096 * -4096 for path in folder.rglob("*") if path.is_file())


def refill(folder: Path, source: Path) -> None:
    """Copies what is in a folder into another, with modes."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
