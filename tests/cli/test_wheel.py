import os
import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(repository)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.system
def test_wheel_holds_the_recipes_and_nothing_but_the_package(wheel, repository):
    names = zipfile.ZipFile(wheel).namelist()
    recipes = {
        f"bert_keras/{path.relative_to(repository)}"
        for path in (repository / "configs").rglob("*.toml")
    }
    assert recipes
    assert recipes <= set(names)
    assert "bert_keras/py.typed" in names, "type checkers of a program that uses it ask for it"
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"bert_keras"}


@pytest.mark.system
def test_wheel_installed_elsewhere_runs_the_quickstart(wheel, tmp_path):
    """Only the wheel's own files are used, from a folder that is no checkout."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = os.environ | {"PYTHONPATH": str(site)}
    where = "import bert_keras; print(bert_keras.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=environment, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert found.stdout.startswith(str(site))
    command = [sys.executable, "-m", "bert_keras", "quickstart", "--minutes", "0.05"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "masked words" in done.stderr
    log = (tmp_path / "quickstart" / "metrics.jsonl").read_text()
    assert log.count('"split": "eval"') >= 2
    for sentence in ("Return the [MASK] of the array.", "A list [MASK] strings."):
        assert sentence in done.stdout
    names = {path.name for path in (tmp_path / "quickstart").iterdir()}
    assert names >= {"vocab.txt", "corpus", "config.toml", "metrics.jsonl", "curves.png", "model"}
