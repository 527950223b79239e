"""Files and directories that appear whole or not at all."""

import errno
import os
import re
import shutil
from stat import S_IMODE

import pytest

from bert_keras import files
from bert_keras.contents import hash_files
from bert_keras.errors import InputError
from bert_keras.files import (
    WRITTEN_FILE,
    atomic_directory,
    atomic_file,
    check_replaceable,
    write_text_atomic,
)


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


def test_a_file_that_gives_way_stays_whole_for_whoever_reads_it(tmp_path):
    path = tmp_path / "file"
    write_text_atomic(path, "the old text")
    with path.open(encoding="utf-8") as reader:
        write_text_atomic(path, "the new one", replace=True)
        assert reader.read() == "the old text"
    assert path.read_text(encoding="utf-8") == "the new one"


def _write(target, name):
    with atomic_directory(target, replace=True) as directory:
        (directory / name).write_text(name)


def names(folder):
    """What lies in a folder, but for the list of what was written."""
    return sorted(set(os.listdir(folder)) - {WRITTEN_FILE})


def test_a_directory_that_is_there_stays_unless_replaced(tmp_path):
    target = tmp_path / "out"
    _write(target, "old")
    with pytest.raises(InputError, match="already exists"), atomic_directory(target):
        pass
    with pytest.raises(IsADirectoryError), atomic_directory(target, replace=True) as directory:
        _write_half(directory)
    assert (target / "old").exists()
    _write(target, "new")
    assert names(target) == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def _add(folder):
    (folder / "notes.txt").write_text("mine")


def _change(folder):
    (folder / "old").write_text("mine")


def _add_below(folder):
    (folder / "below").mkdir()
    (folder / "below" / "notes.txt").write_text("mine")


def _link(folder):
    (folder / "there").symlink_to("/nowhere")


def _forget(folder):
    (folder / WRITTEN_FILE).unlink()


def _spoil(folder):
    (folder / WRITTEN_FILE).write_text('{"written": ["of another program"]}')


@pytest.mark.parametrize("change", [_add, _change, _add_below, _link, _forget, _spoil])
def test_a_directory_with_a_file_that_was_not_written_there_stays_as_it_is(tmp_path, change):
    target = tmp_path / "out"
    _write(target, "old")
    change(target)
    before = hash_files(target)
    with pytest.raises(InputError, match="is not what bert_keras wrote there"):
        _write(target, "new")
    assert hash_files(target) == before
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_told_by_its_name_is_not_read(tmp_path, monkeypatch):
    """A home directory, say, given by mistake."""
    (tmp_path / "out").mkdir()
    _change(tmp_path / "out")
    monkeypatch.setattr(files, "hash_file", None)
    with pytest.raises(InputError, match="old is not what bert_keras wrote there"):
        check_replaceable(tmp_path / "out")


def test_an_empty_directory_gives_way_and_a_file_does_not(tmp_path):
    (tmp_path / "empty").mkdir()
    _write(tmp_path / "empty", "new")
    assert names(tmp_path / "empty") == ["new"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not a directory and stays as it is"):
        _write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_that_lost_a_file_or_was_copied_is_still_the_programs_own(tmp_path):
    _write(tmp_path / "out", "old")
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    (tmp_path / "out" / "old").unlink()
    for name in ("out", "copy"):
        _write(tmp_path / name, "new")
        assert names(tmp_path / name) == ["new"]


def test_a_directory_with_a_folder_that_cannot_be_read_stays(tmp_path, monkeypatch):
    for words in ("first", "second"):
        with atomic_directory(tmp_path / "out", replace=True) as directory:
            (directory / "below").mkdir()
            (directory / "below" / "file").write_text(words)
    scandir, below = os.scandir, str(tmp_path / "out" / "below")

    def scan(path="."):  # the tests' user may be root, who may read every folder
        if os.fspath(path) == below:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), below)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    with (
        pytest.raises(InputError, match=re.escape(f"the folder {below} cannot be read: Perm")),
        atomic_directory(tmp_path / "out", replace=True),
    ):
        pytest.fail("it begins to write")
    assert (tmp_path / "out" / "below" / "file").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_that_is_there_stays_unless_replaced(tmp_path):
    target = tmp_path / "file"
    write_text_atomic(target, "old")
    (tmp_path / "lost").symlink_to("nowhere")
    for path in (target, tmp_path / "lost"):
        with pytest.raises(InputError, match="already exists; remove it or choose another name"):
            write_text_atomic(path, "new")
    assert target.read_text() == "old"
    write_text_atomic(target, "new", replace=True)
    assert target.read_text() == "new"


