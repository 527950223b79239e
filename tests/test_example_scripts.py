"""The scripts of examples/ run from top to bottom, in a folder that stays as it was."""

import ast
import re
import runpy

import pytest

from bert_keras.tasks.registry import TASKS

# What the last line that a script prints must hold.
EXAMPLES = {
    "bert_as_layer": r"median error of a price: \d\d?%$",
    "classify": r"a lovely song: good$",
    "own_objective": r".*'classification_accuracy': 1\.0.*",
    "own_task": r"a good book: 4\.0$",
    "phone": r"\{'probabilities': \[\[[01]\.\d+, [01]\.\d+\]\]\}$",
    "pretrain": r"The cat sees the \.\.\. \['\w+', '\w+', '\w+'\]$",
    "serve": r"\[b'good', b'bad'\] ",
    "tag": r"\[\('Mary', 'PER'\), \('Turin', 'LOC'\)\]$",
}


@pytest.mark.system
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_promises(name, repository, tmp_path, monkeypatch, capsys):
    before = dict(TASKS)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(repository / "examples" / f"{name}.py"), run_name="__main__")
    TASKS.clear()
    TASKS.update(before)
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.match(EXAMPLES[name], last), last
    assert list(tmp_path.iterdir()) == []


def test_every_example_is_short_says_what_it_shows_and_how_it_is_run(repository):
    paths = sorted((repository / "examples").glob("*.py"))
    assert [path.stem for path in paths] == sorted(EXAMPLES)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 40, path.name
        documentation = ast.get_docstring(ast.parse(text))
        assert f"python examples/{path.name}" in map(str.strip, documentation.splitlines())
