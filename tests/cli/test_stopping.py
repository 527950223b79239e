"""Commands that a signal breaks off: one line, an exit code, nothing half written, no process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_keras.__main__ import run as main
from bert_keras.modeling import (
    BertForPreTraining,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
)
from bert_keras.saving import save
from bert_keras.tokenization import BertTokenizer
from tests.support.models import small_config

# Runs a command; a function that it calls tells its own process to stop, before or after its work.
STOPPED = """
import os, pkgutil, sys
calls = 0

def spoil(home, name, call, when, number):
    owner = pkgutil.resolve_name(home)
    original = getattr(owner, name)
    def stopping(*arguments, **settings):
        global calls
        calls += 1
        tell = lambda: calls == int(call) and os.kill(os.getpid(), int(number))
        when == "before" and tell()
        result = original(*arguments, **settings)
        when == "after" and tell()
        return result
    setattr(owner, name, stopping)

if __name__ == "__main__":  # the processes of a pool import this file, too
    spoil(*sys.argv[1:6])
    del sys.argv[1:6]
    from bert_keras.__main__ import main
    sys.exit(main())
"""

SENTENCES = ["The cat sees the river.", "A dog likes a small house.", "My sister follows the moon."]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Texts, a vocabulary, labeled rows, models of random weights."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "texts").mkdir()
    for number in range(12):
        (folder / "texts" / f"{number:02d}.txt").write_text("\n".join(40 * SENTENCES))
    rows = [f"{sentence}\t{'ab'[n % 2]}" for n, sentence in enumerate(40 * SENTENCES)]
    (folder / "rows.tsv").write_text("\n".join(rows) + "\n")
    pairs = [json.dumps({"anchor": text, "positive": text.lower()}) for text in SENTENCES]
    (folder / "pairs.jsonl").write_text("\n".join(pairs))
    (folder / "stop.py").write_text(STOPPED)
    vocabulary = folder / "vocab.txt"
    assert main(["vocab", str(folder / "texts"), "--out", str(vocabulary), "--size", "120"]) == 0
    tokenizer = BertTokenizer.from_vocab(vocabulary)
    config = small_config(tokenizer.vocab_size, max_position_embeddings=32)
    labeled = BertForSequenceClassification(config, labels=("a", "b"))
    save(labeled, folder / "labeled", tokenizer)
    save(BertForPreTraining(config), folder / "base", tokenizer)
    save(BertForSentenceEmbedding(config), folder / "sentences", tokenizer)
    return folder


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def alive(session):
    """The processes of a session that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(owner) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def stop(made, out, spoiled, command, number=signal.SIGTERM):
    """Runs a command that is told to stop; the exit code and what it wrote to standard error."""
    scratch = out / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, str(made / "stop.py"), *spoiled, str(number.value), *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        errors = process.stderr.read()
    deadline = time.monotonic() + 30
    while Path("/proc").is_dir() and alive(process.pid):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)
    assert files(scratch) == []
    scratch.rmdir()
    return process.returncode, errors


APPEND = ("bert_keras.corpus.writer:CorpusWriter", "append", "1", "after")
ALPHABET = ("bert_keras.tokenization.learning", "_alphabet", "1", "after")
ROWS = ("bert_keras.tasks.answering", "_rows", "2", "before")
EMBED = ("bert_keras.modeling.embedding:BertForSentenceEmbedding", "embed")
QUICK = [
    ("vocab", ALPHABET, "vocab {texts} --out {out}/v"),
    ("prepare", APPEND, "prepare {texts} --vocab {made}/vocab.txt --out {out}/c"),
    ("processes", APPEND, "prepare {texts} --vocab {made}/vocab.txt --out {out}/c --workers 2"),
]  # fmt: skip
SLOW = [
    ("evaluate", ROWS, "evaluate {made}/labeled --data {made}/rows.tsv --batch-size 4"),
    ("predict", ROWS, "predict {made}/labeled --input {made}/rows.tsv --batch-size 4"),
    ("answers", ("bert_keras.files", "_sync", "1", "before"),
     "predict {made}/labeled --input {made}/rows.tsv --out {out}/a.csv"),
    ("saved-model", ("tensorflow:saved_model", "save", "1", "after"),
     "export saved-model {made}/labeled {out}/served"),
    ("tflite", ("bert_keras.export.tflite.convert", "give_way", "1", "before"),
     "export tflite {made}/labeled {out}/a.tflite"),
    ("convert", ("bert_keras.files", "_sync", "1", "before"), "convert {made}/base {out}/model"),
    ("embed", (*EMBED, "1", "after"),
     "embed {made}/sentences --input {made}/rows.tsv --out {out}/v.npy"),
    ("search", (*EMBED, "2", "before"),
     "search {made}/sentences --documents {made}/rows.tsv --query cat"),
    ("mine", (*EMBED, "2", "before"),
     "mine {made}/sentences --pairs {made}/pairs.jsonl --out {out}/hard.jsonl"),
    ("fill-mask", ("bert_keras.tokenization:WordPieceTokenizer", "encode", "1", "before"),
     "fill-mask {made}/base [MASK]"),
]  # fmt: skip


def check(made, tmp_path, spoiled, command, number=signal.SIGTERM):
    names = {"texts": made / "texts", "made": made, "out": tmp_path}
    words = [word.format(**names) for word in command.split()]
    code, errors = stop(made, tmp_path, spoiled, words, number)
    assert (code, errors.splitlines()[-1:]) == (128 + number, ["bert-keras: interrupted"])
    assert "Traceback" not in errors
    assert files(tmp_path) in ([], ["served"])  # the folder of the versions, empty


@pytest.mark.parametrize(
    ("spoiled", "command"), [row[1:] for row in QUICK], ids=[r[0] for r in QUICK]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_making_text_ready_leaves_nothing(spoiled, command, number, made, tmp_path):
    check(made, tmp_path, spoiled, command, number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoiled", "command"), [row[1:] for row in SLOW], ids=[r[0] for r in SLOW]
)
def test_using_a_model_leaves_nothing(spoiled, command, made, tmp_path):
    check(made, tmp_path, spoiled, command)
