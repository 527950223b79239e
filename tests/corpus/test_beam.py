"""Preparing on Apache Beam's direct runner (`make test-beam`), against a single machine."""

import gzip
import os
import subprocess
import sys

import pytest

from bert_keras.corpus import prepare_corpus
from bert_keras.errors import InputError
from bert_keras.tokenization import Casing, learn_vocabulary, write_vocabulary

pytest.importorskip("apache_beam", reason="needs Apache Beam: make test-beam")

from apache_beam.io.localfilesystem import LocalFileSystem

from bert_keras.corpus.beam import prepare_corpus_on_beam

STORY = (
    "The river ran past the old mill. Nobody worked there now! Was it haunted?\n\n"
    "Children said so. Their parents did not.\n"
)
# In this process and on one thread each: what Beam spreads, it spreads by the same means.
DIRECT = ["--runner=BundleBasedDirectRunner"]


@pytest.fixture
def vocab(tmp_path):
    write_vocabulary(tmp_path / "vocab.txt", learn_vocabulary([STORY] * 3, 200))
    return tmp_path / "vocab.txt"


@pytest.fixture
def texts(tmp_path):
    """Files of every kind, one without a token, one with bytes that are no text, two alike."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(STORY * (number + 1))
    (folder / "03.txt").write_text(" \n\n")
    (folder / "05.txt").write_bytes(b"The mill \xff ran. \xfe\xfe Now!" + STORY.encode())
    (folder / "20.jsonl").write_text('{"text": "The old mill."}\n{"text": "Nobody said so."}\n')
    (folder / "21.txt.gz").write_bytes(gzip.compress(STORY.encode() * 40))
    (folder / "22.txt").write_text("老磨坊没有人。" * 9)
    (folder / "wiki_00").write_text('<doc id="1" title="Mill">\nMill\n\nAn old mill.\n\n</doc>\n')
    (folder / "23.txt").write_text("the old mill ran. nobody said so. " + "the old river " * 500)
    return folder


def test_a_file_with_several_names_is_read_once_as_on_a_single_machine(texts, vocab, tmp_path):
    (tmp_path / "link.txt").symlink_to(texts / "00.txt")
    inputs = [tmp_path / "link.txt", texts]
    prepare_corpus(inputs, vocab, tmp_path / "one")
    prepare_corpus_on_beam(inputs, vocab, tmp_path / "beam", options=DIRECT)
    assert bytes_of(tmp_path / "beam") == bytes_of(tmp_path / "one")


def bytes_of(directory):
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"split": "blank-line", "drop_duplicates": True},
        {"split": "blank-line", "sentences": "auto"},
        {"sentences": "lines"},
        {"casing": Casing(do_lower_case=False)},
    ],
)
def test_the_direct_runner_writes_the_bytes_of_a_single_machine(tmp_path, texts, vocab, settings):
    inputs = [texts / "21.txt.gz", texts]  # the one within the other, too
    report = prepare_corpus_on_beam(inputs, vocab, tmp_path / "beam", options=DIRECT, **settings)
    expected = prepare_corpus(inputs, vocab, tmp_path / "single", **settings)
    assert bytes_of(tmp_path / "beam") == bytes_of(tmp_path / "single")
    assert report.documents == expected.documents > 5
    assert report.replaced_bytes == 3
    assert (report.duplicate_documents > 0) == ("drop_duplicates" in settings)
    assert not list(tmp_path.glob(".beam*")), "the parts are removed"


def test_a_column_and_what_is_lost_are_those_of_a_single_machine(tmp_path, vocab, caplog):
    (tmp_path / "a.csv").write_text("body,label\nThe river ran.,x\nनमस्ते,y\n", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes("né né ".encode() + b"\xe9\n")
    inputs = [tmp_path / "a.csv", tmp_path / "b.txt"]
    expected = prepare_corpus(inputs, vocab, tmp_path / "single", text_column="body")
    messages = caplog.messages
    caplog.clear()
    report = prepare_corpus_on_beam(
        inputs, vocab, tmp_path / "beam", options=DIRECT, text_column="body"
    )
    assert bytes_of(tmp_path / "beam") == bytes_of(tmp_path / "single")
    assert report.unknown_characters == expected.unknown_characters > 0
    assert [m for m in messages if "%" in m or "U+FFFD" in m] == caplog.messages


def test_files_may_come_in_several_batches(tmp_path, texts, vocab, monkeypatch):
    prepare_corpus([texts], vocab, tmp_path / "single")
    monkeypatch.setattr("bert_keras.corpus.tokenizing._BATCH_CHARACTERS", 50)
    prepare_corpus_on_beam([texts], vocab, tmp_path / "beam", options=DIRECT)
    assert bytes_of(tmp_path / "beam") == bytes_of(tmp_path / "single")


class ElsewhereFileSystem(LocalFileSystem):
    """The local files under a scheme of their own: Beam finds it as it finds gs:// or hdfs://."""

    @classmethod
    def scheme(cls):
        return "elsewhere"

    def join(self, base, *paths):
        joined = super().join(self._inner(base), *paths)
        return f"elsewhere://{joined}" if base.startswith("elsewhere://") else joined

    def match(self, patterns, limits=None):
        results = super().match([self._inner(pattern) for pattern in patterns], limits)
        for result in results:
            for found in result.metadata_list:
                found.path = f"elsewhere://{self._inner(found.path)}"
        return results

    def open(self, path, *arguments):
        return super().open(self._inner(path), *arguments)

    def create(self, path, *arguments):
        return super().create(self._inner(path), *arguments)

    def mkdirs(self, path):
        super().mkdirs(self._inner(path))

    def delete(self, paths):
        for path in paths:
            os.unlink(self._inner(path))

    def _inner(self, path):
        return path.removeprefix("elsewhere://")


