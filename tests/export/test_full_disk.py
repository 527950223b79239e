"""What a disk without room leaves: one line on standard error, and nothing else."""

import json
import os
import resource
import signal
import subprocess

import pytest

from bert_keras.__main__ import run as main
from bert_keras.config import BertConfig
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.saving import save


@pytest.fixture(scope="module")
def model_path(tokenizer, tmp_path_factory):
    config = BertConfig.from_preset(
        "tiny", vocab_size=tokenizer.vocab_size, num_hidden_layers=1, max_position_embeddings=32
    )
    path = tmp_path_factory.mktemp("models") / "model"
    save(BertForSequenceClassification(config), path, tokenizer)
    return path


@pytest.fixture
def make_disk(tmp_path):
    """Makes a disk of so many kB, or one that is only read."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may mount")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def make(options):
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("may not mount")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


COMMANDS = {
    "saved-model": (["export", "saved-model"], "served", "served/1"),
    "tflite": (["export", "tflite", "--length", "16"], "model.tflite", "model.tflite"),
    "huggingface": (["convert", "--to", "huggingface"], "model", "model"),
    "google": (["convert", "--to", "google"], "model", "model"),
    "keras": (["convert", "--to", "keras"], "model.keras", "model.keras"),
}


def written(kind, model_path, folder, capsys):
    """The exit code and the last line on standard error of a command that writes into a folder."""
    command, name, _ = COMMANDS[kind]
    capsys.readouterr()
    code = main([*command, str(model_path), str(folder / name)])
    return code, [line for line in capsys.readouterr().err.splitlines() if "bert-keras" in line]


def system(*case):
    return pytest.param(*case, marks=pytest.mark.system)


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        system("saved-model", "size=4k", "No space left on device"),  # for the variables
        system("saved-model", "size=1000k", "No space left on device"),  # for the graph
        system("saved-model", "ro", "Read-only file system"),
        ("huggingface", "size=16k", "No space left on device"),
        ("google", "size=16k", "No space left on device"),
        ("keras", "size=16k", "No space left on device"),
        ("keras", "ro", "Read-only file system"),
        pytest.param("tflite", "size=16k", "No space left on device", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    make_disk, model_path, capsys, kind, options, reason
):
    disk = make_disk(options)
    code, lines = written(kind, model_path, disk, capsys)
    assert (code, lines) == (1, [f"bert-keras: {disk / COMMANDS[kind][2]}: {reason}"])
    assert list(disk.iterdir()) == []


@pytest.mark.slow
def test_a_saved_model_is_whole_or_not_there_whatever_file_the_room_ends_in(
    make_disk, model_path, capsys, tmp_path
):
    """From the graph on, page by page: the warm-up requests, the report."""
    assert written("saved-model", model_path, tmp_path, capsys)[0] == 0
    sizes = {p.relative_to(tmp_path): p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()}
    pages = sum(-(-size // 4096) for size in sizes.values())
    disk, codes = make_disk(f"size={4 * pages}k"), []
    for extra in range(-12, 16, 2):
        subprocess.run(["mount", "-o", f"remount,size={4 * (pages + extra)}k", disk], check=True)
        code, lines = written("saved-model", model_path, disk, capsys)
        codes.append(code)
        if code == 0:
            assert {p.relative_to(disk) for p in disk.rglob("*") if p.is_file()} == set(sizes)
            files = json.loads((disk / "served/1/export_report.json").read_text())["files"]
            for name, described in files.items():
                assert (disk / "served/1" / name).stat().st_size == described["bytes"] > 0
            break
        assert lines == [f"bert-keras: {disk / 'served/1'}: No space left on device"]
        assert list(disk.iterdir()) == []
    assert codes[0] == 1
    assert codes[-1] == 0


def test_a_temporary_folder_without_room_is_named(
    make_disk, model_path, capsys, tmp_path, monkeypatch
):
    """TFLite's converter reads from there."""
    disk = make_disk("size=4k")
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    code, lines = written("tflite", model_path, tmp_path, capsys)
    assert (code, lines) == (1, [f"bert-keras: {disk}: No space left on device"])
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


@pytest.mark.parametrize("kind", [system("saved-model"), "huggingface", "google", "keras"])
def test_a_file_that_may_not_grow_is_one_line(
    model_path, tmp_path, tmp_path_factory, capsys, monkeypatch, kind
):
    """Without root: a limit on the size of files fails as a full disk does."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))
    try:
        code, lines = written(kind, model_path, tmp_path, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (code, lines) == (1, [f"bert-keras: {tmp_path / COMMANDS[kind][2]}: File too large"])
    assert list(tmp_path.iterdir()) == []
    # TensorFlow's sources of traced functions go when the process ends.
    assert [path for path in temporary.iterdir() if "autograph" not in path.name] == []
