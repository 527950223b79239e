"""The repository itself: one door for real data, and no install of a name that is not ours."""

import re
import shutil
import subprocess
import sys

TESTS = """
import pytest

@pytest.fixture
def sentences(shared_data):
    return shared_data

def test_direct(shared_data): pass
def test_indirect(sentences): pass
@pytest.mark.usefixtures("shared_data")
def test_by_name(): pass
def test_without(): pass
"""


def test_the_marker_is_set_by_the_fixture_near_and_far(repository, tmp_path):
    shutil.copy(repository / "tests" / "conftest.py", tmp_path)
    shutil.copy(repository / "pyproject.toml", tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS)

    def chosen(expression):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", expression]
        run = subprocess.run(
            [*command, "test_some.py"], cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return [line.partition("::")[2] for line in run.stdout.splitlines() if "::" in line]

    assert chosen("shared_data") == ["test_direct", "test_indirect", "test_by_name"]
    assert chosen("not shared_data") == ["test_without"]


def test_no_test_reaches_the_data_past_the_fixture(repository):
    for file in (repository / "tests").rglob("*.py"):
        if file.name not in ("conftest.py", "test_repository.py"):
            text = file.read_text(encoding="utf-8")
            assert "BERT_KERAS_TEST_DATA" not in text, file
            assert 'getfixturevalue("shared_data")' not in text, file


# bert-keras is on no index, so that anybody could register it there. With an address behind it
# ("bert-keras[tfds] @ git+https://...") nothing is looked up.
NAME = r"""(?<![\w./-])bert[-_.]keras(?![\w./])(?:\[[\w,-]*\])?(?!["'\\]*\s*@)"""
INSTALLS = re.compile(rf"\b(?:pip3?|pipx|uv)\b.*\b(?:install|add|run)\b.*{NAME}")
EXTRAS = re.compile(rf"{NAME}(?<=\])")


def test_nothing_installs_our_name_from_an_index_that_is_not_ours(repository):
    for wrong in ("bert-keras", "'bert-keras[zh]'", "-U bert_keras==1", "--no-deps bert-keras,"):
        assert INSTALLS.search(f"pip install {wrong}"), wrong
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    shown_here = {"tests/test_repository.py", "tests/test_colab_install.py"}
    found = []
    for path in sorted(set(listed.stdout.splitlines()) - shown_here):
        own = path == "pyproject.toml"  # its extras name each other: pip takes them from there
        for line in _lines(repository / path):
            if INSTALLS.search(line) or (EXTRAS.search(line) and not own):
                found.append(f"{path}: {line.strip()}")
    assert found == []


def _lines(path):
    """The lines of a text, those of a notebook's cells among them; none of a picture or a link."""
    try:
        return re.split(r"\n|\\n", path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
        return []