def test_inputs_and_parts_may_lie_on_another_file_system(tmp_path, texts, vocab):
    prepare_corpus([texts], vocab, tmp_path / "single")
    (tmp_path / "parts").mkdir()
    prepare_corpus_on_beam(
        [f"elsewhere://{texts}/*"],
        vocab,
        tmp_path / "beam",
        parts=f"elsewhere://{tmp_path}/parts",
        options=DIRECT,
    )
    ours, theirs = (bytes_of(tmp_path / name) for name in ("beam", "single"))
    for files in (ours, theirs):
        del files["corpus.json"]  # which names the inputs
    assert ours == theirs
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["pydocs"], "pydocs is this machine's own text"),
        (["elsewhere:///nowhere/*.txt"], "no file matches elsewhere:///nowhere"),
        (["bad.bin"], "holds zero bytes"),
        ([], "no input"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, vocab, inputs, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.bin").write_bytes(b"\0\0\0")
    with pytest.raises(InputError, match=message) as error:
        prepare_corpus_on_beam(inputs, vocab, tmp_path / "out", options=DIRECT)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.bin", "vocab.txt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": ["--runner=NoRunner"]}, "cannot start: .*NoRunner"),
        ({"inputs": ["nowhere://bucket/*.txt"]}, r"apache-beam\[gcp\].* nowhere://bucket"),
        ({"parts": "nowhere://bucket/parts"}, r"apache-beam\[gcp\].* nowhere://bucket"),
    ],
)
def test_what_beam_lacks_is_one_clear_line(tmp_path, texts, vocab, settings, message):
    settings = {"inputs": [texts], "options": DIRECT} | settings
    with pytest.raises(InputError, match=message) as error:
        prepare_corpus_on_beam(vocab=vocab, out=tmp_path / "out", **settings)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts", "vocab.txt"]


@pytest.mark.slow
def test_the_command_on_two_processes_writes_the_same_bytes(tmp_path, texts, vocab):
    prepare = [sys.executable, "-m", "bert_keras", "prepare", str(texts), "--vocab", str(vocab)]
    subprocess.run([*prepare, "--out", str(tmp_path / "single")], check=True)
    processes = "--direct_running_mode=multi_processing --direct_num_workers=2"
    beam = ["--beam", "DirectRunner", f"--beam-options={processes}"]
    subprocess.run([*prepare, "--out", str(tmp_path / "beam"), *beam], check=True, timeout=600)
    assert bytes_of(tmp_path / "beam") == bytes_of(tmp_path / "single")
