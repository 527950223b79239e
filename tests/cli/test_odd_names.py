"""Names of files and folders that are not UTF-8, long, or look like something else to a program.

Every command takes them, or says at once, in one line, why it cannot.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from bert_keras import BertForSentenceEmbedding, load, save
from bert_keras.__main__ import run as main
from tests.support.commands import finetune, pretrain, write_inputs

PRETRAIN = """
[model]
preset = "tiny"
num_hidden_layers = 1
[data]
max_seq_length = 16
max_predictions_per_seq = 3
[train]
steps = 2
batch_size = 4
eval_every_steps = 2
eval_batches = 1
"""
FINETUNE = """
[data]
max_seq_length = 16
[train]
steps = 2
batch_size = 4
eval_every_steps = 2
"""
NOT_UTF8 = os.fsdecode(b"caf\xe9")
NAMES = {
    "not UTF-8": NOT_UTF8,
    "glob": "a[1]*?{b}\\",
    "line end": "two\nlines",
    "spaces": "  two  words ",
    "tilde": "~",
    "option": "=--json",
    "markup": "[red]x",
    "long": "n" * 240,
    "characters": "\u732b" * 80,
    "at": "run@2",
}


def run(*arguments):
    """The exit code; of a failure, its one line."""
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Texts, rows, recipes, a vocabulary, a corpus, two runs, a sentence encoder: plain names."""
    folder = tmp_path_factory.mktemp("made")
    write_inputs(folder, pretrain=PRETRAIN, finetune=FINETUNE)
    rows = ({"anchor": text, "positive": "a cat"} for text in ("a dog", "the moon"))
    (folder / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run(*pretrain(folder, folder / "first")) == 0
    assert run(*finetune(folder, folder / "tuned", folder / "first")) == 0
    save(load(folder / "first", BertForSentenceEmbedding), folder / "sentences")
    assert run("convert", folder / "first", folder / "google", "--to", "google") == 0
    assert run("convert", folder / "first", folder / "model.keras", "--to", "keras") == 0
    return folder


@pytest.fixture(params=list(NAMES))
def odd(request, made, tmp_path):
    """A folder of such a name, with everything in it by such names, too, and the name."""
    name = NAMES[request.param]
    folder = tmp_path / name
    folder.mkdir()
    for path in made.iterdir():
        new = folder / f"{name}{path.suffix}" if path.is_file() else folder / path.name
        shutil.copy(path, new) if path.is_file() else shutil.copytree(path, new)
    for path in sorted((folder / "texts").iterdir())[:1]:
        path.rename(path.with_name(f"{name}.txt"))
    for recipe in ("pretrain", "finetune"):
        shutil.copy(made / f"{recipe}.toml", folder)
    return folder, name


# What a command cannot do with a name that is not UTF-8: the config of a run has to hold it, or
# TensorFlow has to write there.
REFUSED = {"pretrain", "finetune", "finetune from", "saved-model", "quickstart", "set"}


def commands(folder, name, made):
    """Every command with every path that it takes: (what, arguments, what it makes)."""
    out, new = folder / "out", folder / "out" / name
    texts, vocab, rows = folder / "texts", folder / f"{name}.txt", folder / f"{name}.tsv"
    data = ["--train", made / "rows.tsv"]
    answers, export = f"{new}.jsonl", folder / "finetune.toml"
    export.write_text(FINETUNE)
    return [
        ("vocab", ["vocab", texts, "--out", f"{new}.txt", "--size", "80"], f"{new}.txt"),
        ("prepare", ["prepare", texts, "--vocab", vocab, "--out", new], new),
        ("pretrain", ["pretrain", folder / "pretrain.toml", "--corpus", folder / "corpus",
                      "--workdir", out / "p" / name], out / "p" / name / "model"),
        ("workdir", ["pretrain", folder / "pretrain.toml", "--corpus", made / "corpus",
                     "--workdir", out / "w" / name], out / "w" / name / "model"),
        ("finetune", ["finetune", export, "--model", made / "first", "--train", rows,
                      "--dev", rows, "--workdir", out / "f" / name], out / "f" / name / "model"),
        ("finetune from", ["finetune", export, "--model", folder / "first", *data,
                           "--workdir", out / "g" / name], out / "g" / name / "model"),
        ("set", ["finetune", export, "--model", made / "first", *data, "--set",
                 f"data.dev={rows}", "--workdir", out / "s" / name], out / "s" / name / "model"),
        ("evaluate", ["evaluate", folder / "tuned", "--data", rows], None),
        ("predict", ["predict", folder / "tuned", "--input", rows, "--out", answers], answers),
        ("embed", ["embed", folder / "sentences", "--input", rows, "--out", f"{new}.npy"],
         f"{new}.npy"),
        ("search", ["search", folder / "sentences", "--documents", rows, "--queries", rows], None),
        ("mine", ["mine", folder / "sentences", "--pairs", folder / f"{name}.jsonl",
                  "--documents", rows, "--out", f"{new}.hard.jsonl"], f"{new}.hard.jsonl"),
        ("fill-mask", ["fill-mask", folder / "first", "a [MASK]"], None),
        ("fill-mask at", ["fill-mask", f"{folder / 'first'}@2", "a [MASK]"], None),
        ("convert", ["convert", folder / "first", out / "c" / name], out / "c" / name),
        ("to google", ["convert", folder / "first", out / "d" / name, "--to", "google"],
         out / "d" / name),
        ("to keras", ["convert", folder / "first", f"{new}.keras", "--to", "keras"],
         f"{new}.keras"),
        ("from google", ["convert", folder / "google", out / "e" / name], out / "e" / name),
        ("from keras", ["convert", folder / f"{name}.keras", out / "k" / name], out / "k" / name),
        ("tflite", ["export", "tflite", folder / "tuned", f"{new}.tflite", "--data", rows,
                    "--length", "16", "--prune-vocab", rows], f"{new}.tflite"),
        ("saved-model", ["export", "saved-model", folder / "tuned", out / "m" / name],
         out / "m" / name / "1"),
        ("finish", ["finish", folder / "first"], None),
        ("plot", ["plot", folder / "first"], None),
    ]  # fmt: skip


@pytest.mark.slow
def test_every_command_takes_such_names_or_says_at_once_why_not(odd, made, capsys):
    folder, name = odd
    wrong = []
    for what, arguments, makes in commands(folder, name, made):
        if what in ("tflite", "saved-model") and name not in (NOT_UTF8, NAMES["glob"]):
            continue  # they take longest
        capsys.readouterr()
        try:
            code = run(*arguments)
        except BaseException as error:
            wrong.append((what, repr(error)))
            continue
        lines = [row for row in capsys.readouterr().err.splitlines() if "bert-keras: " in row]
        is_refused = name == NOT_UTF8 and what in REFUSED
        is_refused |= name == NAMES["glob"] and what == "saved-model"
        if code != is_refused or len(lines) != is_refused:
            wrong.append((what, code, lines))
        elif is_refused:
            why = "is not UTF-8, as" if name == NOT_UTF8 else "TensorFlow opens nothing below"
            if not (
                why in lines[0] and name.encode("utf-8", "backslashreplace").decode() in lines[0]
            ):
                wrong.append((what, lines))
            if makes and os.path.lexists(makes):
                wrong.append((what, "left something behind"))
        elif makes and not os.path.lexists(makes):
            wrong.append((what, "made nothing"))
    left = [str(path) for path in folder.rglob("*.bert_keras.tmp*")]
    assert left == []
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.system
def test_a_name_that_is_too_long_is_one_line(made, tmp_path, capsys):
    name = tmp_path / ("n" * 260)
    data = ["--train", made / "rows.tsv", "--workdir", tmp_path / "run"]
    for arguments in (
        ["vocab", made / "texts", "--out", name],
        ["prepare", made / "texts", "--vocab", name, "--out", tmp_path / "c"],
        ["prepare", name, "--vocab", made / "vocab.txt", "--out", tmp_path / "c"],
        ["prepare", made / "texts", "--vocab", made / "vocab.txt", "--out", name],
        ["finetune", made / "finetune.toml", "--model", name, *data],
        ["finetune", name, "--model", made / "first", *data],
        ["pretrain", made / "pretrain.toml", "--corpus", made / "corpus", "--workdir", name],
        ["fill-mask", name, "a [MASK]"],
        ["predict", made / "tuned", "x", "--out", f"{name}.jsonl"],
        ["embed", made / "sentences", "x", "--out", f"{name}.npy"],
        ["search", made / "sentences", "--documents", f"{name}.tsv", "--query", "x"],
        ["convert", made / "first", name],
        ["plot", name],
    ):
        capsys.readouterr()
        assert run(*arguments) == 1
        lines = capsys.readouterr().err.splitlines()
        (line,) = [line for line in lines if line.startswith("bert-keras: ")]
        assert "File name too long" in line
        assert list(tmp_path.iterdir()) == []


@pytest.mark.system
def test_a_corpus_description_holds_names_that_are_not_utf8_as_json_can(made, tmp_path):
    texts = shutil.copytree(made / "texts", tmp_path / NOT_UTF8)
    vocab = ["--vocab", made / "vocab.txt"]
    assert run("prepare", texts, *vocab, "--out", tmp_path / "corpus") == 0
    text = Path(tmp_path / "corpus" / "corpus.json").read_text(encoding="utf-8")
    assert json.loads(text)["source"]["inputs"] == [str(texts)]
