"""Whatever disturbs a command, nothing is lost, and the same command goes on or says why not.

BERT_KERAS_FAULTS trials of each command (20), of some faults a share of that, drawn from
BERT_KERAS_FAULTS_SEED (0) and the test's name, so that one test alone draws the same again.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.faults.commands import COMMANDS
from tests.faults.faults import damage, read_only, small_disk
from tests.faults.trial import Trial, disk_use

TRIALS = int(os.environ.get("BERT_KERAS_FAULTS", "20"))
SEED = os.environ.get("BERT_KERAS_FAULTS_SEED", "0")
QUICK = ("vocab", "prepare")  # of which `make test` makes one trial of each fault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, mounts and reads /proc")

ALONE = [command for command in COMMANDS if command.workers == 1]
UNPATCHED = [command for command in ALONE if not command.patches]
WRITING = [command for command in ALONE if not command.prints]


def trials(commands, share=1.0, system=()):
    """Parameters ``command`` and ``number``; ``share`` of the campaign's number of trials."""

    def marks(command, number):
        if command.name in QUICK and not number:
            return []
        return pytest.mark.system if command.name in system and not number else pytest.mark.slow

    return pytest.mark.parametrize(
        ("command", "number"),
        [
            pytest.param(
                command,
                number,
                id=f"{command.name}-{number}",
                marks=marks(command, number),
            )
            for command in commands
            for number in range(max(1, round(TRIALS * share)))
        ],
    )


@pytest.fixture
def trial(lab, command, number, tmp_path, request):
    """A trial whose seed is the test's name."""
    return Trial(lab, command, tmp_path, f"{SEED}: {request.node.name}")


def is_failure(code):
    """Whether it has done its work, or said in one line why not."""
    return code in (0, 1)


def check_terminated(trial, running):
    """Checks a command that got SIGTERM, of which Python hears nothing more while it ends."""
    codes = (0, 128 + signal.SIGTERM, -signal.SIGTERM)
    (result,) = trial.end(running, lambda code: code in codes)
    trial.check_kept()
    if result.code == -signal.SIGTERM and trial.has_begun():
        trial.check_product()
    trial.again()


def signaled(trial, number, victims=lambda running: running[:1], alone_for=0.0):
    """Starts the trial's command and sends a signal at a moment of its undisturbed length.

    ``alone_for`` starts it with its imports; the moment is one of these seconds.
    """
    moment = trial.draw.uniform(0.03, alone_for or trial.undisturbed.seconds)
    running = trial.begin(f"{signal.Signals(number).name} after {moment:.3f} s", bool(alone_for))
    time.sleep(max(0.0, running[0].begun + moment - time.monotonic()))
    for each in victims(running):
        each.send(number)
    return running


@trials(ALONE)
def test_sigterm_at_any_moment(trial):
    check_terminated(trial, signaled(trial, signal.SIGTERM))


@trials(WRITING, 0.5)
def test_sigkill_before_any_operation_on_a_file(trial):
    operation = trial.draw.randrange(trial.undisturbed.operations)
    fault = f"SIGKILL before operation {operation} of {trial.undisturbed.operations}"
    running = trial.begin(fault, operation=operation, number=signal.SIGKILL)
    trial.end(running, lambda code: code in (0, -signal.SIGKILL))
    trial.check_kept()
    trial.again()


@trials(WRITING, 0.25)
def test_sigterm_before_any_operation_on_a_file(trial):
    operation = trial.draw.randrange(trial.undisturbed.operations)
    fault = f"SIGTERM before operation {operation} of {trial.undisturbed.operations}"
    running = trial.begin(fault, operation=operation, number=signal.SIGTERM)
    check_terminated(trial, running)


@trials(UNPATCHED, 0.1)
def test_sigterm_while_python_starts(trial, lab):
    check_terminated(trial, signaled(trial, signal.SIGTERM, alone_for=lab.zygote.seconds))


@trials(ALONE, 0.5, system=["pretrain"])
def test_sigkill_at_any_moment(trial):
    running = signaled(trial, signal.SIGKILL)
    trial.end(running, lambda code: code in (0, -signal.SIGKILL))
    trial.check_kept()
    trial.again()


