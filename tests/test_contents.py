"""What files and folders hold, told whole or refused."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from bert_keras.contents import (
    hash_file,
    hash_files,
    json_object,
    paths_below,
    read_json,
    read_json_object,
)
from bert_keras.errors import InputError
from bert_keras.saving.run_state import has_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"1")
    (tmp_path / "a" / "b" / "two").write_bytes(b"2")
    (tmp_path / "a" / "gone").symlink_to("nowhere")
    (tmp_path / "a" / "up").symlink_to("..")
    return tmp_path


def test_all_below_a_folder_is_found_and_no_link_is_followed(folder):
    names = {path.relative_to(folder).as_posix() for path in paths_below(folder)}
    assert names == {"a", "a/b", "a/one", "a/b/two", "a/gone", "a/up"}


def test_files_are_hashed_by_their_names(folder):
    expected = {name: hashlib.sha256(text).hexdigest() for name, text in
                (("a/b/two", b"2"), ("a/one", b"1"))}  # fmt: skip
    assert hash_files(folder) == expected
    assert hash_file(folder / "a" / "one") == expected["a/one"]


def test_a_broken_link_counts_as_a_file_and_a_folder_does_not(folder):
    assert has_files(folder)
    assert has_files(folder / "a" / "gone")
    (folder / "a" / "b" / "two").unlink()
    assert not has_files(folder / "a" / "b")
    assert not has_files(folder / "none")


@pytest.mark.parametrize("function", [hash_files, has_files, lambda folder: [*paths_below(folder)]])
def test_a_folder_that_cannot_be_read_is_refused_and_not_passed_over(function, folder, monkeypatch):
    scandir = os.scandir
    (folder / "a" / "b" / "two").unlink()
    for name in ("one", "gone", "up"):
        (folder / "a" / name).unlink()

    def refuse(path):
        if Path(path) == folder / "a" / "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="a/b"):
        function(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "must be a JSON object. Received: list"),
        ("{", "is not valid JSON: Expecting property name enclosed in double quotes (character 2)"),
        ('{"a": 1,\n "b" 2}', "is not valid JSON: Expecting ':' delimiter (line 2, character 6)"),
        ("[" * 99999, "is not valid JSON: too deeply nested"),
        ('{"a": ' + "1" * 9999 + "}", "is not valid JSON: "),
        ('{"a": 1, "a": 2}', "is not clear: the key 'a' comes twice in an object; keep one"),
        ('{"b": [{"a": 1, "a": 1}]}', "is not clear: the key 'a' comes twice in an object; keep"),
        (b"\xff{}", "is not valid JSON: 'utf-8' codec can't decode byte 0xff"),
    ],
    ids=["list", "cut", "second line", "deep", "digits", "twice", "twice inside", "no UTF-8"],
)
def test_what_is_refused_is_one_line_that_names_the_file(tmp_path, text, words):
    file = tmp_path / "a.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=re.escape(words)) as error:
        read_json_object(file)
    assert str(error.value).startswith(f"{file} ")
    assert "\n" not in str(error.value)


def test_the_same_key_in_two_objects_is_fine(tmp_path):
    (tmp_path / "a.json").write_text('{"a": {"a": 1}, "b": {"a": 2}}')
    assert read_json_object(tmp_path / "a.json") == {"a": {"a": 1}, "b": {"a": 2}}


def test_another_value_than_an_object_is_read_where_it_is_asked_for(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": 1}]')
    assert read_json(tmp_path / "a.json") == [{"a": 1}]


def test_a_message_says_what_the_object_must_have():
    with pytest.raises(
        InputError, match=r"^line 3 must be a JSON object with a text. Received: in"
    ):
        json_object("line 3", "5", "with a text")
