import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bert_keras import files
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory, clear_left_behind, write_text_atomic


def _write_half(directory):
    (directory / "half").write_text("half")
    directory.write_text("fails, as it is a directory")


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(IsADirectoryError), atomic_directory(target) as directory:
        _write_half(directory)
    assert list(tmp_path.iterdir()) == []
    with atomic_directory(target) as directory:
        (directory / "whole").write_text("whole")
        assert not target.exists()
    assert (target / "whole").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_directory_that_is_there_stays_unless_replaced(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(InputError, match="already exists"), atomic_directory(target):
        pass
    with pytest.raises(IsADirectoryError), atomic_directory(target, replace=True) as directory:
        _write_half(directory)
    assert (target / "old").exists()
    with atomic_directory(target, replace=True) as directory:
        (directory / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    target = tmp_path / "file"
    write_text_atomic(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(target, "\ud800")
    assert target.read_text() == "old"
    write_text_atomic(target, "new")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_errors_name_what_the_user_asked_for_and_no_temporary_name(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_text_atomic(tmp_path / "folder", "text")
    assert error.value.filename == str(tmp_path / "folder")
    with pytest.raises(IsADirectoryError) as error, atomic_directory(tmp_path / "out") as directory:
        _write_half(directory)
    assert error.value.filename == str(tmp_path / "out")
    with pytest.raises(FileNotFoundError) as error, atomic_directory(tmp_path / "out"):
        (tmp_path / "elsewhere").read_text()
    assert error.value.filename == str(tmp_path / "elsewhere")


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_being_written_stays(tmp_path):
    left, other = tmp_path / ".out.abcdefgh.tmp", tmp_path / ".out.b.abcdefgh.tmp"
    for directory in (left, other):
        directory.mkdir()
        (directory / "half").write_text("half")
    with atomic_directory(tmp_path / "out", replace=True) as first:
        assert not left.exists()
        with atomic_directory(tmp_path / "out") as second:
            assert first.exists()
            (second / "whole").write_text("whole")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [other.name, "out"]


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
    target.mkdir()
    (target / "old").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, target, at])
    assert killed.returncode == -signal.SIGKILL
    assert target.exists() == (at == "remove")
    with pytest.raises(IsADirectoryError), atomic_directory(target, replace=True) as directory:
        _write_half(directory)
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(target) == left


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
    assert os.listdir(target) == ["new"]


def test_of_a_link_to_a_directory_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").write_text("old")
    (tmp_path / "link").symlink_to("there")
    with atomic_directory(tmp_path / "link", replace=True) as directory:
        (directory / "new").write_text("new")
    assert os.readlink(tmp_path / "link") == "there"
    assert os.listdir(tmp_path / "there") == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]