def test_of_a_link_to_a_file_what_it_leads_to_is_replaced(tmp_path):
    write_text_atomic(tmp_path / "there", "old")
    (tmp_path / "link").symlink_to("there")
    write_text_atomic(tmp_path / "link", "new", replace=True)
    assert os.readlink(tmp_path / "link") == "there"
    assert (tmp_path / "there").read_text() == "new"


def _fail(number):
    raise OSError(number, os.strerror(number))


MODES = {0o022: (0o755, 0o644), 0o002: (0o775, 0o664), 0o077: (0o700, 0o600)}


@pytest.mark.parametrize("umask", list(MODES))
def test_all_has_the_mode_that_the_umask_says(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_directory(tmp_path / "out" / "new") as directory:
            (directory / "below").mkdir(mode=0o700)
            (directory / "below" / "private").touch(mode=0o600)
        with atomic_file(tmp_path / "out" / "file") as temporary:
            temporary.unlink()  # as a library does that renames its own file
            temporary.touch(mode=0o600)
        write_text_atomic(tmp_path / "out" / "file", "again", replace=True)
    finally:
        os.umask(before)
    of_folders, of_files = MODES[umask]
    found = {path: S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*")}
    assert len(found) == 4
    assert all(mode == (of_folders if p.is_dir() else of_files) for p, mode in found.items())


@pytest.mark.parametrize("name", ["x" * 255, "\u00e9" * 127, "[1]*?", "a\nb", "~", "\udce9"])
def test_names_may_be_as_long_and_as_odd_as_the_system_lets_them(tmp_path, name):
    """What a kill left there is found again."""
    for path in (tmp_path / "files" / name, tmp_path / "folders" / name):
        writing = atomic_file if path.parent.name == "files" else atomic_directory
        path.parent.mkdir()
        left = files._temporary(path)
        left.mkdir() if writing is atomic_directory else left.touch()
        (path.parent / ".1.00abcdef.bert_keras.tmp").touch()  # of the name 1
        with writing(path, replace=True) as temporary:
            (temporary / "f" if temporary.is_dir() else temporary).write_text("new")
        with writing(path, replace=True) as temporary:
            (temporary / "f" if temporary.is_dir() else temporary).write_text("newer")
        assert (path / "f" if path.is_dir() else path).read_text() == "newer"
        assert sorted(os.listdir(path.parent)) == [".1.00abcdef.bert_keras.tmp", name]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    target = tmp_path / "file"
    write_text_atomic(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(target, "\ud800", replace=True)
    with pytest.raises(OSError, match="No space left"), atomic_file(target, replace=True):
        _fail(errno.ENOSPC)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_errors_name_what_the_user_asked_for_and_no_temporary_name(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_text_atomic(tmp_path / "folder", "text", replace=True)
    assert error.value.filename == str(tmp_path / "folder")
    with pytest.raises(IsADirectoryError) as error, atomic_directory(tmp_path / "out") as directory:
        _write_half(directory)
    assert error.value.filename == str(tmp_path / "out")
    with pytest.raises(FileNotFoundError) as error, atomic_directory(tmp_path / "out"):
        (tmp_path / "elsewhere").read_text()
    assert error.value.filename == str(tmp_path / "elsewhere")


def test_of_a_link_to_a_directory_what_it_leads_to_is_replaced(tmp_path):
    _write(tmp_path / "there", "old")
    (tmp_path / "link").symlink_to("there")
    with atomic_directory(tmp_path / "link", replace=True) as directory:
        (directory / "new").write_text("new")
    assert os.readlink(tmp_path / "link") == "there"
    assert names(tmp_path / "there") == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]
