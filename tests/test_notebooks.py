"""The notebooks of colab/, each executed from top to bottom on the CPU with small settings."""

import tomllib
from pathlib import Path

import nbclient
import nbformat
import pytest

from bert_keras.config import FinetuneConfig, PretrainConfig, from_tables
from bert_keras.modeling import BertEncoder
from bert_keras.saving import load, save
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.models import small_config

NAMES = ("pretrain_on_tpu", "finetune", "fit_on_labels")
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
def test_a_notebook_says_first_on_what_it_was_not_run(name, notebook):
    device = "GPU" if name == "fit_on_labels" else "TPU"
    assert f"**No {device} was at hand" in notebook(name).cells[0].source


@pytest.mark.parametrize("name", ["pretrain_on_tpu", "finetune"])
def test_a_recipe_asks_for_the_tpu_that_is_there_and_never_for_a_cpu_in_its_place(name, notebook):
    (source,) = [c.source for c in notebook(name).cells if "recipe = f" in c.source]
    source = source.partition('(WORK / "recipe.toml")')[0].replace("WORK.mkdir", "len")
    source = source.replace("len(parents=True, exist_ok=True)", "")
    settings = [c.source for c in notebook(name).cells if "def setting(" in c.source]
    kind = PretrainConfig if name == "pretrain_on_tpu" else FinetuneConfig
    for has_tpu, strategy, steps, precision in (
        (True, "tpu", 100, "mixed_bfloat16"),
        (False, "auto", 1, "float32"),
    ):
        names = {"HAS_TPU": has_tpu}
        exec("\n".join([*settings, source]), names)  # noqa: S102 - a notebook's own cells
        config = from_tables(kind, tomllib.loads(names["recipe"]))
        assert config.distribution.strategy == strategy
        assert config.train.steps_per_call == steps
        assert config.train.precision == precision


@pytest.mark.parametrize("name", NAMES)
def test_drive_is_for_colab_alone(name, notebook):
    (source,) = [c.source for c in notebook(name).cells if "google.colab" in c.source]
    names = {"DRIVE": "", "WORK": Path("mine"), "Path": Path}
    exec(source, names)  # noqa: S102 - a notebook's own cell
    assert names["WORK"] == Path("mine")
    with pytest.raises(SystemExit, match="DRIVE is for Google Colab"):
        exec(source, names | {"DRIVE": "bert"})  # noqa: S102


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


@pytest.mark.slow
def test_the_notebook_of_fit_runs_from_top_to_bottom(execute, tmp_path):
    text, pictures = execute("fit_on_labels", SENTENCES=80, EPOCHS=1)
    assert pictures == 4
    model = load(tmp_path / "fitting" / "model")
    assert model.labels == ("keras", "matplotlib", "numpy", "scipy", "sklearn")
    assert len((tmp_path / "fitting" / "train.tsv").read_text().splitlines()) == 1 + 320
    assert "'accuracy'" in text


@pytest.mark.slow
def test_the_notebook_of_fit_takes_a_model_and_texts_of_ones_own(execute, tmp_path):
    tokenizer = BertTokenizer(learn_vocabulary(ROWS, 80, Casing()))
    config = small_config(tokenizer.vocab_size, max_position_embeddings=32, initializer_range=0.1)
    save(BertEncoder(config), tmp_path / "encoder", tokenizer)
    (tmp_path / "mine.tsv").write_text("\n".join(ROWS) + "\n")
    mine = {"TRAIN": "mine.tsv", "DEV": "mine.tsv", "MODEL": "encoder"}
    execute("fit_on_labels", **mine, EPOCHS=1, BATCH_SIZE=8, MAX_LENGTH=16, TEXT="a fine film")
    assert load(tmp_path / "fitting" / "model").labels == ("bad", "good")
