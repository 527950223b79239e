"""How the program ends after a signal: one line, the exit code, everything cleared away."""

import os
import subprocess
import sys

import pytest

LEAVES_A_CALL = """
import atexit, os, pathlib, signal, sys, threading
import bert_keras.__main__ as program
from bert_keras.signals import give_way

def run():
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    give_way(threading.Event().wait)

program.run = run
atexit.register(pathlib.Path(sys.argv[1]).touch)
sys.exit(program.main())
"""


def test_a_program_that_leaves_a_call_to_itself_clears_away_what_others_asked_it_to(tmp_path):
    command = [sys.executable, "-c", LEAVES_A_CALL, tmp_path / "cleared"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (143, "bert-keras: interrupted\n")
    assert (tmp_path / "cleared").exists()


IMPORTS = """
import os, signal, sys, tempfile, threading
from bert_keras.__main__ import main

def tell(event, arguments):
    if event == "import" and arguments[0] == "tensorflow":
        tempfile.mkdtemp()
        threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGTERM)).start()

sys.addaudithook(tell)
sys.exit(main())
"""


# In TensorFlow's C++, where an exception of Python aborts the process without a word; and behind.
@pytest.mark.parametrize("seconds", [0.2, pytest.param(1.0, marks=pytest.mark.system)])
def test_a_command_that_is_signaled_while_it_imports_tensorflow_is_interrupted(seconds, tmp_path):
    command = [sys.executable, "-c", IMPORTS.format(seconds=seconds), "convert", tmp_path, "--to"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [*command, "keras", tmp_path / "out.keras"],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (143, "bert-keras: interrupted\n")
    assert list(tmp_path.iterdir()) == []


SWALLOWS = """
import signal, sys
import bert_keras.__main__ as program
from bert_keras.cli import plot
from bert_keras.errors import InputError

def swallow(options):
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise {error}("initialization failed")

plot.run = swallow
sys.exit(program.main())
"""


@pytest.mark.parametrize("error", ["ImportError", "OSError", "InputError"])
def test_a_command_in_which_a_library_swallows_the_signal_is_interrupted(error):
    command = [sys.executable, "-c", SWALLOWS.format(error=error), "plot", "run"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (143, "bert-keras: interrupted\n")
