"""Files and directories that a kill or another process comes between."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bert_keras import files
from bert_keras.errors import InputError
from bert_keras.files import (
    WRITTEN_FILE,
    atomic_directory,
    atomic_file,
    clear_left_behind,
    refuse_existing,
    write_text_atomic,
)


def _write_half(directory):
    (directory / "half").write_text("half")
    directory.write_text("fails, as it is a directory")


def _write(target, name):
    with atomic_directory(target, replace=True) as directory:
        (directory / name).write_text(name)


def names(folder):
    """What lies in a folder, but for the list of what was written."""
    return sorted(set(os.listdir(folder)) - {WRITTEN_FILE})


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_another_process_made_meanwhile_stays(tmp_path, monkeypatch, has_links):
    if not has_links:  # as on a memory stick
        monkeypatch.setattr(os, "link", lambda *names: _fail(errno.EPERM))

    def write():
        with atomic_file(tmp_path / "file") as temporary:
            temporary.write_text("ours")
            (tmp_path / "file").write_text("the other's")

    with pytest.raises(InputError, match=r"file (has appeared meanwhile|already exists)"):
        write()
    assert (tmp_path / "file").read_text() == "the other's"
    write_text_atomic(tmp_path / "other", "ours")
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


def _fail(number):
    raise OSError(number, os.strerror(number))


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_being_written_stays(tmp_path):
    left = tmp_path / ".out.abcdefgh.bert_keras.tmp"
    other = tmp_path / ".out.b.abcdefgh.bert_keras.tmp"
    for directory in (left, other):
        directory.mkdir()
        (directory / "half").write_text("half")
    with atomic_directory(tmp_path / "out", replace=True) as first:
        assert not left.exists()
        with atomic_directory(tmp_path / "out") as second:
            assert first.exists()
            (second / "whole").write_text("whole")
    assert sorted(os.listdir(tmp_path)) == [other.name, "out"]


def test_what_a_library_leaves_when_it_is_killed_goes_with_the_next(tmp_path):
    """safetensors writes a file of another name, and renames it itself."""
    target = tmp_path / "weights"

    def is_own(name):
        return name.startswith(".tmp")

    script = """
import sys
import numpy as np, safetensors.numpy
from bert_keras.files import atomic_file
arrays = {"a": np.zeros(20_000_000)}
while True:
    with atomic_file(sys.argv[1], replace=True) as temporary:
        safetensors.numpy.save_file(arrays, temporary)
"""
    running = subprocess.Popen([sys.executable, "-c", script, str(target)])
    while not (found := [d for d, _, names in os.walk(tmp_path) if any(map(is_own, names))]):
        assert running.poll() is None
    running.kill()
    running.wait()
    assert Path(found[0]).parent == tmp_path, "it lies in a folder of ours"
    clear_left_behind(target)
    assert os.listdir(tmp_path) in ([], ["weights"])


@pytest.mark.parametrize("at", ["sync", "rename"])
@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_another_process_made_by_the_end_stays_as_it_is(tmp_path, monkeypatch, at, what):
    """While the files go to the disk, or between the last look and the renaming."""
    target = tmp_path / "out"
    whole = target / "whole" if what == "directory" else target

    def meanwhile():
        if not whole.exists():
            whole.parent.mkdir(exist_ok=True)
            whole.write_text("the other's")

    sync, rename = files._sync, Path.rename
    if at == "sync":
        monkeypatch.setattr(files, "_sync", lambda path: (meanwhile(), sync(path)))
    else:
        monkeypatch.setattr(Path, "rename", lambda *paths: (meanwhile(), rename(*paths)))
    with (
        pytest.raises(InputError, match=r"out has appeared meanwhile"),
        atomic_directory(target) as directory,
    ):
        (directory / "whole").write_text("ours")
    assert whole.read_text() == "the other's"
    assert list(tmp_path.iterdir()) == [target]


# Replaces a directory and is killed on the way.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from bert_keras.files import atomic_directory

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

target, at = Path(sys.argv[1]), sys.argv[2]
with atomic_directory(target, replace=True) as directory:
    (directory / "new").write_text("new")
    rename = Path.rename
    if at == "rename":
        Path.rename = lambda path, name: kill() if path.suffix == ".tmp" else rename(path, name)
    else:
        shutil.rmtree = kill
"""


@pytest.mark.parametrize(("at", "left"), [("rename", ["old"]), ("remove", ["new"])])
def test_a_kill_while_a_directory_is_replaced_leaves_the_old_or_the_new_one(tmp_path, at, left):
    """Between the two renamings, and when the new one has its name."""
    target = tmp_path / "out"
    _write(target, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED, target, at])
    assert killed.returncode == -signal.SIGKILL
    assert target.exists() == (at == "remove")
    with pytest.raises(IsADirectoryError), atomic_directory(target, replace=True) as directory:
        _write_half(directory)
    assert os.listdir(tmp_path) == ["out"]
    assert names(target) == left


KILLED_AT_THE_END = """
import os, signal, sys
from bert_keras.files import write_text_atomic

link = os.link
os.link = lambda *paths: (link(*paths), os.kill(os.getpid(), signal.SIGKILL))
write_text_atomic(sys.argv[1], "all of it")
"""


def test_what_was_killed_when_all_was_done_leaves_nothing_to_who_is_refused(tmp_path):
    path = tmp_path / "answers.csv"
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_THE_END, path])
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    with pytest.raises(InputError, match="already exists"):
        refuse_existing(path)
    assert os.listdir(tmp_path) == ["answers.csv"]
    assert path.read_text() == "all of it"


def test_what_is_being_replaced_is_not_taken_for_left(tmp_path, monkeypatch):
    target, rename = tmp_path / "out", Path.rename
    target.mkdir()
    looks = []

    def meanwhile(path, name):
        if path.suffix == ".tmp":
            clear_left_behind(target)
            looks.append(target.exists())
        return rename(path, name)

    monkeypatch.setattr(Path, "rename", meanwhile)
    with atomic_directory(target, replace=True) as directory:
        (directory / "new").write_text("new")
    assert looks == [False]
    assert names(target) == ["new"]
