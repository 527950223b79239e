import os
from pathlib import Path

import pytest

from bert_keras import files
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory, write_text_atomic


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
