"""Files of vectors: what they hold, that they are continued, and what they never replace."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from bert_keras.errors import InputError
from bert_keras.retrieval import unfinished
from bert_keras.retrieval.precision import PRECISIONS, with_precision
from bert_keras.retrieval.unfinished import PIECE
from bert_keras.retrieval.vectors import ranges_file, write_vectors
from tests.support.files import content

TEXTS = [f"text {number}" for number in range(11)]


def embed(texts):
    """Vectors of 12 dimensions that depend on the text alone."""
    rows = [np.frombuffer(text.encode().ljust(12), np.uint8)[:12] for text in texts]
    return np.array(rows, np.float32) / 64 - 1


class Broken:
    """An embedding that fails at its n-th piece, and counts the texts that it was given."""

    def __init__(self, at=0):
        self.at, self.pieces, self.texts = at, 0, 0

    def __call__(self, texts):
        self.pieces += 1
        if self.pieces == self.at:
            raise RuntimeError("broken off")
        self.texts += len(texts)
        return embed(texts)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(unfinished, "PIECE", 4)


def break_off(path, at=3, **settings):
    with pytest.raises(RuntimeError):
        write_vectors(path, TEXTS, Broken(at), 12, **settings)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_file_has_a_row_for_each_text(precision, tmp_path):
    path = write_vectors(tmp_path / "v.npy", TEXTS, embed, 12, precision)
    whole = embed(TEXTS)
    ranges = np.array([whole.min(axis=0), whole.max(axis=0)])
    np.testing.assert_array_equal(np.load(path), with_precision(whole, precision, ranges))
    names = {"v.npy"} | ({"v.ranges.npy"} if precision == "int8" else set())
    assert set(content(tmp_path)) == names
    if precision == "int8":
        np.testing.assert_array_equal(np.load(ranges_file(path)), ranges)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("torn", [0, 1, 47])
def test_what_was_broken_off_goes_on_to_the_same_bytes(precision, torn, tmp_path, caplog):
    whole = write_vectors(tmp_path / "whole.npy", TEXTS, embed, 12, precision)
    path = tmp_path / "v.npy"
    break_off(path, at=2, precision=precision)
    assert not path.exists()
    with (tmp_path / "v.npy.unfinished" / "rows").open("ab") as file:
        file.write(b"x" * torn)  # what a kill in the midst of a piece leaves
    rest = Broken()
    with caplog.at_level("INFO", "bert_keras"):
        write_vectors(path, TEXTS, rest, 12, precision)
    assert rest.texts == 7  # the first piece of four is not computed again
    assert "is continued at text 5" in caplog.text
    assert path.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "v.npy.unfinished").exists()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_kill_between_the_file_and_the_end_is_made_good(precision, tmp_path, monkeypatch):
    path = tmp_path / "v.npy"
    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "_clear", lambda *_: None)
        write_vectors(path, TEXTS, embed, 12, precision)
    before = path.read_bytes()
    assert (tmp_path / "v.npy.unfinished").exists()
    (tmp_path / ".v.npy.12345678.bert_keras.tmp").touch()
    write_vectors(path, TEXTS, embed, 12, precision)
    assert path.read_bytes() == before
    assert not [file.name for file in tmp_path.iterdir() if "v.npy." in file.name]


@pytest.mark.parametrize("kind", ["text", "npz", "npy"])
def test_a_file_that_appeared_meanwhile_stays(kind, tmp_path):
    path, mine = tmp_path / "v.npy", tmp_path / "mine"
    mine.write_text("mine")
    if kind != "text":
        with mine.open("wb") as file:
            (np.savez if kind == "npz" else np.save)(file, np.zeros((11, 12), np.float32))

    def embed_slowly(texts):
        shutil.copy(mine, path)
        return embed(texts)

    with pytest.raises(InputError, match=r"v\.npy already exists"):
        write_vectors(path, TEXTS, embed_slowly, 12)
    assert path.read_bytes() == mine.read_bytes()
    path.unlink()
    rest = Broken()
    write_vectors(path, TEXTS, rest, 12)
    assert rest.texts == 3  # of a last piece that is not whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": [*TEXTS[:-1], "other"]}, "work on other texts"),
        ({"texts": [*TEXTS[:-2], "text 9text", " 10"]}, "work on other texts"),
        ({"precision": "float16"}, r"another precision \('float32' there, 'float16' here\)"),
        ({"made_with": {"model": {"a": "2"}, "prompt": ""}}, "work on another model;"),
        (
            {"made_with": {"model": {"a": "1"}, "prompt": "q: "}},
            r"another prompt \('' there, 'q: '",
        ),
    ],
)
def test_unfinished_work_on_something_else_is_refused(change, message, tmp_path):
    path = tmp_path / "v.npy"
    made_with = {"model": {"a": "1"}, "prompt": ""}
    break_off(path, made_with=made_with)
    before = content(tmp_path)
    settings = {"precision": "float32", "made_with": made_with} | change
    with pytest.raises(InputError, match=message):
        write_vectors(path, settings.pop("texts", TEXTS), embed, 12, **settings)
    assert content(tmp_path) == before


@pytest.mark.parametrize("about", [None, "x", "[]", '{"bert_keras_vectors": 99}', '{"texts": 1}'])
def test_a_folder_of_somebody_else_stays(about, tmp_path):
    folder = tmp_path / "v.npy.unfinished"
    folder.mkdir()
    (folder / "rows").write_text("mine")
    if about is not None:
        (folder / "about.json").write_text(about)
    before = content(tmp_path)
    with pytest.raises(InputError, match="not what this version of bert_keras leaves unfinished"):
        write_vectors(tmp_path / "v.npy", TEXTS, embed, 12)
    assert content(tmp_path) == before


def test_a_link_to_such_a_folder_stays(tmp_path):
    break_off(tmp_path / "v.npy")
    link = tmp_path / "w.npy.unfinished"
    link.symlink_to("v.npy.unfinished")
    with pytest.raises(InputError, match="not what this version"):
        write_vectors(tmp_path / "w.npy", TEXTS, embed, 12)
    assert link.is_symlink()


def test_a_file_that_somebody_put_into_the_folder_stays(tmp_path):
    break_off(tmp_path / "v.npy")
    mine = tmp_path / "v.npy.unfinished" / "mine.txt"
    mine.write_text("mine")
    write_vectors(tmp_path / "v.npy", TEXTS, embed, 12)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["v.npy", "v.ranges.npy"])
def test_files_that_are_there_are_not_replaced(name, tmp_path):
    (tmp_path / name).write_text("mine")
    calls = Broken()
    with pytest.raises(InputError, match="already exists"):
        write_vectors(tmp_path / "v.npy", TEXTS, calls, 12, "int8")
    assert calls.pieces == 0  # it is said before the work
    assert {file.name for file in tmp_path.iterdir()} == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_one_process_at_a_time_writes(tmp_path):
    break_off(tmp_path / "v.npy")
    lock = FileLock(tmp_path / "v.npy.unfinished" / ".lock")
    with lock, pytest.raises(InputError, match="another process is writing"):
        write_vectors(tmp_path / "v.npy", TEXTS, embed, 12)


def test_a_mistake_in_the_first_piece_leaves_nothing(tmp_path):
    break_off(tmp_path / "v.npy", at=1)
    with pytest.raises(InputError, match="not finite"):
        write_vectors(tmp_path / "v.npy", TEXTS, lambda texts: embed(texts) * np.nan, 12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "texts", "precision", "message"),
    [
        ("v.txt", TEXTS, "float32", "vectors are written as .npy"),
        ("v.npy", [], "float32", "no text to embed"),
        ("v.npy", TEXTS, "int4", "precision cannot be 'int4'"),
        ("v.npy", ["a", "a"], "int8", "one text alone has no such range: give more texts, or"),
    ],
)
def test_what_cannot_be_written_is_refused(name, texts, precision, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_vectors(tmp_path / name, texts, embed, 12, precision)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_texts(tmp_path):
    told: list[tuple[int, int]] = []
    path = tmp_path / "v.npy"
    write_vectors(path, TEXTS, embed, 12, on_progress=lambda *numbers: told.append(numbers))
    assert told == [(0, 11), (4, 11), (8, 11), (11, 11)]


KILLED = """
import os, signal, sys
from pathlib import Path
from bert_keras.retrieval.vectors import write_vectors
from tests.retrieval.test_vectors import embed

calls = 0
def dying(texts):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return embed(texts)

write_vectors(Path(sys.argv[1]), [f"text {n}" for n in range(5000)], dying, 12, "int8")
"""


@pytest.mark.system
def test_a_killed_process_is_followed_by_one_that_ends_its_work(tmp_path, repository: Path):
    def run(path: Path, call: int) -> int:
        command = [sys.executable, "-c", KILLED, str(path), str(call)]
        return subprocess.run(command, cwd=repository, check=False, env=os.environ).returncode

    whole, path = tmp_path / "whole.npy", tmp_path / "v.npy"
    assert run(whole, 0) == 0
    for call in (2, 1, 3):
        assert run(path, call) == -signal.SIGKILL
    assert run(path, 0) == 0
    assert np.load(path).shape == (5000, 12)
    assert 3 * PIECE < 5000
    for end in (".npy", ".ranges.npy"):
        assert path.with_suffix(end).read_bytes() == whole.with_suffix(end).read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{name}{end}" for name in ("v", "whole") for end in (".npy", ".ranges.npy")
    }
