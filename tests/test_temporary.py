"""What libraries leave in the folder of temporary files when a signal ends a command."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bert_keras.signals import Stopped, listening
from bert_keras.temporary import choose_folder

LEAVES_FILES = """
import os, pathlib, signal, sys, tempfile, threading, time
import bert_keras.__main__ as program
from bert_keras.signals import give_way

made = threading.Event()

def library():
    while True:
        with tempfile.NamedTemporaryFile(suffix=".py", delete=False) as file:
            file.write(b"0")
        (pathlib.Path(tempfile.mkdtemp()) / "part").touch()
        made.set()

def run():
    if sys.argv[1] == "signal":
        threading.Thread(target=lambda: (made.wait(), os.kill(os.getpid(), signal.SIGTERM))).start()
        give_way(library)
    tempfile.mkdtemp()
    return 0

program.run = run
sys.exit(program.main())
"""


def ended(tmp_path, how):
    command = [sys.executable, "-c", LEAVES_FILES, how]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_after_a_signal_no_temporary_file_is_left_nor_made(tmp_path):
    (tmp_path / "notes.txt").write_text("of somebody else")
    assert ended(tmp_path, "signal") == (143, "bert-keras: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_command_that_ends_by_itself_leaves_them_to_whoever_made_them(tmp_path):
    assert ended(tmp_path, "end") == (0, "")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_signal_while_tempfile_tries_its_folder_leaves_nothing_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    opened = os.open

    def signaled(path, *arguments):
        file = opened(path, *arguments)
        if Path(path).parent == tmp_path:
            signal.raise_signal(signal.SIGTERM)
        return file

    monkeypatch.setattr(os, "open", signaled)
    with pytest.raises(Stopped), listening():
        choose_folder()
    assert tempfile.tempdir == str(tmp_path)
    assert not list(tmp_path.iterdir())
