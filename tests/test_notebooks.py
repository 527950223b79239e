"""The notebooks of colab/, each executed from top to bottom on the CPU with small settings."""

import nbclient
import nbformat
import pytest

from bert_keras.checkpoints import load, save
from bert_keras.config import BertConfig
from bert_keras.modeling import BertEncoder
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary

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
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.1,
    )
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
