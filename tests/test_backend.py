"""Keras on another backend than TensorFlow's is one clear line, from the commands and Python."""

import json
import os
import subprocess
import sys

import pytest

PACKAGES = [
    "arithmetic", "objectives", "optimizers", "modeling", "saving", "training", "tasks", "export",
]  # fmt: skip
WITH_TENSORFLOW = ("arithmetic", "export")  # which these import before they ask for Keras


def run(arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, *arguments], env=kept | environment, capture_output=True, text=True
    )


@pytest.fixture(params=["torch", "jax"])
def elsewhere(request, tmp_path):
    """Environments in which Keras would take another backend."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": request.param}))
    return request.param, [{"KERAS_BACKEND": request.param}, {"KERAS_HOME": str(tmp_path)}]


def test_a_command_ends_in_one_line(elsewhere, tmp_path):
    name, environments = elsewhere
    command = ["quickstart", "--workdir", str(tmp_path / "quickstart")]
    for environment in environments:
        done = run(["-m", "bert_keras", *command], **environment)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert f"not on {name!r}" in line
        assert "set KERAS_BACKEND=tensorflow" in line


def test_the_quickstart_says_it_before_it_writes_anything(tmp_path):
    workdir = tmp_path / "quickstart"
    done = run(["-m", "bert_keras", "quickstart", "--workdir", workdir], KERAS_BACKEND="torch")
    assert done.returncode == 1
    assert "set KERAS_BACKEND=tensorflow" in done.stderr
    assert not workdir.exists()


@pytest.mark.parametrize(
    "package",
    [pytest.param(p, marks=[pytest.mark.system] if p in WITH_TENSORFLOW else []) for p in PACKAGES],
)
def test_from_python_each_package_says_it(package):
    done = run(["-c", f"import bert_keras.{package}"], KERAS_BACKEND="torch")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("bert_keras.errors.InputError: bert_keras runs on Keras's TensorFlow")
    assert "KERAS_BACKEND=torch" in last


@pytest.mark.system
def test_the_setting_in_the_environment_wins_as_it_does_in_keras(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    program = "import bert_keras.optimizers, keras; print(keras.config.backend())"
    done = run(["-c", program], KERAS_HOME=str(tmp_path), KERAS_BACKEND="tensorflow")
    assert done.stdout.strip() == "tensorflow", done.stderr


def test_what_needs_no_keras_runs_under_any_backend(tmp_path):
    (tmp_path / "a.txt").write_text("some words and more words")
    command = ["-m", "bert_keras", "vocab", str(tmp_path), "--out", str(tmp_path / "v.txt")]
    done = run([*command, "--size", "60"], KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
