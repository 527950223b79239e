"""The notebooks of colab/, each executed from top to bottom on the CPU with small settings."""

import json
import os
import subprocess
import sys

import nbclient
import nbformat
import pytest

from bert_keras.modeling import BertEncoder
from bert_keras.saving import load, save
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.models import small_config

NAMES = ("pretrain_on_tpu", "finetune")
ROWS = ["a fine film\tgood", "lovely and warm\tgood", "a dull film\tbad", "cold and slow\tbad"] * 8


@pytest.fixture
def notebook(repository):
    """Opens a notebook by its name."""
    return lambda name: nbformat.read(repository / "colab" / f"{name}.ipynb", as_version=4)


@pytest.fixture
def execute(notebook, repository, tmp_path, monkeypatch):
    """Runs a notebook in an empty folder; returns what it printed and how many pictures it drew."""

    def run(name, **settings):
        monkeypatch.setenv("PYTHONPATH", str(repository))  # the commands' too
        for key, value in settings.items():
            monkeypatch.setenv(f"BERT_KERAS_{key}", str(value))
        cells = notebook(name)
        nbclient.NotebookClient(
            cells, timeout=900, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
        outputs = [output for cell in cells.cells for output in cell.get("outputs", [])]
        text = "".join(output.get("text", "") for output in outputs)
        return text, sum("image/png" in output.get("data", {}) for output in outputs)

    return run


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_are_kept_in_git(name, notebook):
    cells = notebook(name)
    nbformat.validate(cells)
    for cell in cells.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_first_that_no_tpu_was_at_hand(name, notebook):
    assert "**No TPU was at hand" in notebook(name).cells[0].source


@pytest.fixture(params=[*NAMES, "export"])
def install(request, notebook, tmp_path):
    """Runs settings and installation where bert_keras is not installed.

    Returns what pip would have been given, and the process.
    """
    cells = [c.source for c in notebook(request.param).cells if c.cell_type == "code"]
    code = "import json, subprocess\nsubprocess.run = lambda c, **_: print(json.dumps(c))\n"
    code += "\n\n".join(cells[:2])

    def run(folder, **settings):
        environment = os.environ | {f"BERT_KERAS_{key}": value for key, value in settings.items()}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code],  # -S: as in an empty environment
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        return [json.loads(line)[-1] for line in done.stdout.splitlines()], done

    return run


def test_a_notebook_installs_from_the_checkout_that_it_lies_in(install, repository):
    found, done = install(repository / "colab")
    assert done.returncode == 0, done.stderr
    assert [source.partition("[")[0] for source in found] == [str(repository)]


def test_a_notebook_installs_from_a_given_folder_or_address(install, tmp_path):
    (tmp_path / "bert-keras").mkdir()  # pip would look for the bare name on the index
    address = "bert-keras[tfds] @ git+https://example.org/it"
    for given, taken in {
        "bert-keras": str(tmp_path / "bert-keras"),
        "bert-keras[tfds]": f"{tmp_path / 'bert-keras'}[tfds]",
        address: address,
    }.items():
        found, done = install(tmp_path, SOURCE=given)
        assert (found, done.returncode) == ([taken], 0), done.stderr


@pytest.mark.parametrize("given", ["", "bert-keras", "bert-keras[tfds]"])
def test_a_notebook_never_installs_from_the_index(install, tmp_path, given):
    (tmp_path / "bert_keras").mkdir()  # a folder of that name is no package
    found, done = install(tmp_path, SOURCE=given)
    assert (found, done.returncode) == ([], 1)
    (line,) = done.stderr.splitlines()
    assert "set SOURCE to a folder or an address that pip takes" in line
    assert line.endswith(f"Received: {given!r}")


@pytest.mark.slow
def test_the_pretraining_notebook_runs_from_top_to_bottom(execute, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(12):
        rows = ["The cat sees the river.", "A dog likes a small house.", "My sister is warm."]
        text = "\n".join(rows[(number + k) % 3] for k in range(9))
        (texts / f"{number:02d}.txt").write_text(text)
    text, pictures = execute(
        "pretrain_on_tpu",
        INPUT=texts,
        VOCAB_SIZE=120,
        PRESET="tiny",
        STEPS=6,
        BATCH_SIZE=4,
        MAX_LENGTH=32,
        SENTENCE="the cat sees the [MASK].",
    )
    assert pictures == 1
    assert load(tmp_path / "pretraining" / "run" / "model").config.hidden_size == 128
    assert "the cat sees the [MASK]" in text


@pytest.mark.slow
def test_the_finetuning_notebook_runs_from_top_to_bottom(execute, tmp_path):
    tokenizer = BertTokenizer(learn_vocabulary(ROWS, 80, Casing()))
    config = small_config(tokenizer.vocab_size, max_position_embeddings=32, initializer_range=0.1)
    save(BertEncoder(config), tmp_path / "encoder", tokenizer)
    (tmp_path / "train.tsv").write_text("\n".join(ROWS) + "\n")
    text, pictures = execute(
        "finetune",
        MODEL="encoder",
        TRAIN="train.tsv",
        DEV="train.tsv",
        EPOCHS=2,
        BATCH_SIZE=16,
        MAX_LENGTH=16,
    )
    assert pictures == 1
    assert load(tmp_path / "finetuning" / "run" / "model").labels == ("bad", "good")
    assert "accuracy" in text
