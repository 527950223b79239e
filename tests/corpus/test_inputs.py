import errno
import logging
import os
import re

import pytest

from bert_keras.corpus.inputs import resolve_inputs
from bert_keras.errors import InputError


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data)
    return path


def test_folders_are_searched_below_and_sorted(tmp_path):
    for name in ("b.txt", "sub/a.md", "sub/deep/c.TXT", "image.png", ".hidden/x.txt", "z.rst"):
        _write(tmp_path / name, "x")
    names = [str(path.relative_to(tmp_path)) for path in resolve_inputs([tmp_path])]
    assert names == ["b.txt", "sub/a.md", "sub/deep/c.TXT", "z.rst"]


def test_globs_are_sorted_and_files_come_once(tmp_path):
    b, a = _write(tmp_path / "b.log", "x"), _write(tmp_path / "a.log", "x")
    assert resolve_inputs([str(b), f"{tmp_path}/*.log"]) == [b, a]


def test_a_folder_says_what_it_passes_over(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for name in ("a.txt", "b.csv", "c.csv.gz", "d/e.json", "LICENSE", ".hidden"):
        _write(tmp_path / name, "x")
    assert resolve_inputs([tmp_path]) == [tmp_path / "a.txt"]
    assert caplog.messages == [
        f"{tmp_path}: skipped 2 .csv, 1 without a suffix, 1 .json; name those that are text, "
        "or a glob"
    ]
    with pytest.raises(InputError, match=r"holds no text files .*; it holds 1 .json: name"):
        resolve_inputs([tmp_path / "d"])


MADE = {
    "corpus": {"corpus.json": '{\n  "format_version": 1,\n  "vocab_hash": "ab"'},
    "run": {"run.json": '{\n  "bert_keras_run": 1,\n  "command": "pretrain"'},
    "saved": {".bert_keras.json": '{\n  "written": {}\n}'},
    "export": {"export_report.json": '{\n  "version": "1",\n  "bert_keras": "0.1"'},
    "quickstart": {".quickstart": "The folder of bert-keras quickstart; it may be removed."},
    "model": {"config.json": "{}", "model.safetensors": ""},
}


@pytest.mark.parametrize("what", list(MADE))
def test_what_the_program_made_below_a_folder_is_left_out_with_a_note(tmp_path, caplog, what):
    a = _write(tmp_path / "a.txt", "some words")
    for name, text in (MADE[what] | {"below/notes.txt": "words", "more.txt": "words"}).items():
        _write(tmp_path / "made" / name, text)
    for inputs in (tmp_path, f"{tmp_path}/**/*.txt"):
        assert resolve_inputs([inputs]) == [a]
        said = f"left out {tmp_path / 'made'}: it is not text, it holds {min(MADE[what])}"
        assert [m.startswith(said) for m in caplog.messages if "left out" in m] == [True]
        caplog.clear()
    # Named itself, a folder is read: somebody keeps texts in it.
    texts = [tmp_path / "made" / name for name in ("below/notes.txt", "more.txt")]
    assert resolve_inputs([tmp_path / "made"]) == texts
    assert resolve_inputs([f"{tmp_path / 'made'}/**/*.txt"]) == texts


@pytest.mark.parametrize("names", [("corpus.json", "tokens.npy"), ("run.json", "config.toml")])
def test_a_folder_that_only_resembles_the_programs_own_is_read(tmp_path, names):
    texts = [_write(tmp_path / "mine" / name, "{}") for name in (*names, "a.txt")][-1:]
    assert resolve_inputs([tmp_path]) == texts


def test_links_to_folders_and_links_that_lead_nowhere_are_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    a = _write(tmp_path / "texts" / "a.txt", "some words")
    _write(tmp_path / "elsewhere" / "b.txt", "more words")
    (tmp_path / "texts" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "texts" / "lost.txt").symlink_to(tmp_path / "nowhere.txt")
    assert resolve_inputs([tmp_path / "texts"]) == [a]
    assert "skipped 1 (no file), 1 (a link to a folder); name those" in caplog.text


def _unreadable(monkeypatch, *folders):
    """Makes folders unreadable for this process, whose user may be root."""
    scandir, refused = os.scandir, {os.path.realpath(folder) for folder in folders}

    def scan(path="."):
        if os.path.realpath(path) in refused:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


@pytest.mark.parametrize("name", ["", "**/*.txt", "*/*.txt", "sub/*.txt", "**", "s*/*/*.txt"])
def test_a_folder_that_cannot_be_read_is_refused_and_named(tmp_path, monkeypatch, name):
    for path in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "tub/d.txt"):
        _write(tmp_path / path, "x")
    assert resolve_inputs([tmp_path / name])
    folder = tmp_path / "sub"
    _unreadable(monkeypatch, folder)
    line = f"the folder {folder} cannot be read: Permission denied; make it readable, or move it"
    with pytest.raises(InputError, match=f"^{re.escape(line)}"):
        resolve_inputs([tmp_path / name])


@pytest.mark.parametrize("name", ["*.txt", "t*/*.txt", "t*/**/*.txt", "*/d.txt"])
def test_a_folder_into_which_a_glob_does_not_look_need_not_be_readable(tmp_path, monkeypatch, name):
    for path in ("a.txt", "sub/b.txt", "tub/d.txt", "tub/.hidden/e.txt"):
        _write(tmp_path / path, "x")
    _write(tmp_path / "tub" / "run" / "run.json", MADE["run"]["run.json"])
    expected = resolve_inputs([tmp_path / name])
    _unreadable(monkeypatch, *(tmp_path / n for n in ("sub", "tub/.hidden", "tub/run")))
    assert resolve_inputs([tmp_path / name]) == expected


def test_a_file_is_read_once_by_whatever_names_it_is_found(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    a, b = _write(tmp_path / "t" / "a.txt", "x"), _write(tmp_path / "t" / "b.txt", "x")
    (tmp_path / "t" / "l.txt").symlink_to("a.txt")
    (tmp_path / "again").symlink_to("t")
    assert resolve_inputs([tmp_path / "t"]) == [a, b]
    assert caplog.messages == [f"read once, though a file has several names: '{a.parent}/l.txt'"]
    first = tmp_path / "again" / "b.txt"
    assert resolve_inputs([first, f"{tmp_path}/t/*.txt", "pydocs", a, "pydocs"]) == [
        first, a, "pydocs",
    ]  # fmt: skip
    assert resolve_inputs([tmp_path / "t" / "l.txt"]) == [tmp_path / "t" / "l.txt"]