@trials(WRITING, 0.3)
def test_a_full_disk(trial, mounts):
    growth = disk_use(trial.undisturbed.place / "out") - disk_use(trial.out)
    room = trial.draw.randrange(max(4096, growth * 3 // 2))
    with small_disk(trial.out, room):
        running = trial.begin(f"a disk with {room} bytes left")
        trial.end(running, is_failure)
        trial.check_kept()
    trial.again()


@trials(WRITING, 0.15)
def test_files_that_may_not_grow(trial):
    """The fault that needs no right: a limit of the process, as a quota gives."""
    sizes = [path.stat().st_size for path in trial.undisturbed.place.glob("out/**/*")]
    limit = trial.draw.randrange(1024, max(2048, *sizes))
    running = trial.begin(f"files of at most {limit} bytes", file_size=limit)
    trial.end(running, is_failure)
    trial.check_kept()
    trial.again()


@trials(ALONE, 0.05)
def test_standard_output_on_a_full_disk(trial):
    running = trial.begin("nothing can be printed", output=Path("/dev/full"))
    (result,) = trial.end(running, is_failure)
    trial.check_kept()
    trial.check(result.code == 1, "nobody has read what it says")
    trial.again()


@trials(WRITING, 0.05)
def test_a_read_only_folder(trial, request):
    if os.geteuid() == 0:
        request.getfixturevalue("mounts")
    folder = trial.draw.choice([trial.out, trial.place])
    with read_only(folder):
        running = trial.begin(f"{folder} is read-only")
        (result,) = trial.end(running, is_failure)
        trial.check_kept()
    trial.check(result.code == 1, "it wrote where it may not")
    trial.again()


@trials(ALONE, 0.5)
def test_a_damaged_file(trial):
    before = [trial.place / name for name in trial.command.inputs]
    before += [trial.out / name for name in trial.command.before]
    files = [f for path in before for f in ([path] if path.is_file() else sorted(path.rglob("*")))]
    files = [file for file in files if file.is_file() and file.name not in ("notes.txt", ".lock")]
    file = trial.draw.choice(files)
    whole, name = file.read_bytes(), file.relative_to(trial.place).as_posix()
    running = trial.begin(damage(file, trial.draw))
    (result,) = trial.end(running, is_failure)
    trial.check_kept()
    if result.code:
        named = [file.name, name.rpartition("/")[0] or name]
        trial.check(any(each in result.said[0] for each in named), "it does not name the file")
        file.write_bytes(whole)
        trial.again()
    elif trial.is_owned(name):  # the run has made up for it
        trial.again(is_same=file.suffix == ".safetensors")
    else:
        file.write_bytes(whole)
        trial.again(is_same=False)


def takes_memory(pid):
    """Whether a child is one that the system would kill: not Python's own ``resource_tracker``,
    whose loss joblib's processes show with traces, and which takes next to none."""
    try:
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return False


@trials([command for command in ALONE if command.name == "prepare-2"])
def test_a_killed_child(trial):
    moment = trial.draw.uniform(0.1, trial.undisturbed.seconds)
    running = trial.begin(f"SIGKILL for a child after {moment:.3f} s")
    time.sleep(moment)
    if children := [pid for pid in running[0].children() if takes_memory(pid)]:
        os.kill(trial.draw.choice(sorted(children)), signal.SIGKILL)
    trial.end(running, is_failure)
    trial.check_kept()
    trial.again()


def waits_to_meet(worker, seconds=20.0):
    """Whether all that a worker says for so long is that it waits for the others."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines = worker.streams[1].read_text().splitlines()
        if [line for line in lines if not line.startswith("waiting for all of the")]:
            return False
        time.sleep(0.1)
    return bool(lines)


@trials([command for command in COMMANDS if command.workers > 1])
def test_a_killed_worker(trial):
    victim = trial.draw.randrange(2)
    running = signaled(trial, signal.SIGKILL, lambda running: [running[victim]])
    codes = (0, 1, -signal.SIGKILL)
    if waits_to_meet(running[1 - victim]):  # as it should: the other may be started again
        running[1 - victim].send(signal.SIGINT)
        codes = (-signal.SIGINT, -signal.SIGKILL)
    trial.end(running, lambda code: code in codes)
    trial.check_kept()
    trial.again()
