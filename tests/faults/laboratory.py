"""What the trials share: prepared inputs, and each command's undisturbed run."""

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.commands import Command, write_texts
from tests.faults.processes import LONGEST, Running, Zygote, start, start_alone
from tests.support.processes import cluster

# Prepared files: the command that makes each, and what it reads of the others.
_MADE = {
    "vocab.txt": ("vocab texts --out {} --size 400", ()),
    "corpus": ("prepare texts --vocab vocab.txt --out {}", ("vocab.txt",)),
    "pre": ("pretrain pretrain.toml --corpus corpus --workdir {}", ("corpus",)),
    "tuned": (
        "finetune finetune.toml --model pre --train rows.tsv --dev rows.tsv --workdir {}",
        ("pre",),
    ),
}
# No command makes it: a sentence encoder of the pre-trained model.
_ENCODER = """
import bert_keras
model = bert_keras.load("pre", bert_keras.BertForSentenceEmbedding)
bert_keras.save(model, "encoder")
"""
# The same runs, killed when they had saved a step.
_HALVES = {"pre-half": "pre", "tuned-half": "tuned"}
_HALF_STEP = 12


@dataclass(frozen=True)
class Undisturbed:
    """A command's run that nobody disturbed.

    Attributes:
        place: The folder in which it ran.
        seconds: How long it took.
        output: What it printed.
        operations: How many operations on files were seen.
    """

    place: Path
    seconds: float
    output: str
    operations: int


class Laboratory:
    """A zygote, prepared files and undisturbed runs, each made when it is first asked for.

    Args:
        folder: Where all of it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.zygote = Zygote()
        self._prepared = folder / "prepared"
        self._folder = folder
        self._undisturbed: dict[str, Undisturbed] = {}
        self._started = 0
        write_texts(self._prepared)

    def undisturbed(self, command: Command) -> Undisturbed:
        """The command's run that nobody disturbed."""
        if command.name not in self._undisturbed:
            place = self.lay_out(command, self._folder / command.name)
            results = [each.wait() for each in self.start(command, place)]
            assert [each.code for each in results] == [0] * command.workers, results
            seconds = max(each.seconds for each in results)
            first = results[0]
            self._undisturbed[command.name] = Undisturbed(
                place, seconds, first.output, first.operations
            )
        return self._undisturbed[command.name]

    def lay_out(self, command: Command, place: Path) -> Path:
        """Makes the folder that a command runs in: inputs, ``out/``, and files of somebody else."""
        out = place / "out"
        out.mkdir(parents=True)
        for name in command.inputs:
            self._copy(name, place / name)
        for name, prepared in command.before.items():
            self._copy(prepared, out / name)
            (out / name / "notes.txt").write_text("of somebody else, in the folder of the run\n")
        (out / "notes.txt").write_text("of somebody else\n")
        (out / "other").mkdir()
        (out / "other" / "weights.bin").write_bytes(bytes(range(256)))
        (out / "other" / "weights.bin").chmod(0o640)
        return place

    def start(self, command: Command, place: Path, **more: object) -> list[Running]:
        """Starts a command in its folder: a process, or as many as train as one."""
        environments = [{}] if command.workers == 1 else cluster(command.workers)
        return [
            self._start(command.arguments, place, command.patches, environment, **more)
            for environment in environments
        ]

    def start_alone(self, command: Command, place: Path) -> list[Running]:
        """Starts a command in its folder with all its imports."""
        return [start_alone(command.arguments.split(), place, self._streams())]

    def _start(
        self, arguments: str, place: Path, patches: dict, environment: dict, **more: object
    ) -> Running:
        return start(
            self.zygote, arguments.split(), place, self._streams(),
            patches=patches, environment=environment, **more,
        )  # fmt: skip

    def _streams(self) -> Path:
        self._started += 1
        return self._folder / "streams" / f"{self._started:04d}"

    def _copy(self, name: str, target: Path) -> None:
        self._make(name)
        source = self._prepared / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)

    def _make(self, name: str) -> None:
        """Makes a prepared file, or folder, that is not there yet, and first what it is made of."""
        made = self._prepared / name
        if made.exists():
            return
        if name == "encoder":
            self._make("pre")
            subprocess.run([sys.executable, "-c", _ENCODER], cwd=self._prepared, check=True)
            return
        arguments, needed = _MADE[_HALVES.get(name, name)]
        for other in needed:
            self._make(other)
        running = self._start(arguments.format(name), self._prepared, {}, {})
        if name in _HALVES:
            _kill_half_way(running, made)
        else:
            result = running.wait()
            assert result.code == 0, result


def _kill_half_way(running: Running, run: Path) -> None:
    saved = run / f"checkpoints/step-{_HALF_STEP:09d}.safetensors"
    while not saved.exists() and time.monotonic() < running.begun + LONGEST:
        time.sleep(0.001)
    running.send(signal.SIGKILL)
    result = running.wait()
    assert result.code == -signal.SIGKILL, result
    assert not (run / "model").exists(), "it had finished before it was killed"
