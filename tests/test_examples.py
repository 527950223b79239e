"""The example in the docstring of every exported name runs, and gives what it says.

CONTRIBUTING.md lists what an example finds in its folder and among its names.
"""

import doctest
import inspect
import itertools
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

import bert_keras

DOCUMENTS = {
    "films": "A fine film. Great fun, lovely and warm. A joy to watch, brilliant work.",
    "others": "A dull film. No fun, cold and slow. A pain to watch, sloppy work.",
    "people": "Ada and Charles had fun. Who had fun? Ada had, and Charles watched a film.",
    "words": "Fine work is a joy. Slow work is a pain. Warm, lovely films are great fun.",
}
# Seconds each; the example of AdamW, too, trains by fit.
SYSTEM = (
    "BertForMultipleChoice",
    "BertForPreTraining",
    "BertForSentenceEmbedding",
    "SaveBest",
    "export_saved_model",
    "export_tflite",
    "finetune",
    "pretrain",
)
GOOD = ["a fine film", "great fun", "lovely and warm", "a joy to watch", "brilliant work"]
BAD = ["a dull film", "no fun", "cold and slow", "a pain to watch", "sloppy work"]
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
PRETRAIN = """
[model]
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 64
[data]
corpus = "corpus"
max_seq_length = 32
max_predictions_per_seq = 5
eval_fraction = 0.25
[train]
steps = 4
batch_size = 4
eval_batches = 1
"""
FINETUNE = """
[data]
task = "classification"
max_seq_length = 32
[optimizer]
learning_rate = 0.02
[train]
steps = 40
batch_size = 16
"""


def _write_texts(folder: Path) -> None:
    (folder / "texts").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "texts" / f"{name}.txt").write_text(f"{text}\n" * 4)
    rows = [f"{text}\t{label}" for texts, label in ((GOOD, "good"), (BAD, "bad")) for text in texts]
    for name, count in (("train.tsv", 64), ("dev.tsv", 40)):
        (folder / name).write_text("\n".join(itertools.islice(itertools.cycle(rows), count)) + "\n")
    wrong = rows[:10] * 4 + ["a fine film\tbad", "no fun\tgood"]
    (folder / "hard.tsv").write_text("\n".join(wrong) + "\n")
    (folder / "topics.tsv").write_text("text\tlabel\nthe cup final\tsport|news\na tune\tmusic\n")
    (folder / "scores.tsv").write_text("text\tscore\na fine film\t4.5\na dull film\t1.0\n")
    (folder / "names.conll").write_text("Ada B-PER\nByron I-PER\nwrote O\n\nCharles B-PER\n")
    (folder / "pretrain.toml").write_text(PRETRAIN)
    (folder / "finetune.toml").write_text(FINETUNE)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The folder that every example gets a copy of, and the names that it may use."""
    folder = tmp_path_factory.mktemp("examples")
    names = {name: getattr(bert_keras, name) for name in bert_keras.__all__}
    _write_texts(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lines = [path.read_text() for path in Path("texts").iterdir()]
        bert_keras.write_vocabulary("vocab.txt", bert_keras.learn_vocabulary(lines, 200))
        bert_keras.prepare_corpus(["texts"], "vocab.txt", "corpus")
        corpus = bert_keras.Corpus.open("corpus")
        config = bert_keras.BertConfig(vocab_size=corpus.vocab_size, **TINY)
        bert_keras.save(bert_keras.BertForPreTraining(config), "model", corpus.tokenizer)
        recipe = bert_keras.load_toml(bert_keras.FinetuneConfig, "finetune.toml")
        bert_keras.finetune(recipe, "run", "model", "train.tsv", "dev.tsv")
        data = bert_keras.DataConfig(max_seq_length=32, max_predictions_per_seq=5)
        batches = bert_keras.pretraining_dataset(corpus, data, batch_size=4, seed=0)
    names |= {
        "config": config,
        "tokenizer": corpus.tokenizer,
        "batches": batches,
        "batch": next(iter(batches)),
    }
    return folder, names


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.system] if name in SYSTEM else [])
        for name in bert_keras.__all__
        if name != "__version__"
    ],
)
def test_example_runs(name, made, tmp_path, monkeypatch):
    folder, names = made
    text = inspect.cleandoc(getattr(bert_keras, name).__doc__)
    _, _, example = text.partition("\nExample:\n")
    assert ">>>" in example, f"the docstring of {name} ends with an Example:"
    assert "+SKIP" not in example
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody
    run_session(example, names, name)


def run_session(example: str, names: dict[str, Any], name: str) -> dict[str, Any]:
    """Run a session of Python, with the names; what it prints must be what stands there.

    Returns:
        The names, and those that the session made.
    """
    test = doctest.DocTestParser().get_doctest(example, names, name, None, None)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    failed, tried = runner.run(test, out=said.append, clear_globs=False)
    assert tried
    assert not failed, "".join(said)
    return test.globs
