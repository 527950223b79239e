"""What `vocab` and `prepare` say of their input, and of what they cannot read."""

import pytest

from bert_keras.__main__ import run as main
from bert_keras.cli.quickstart import make_corpus
from bert_keras.corpus import Corpus

SENTENCES = ["The cat sees the river.", "A dog likes a small house."]


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.txt").write_text(" ".join(SENTENCES * 4))
    return folder


def test_a_column_is_read_and_said_on_standard_error(tmp_path, capsys):
    rows = "".join(f'{n},"{sentence}"\n' for n, sentence in enumerate(SENTENCES))
    (tmp_path / "a.csv").write_text(f"id,body\n{rows}")
    table, vocabulary = str(tmp_path / "a.csv"), str(tmp_path / "v")
    assert main(["vocab", table, "--out", vocabulary]) == 1
    assert "its columns: 'id', 'body'. Name one with --text-column" in capsys.readouterr().err
    column = ["--text-column", "body"]
    assert main(["vocab", table, "--out", vocabulary, "--size", "90", *column]) == 0
    out = str(tmp_path / "corpus")
    assert main(["prepare", table, "--vocab", vocabulary, "--out", out, *column]) == 0
    captured = capsys.readouterr()
    said = "reading 1 file as CSV (column 'body', such as 'The cat sees the river.')"
    assert captured.err.count(said) == 2
    assert "% of the characters" in captured.out


def test_an_uncased_corpus_of_a_cased_vocabulary_is_told(tmp_path, texts, capsys):
    vocabulary, out = str(tmp_path / "v"), str(tmp_path / "corpus")
    assert main(["vocab", str(texts), "--out", vocabulary, "--size", "120", "--cased"]) == 0
    assert main(["prepare", str(texts), "--vocab", vocabulary, "--out", out]) == 0
    assert "entries can never occur, such as" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["vocab", "prepare"])
def test_another_encoding_is_one_line_and_leaves_nothing(tmp_path, texts, capsys, command):
    vocabulary = str(tmp_path / "v")
    assert main(["vocab", str(texts), "--out", vocabulary, "--size", "90"]) == 0
    capsys.readouterr()
    (tmp_path / "a.csv").write_bytes('text,label\n"café",né\n'.encode("latin-1"))
    rest = ["--vocab", vocabulary] if command == "prepare" else []
    assert main([command, str(tmp_path / "a.csv"), "--out", str(tmp_path / "out"), *rest]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "iconv -f LATIN1 -t UTF-8" in captured.err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "texts", "v"]


def test_the_quickstart_says_once_what_its_text_has_lost(tmp_path, texts, caplog):
    (texts / "0.txt").write_text("A lost \ufffd character.", encoding="utf-8")
    with caplog.at_level("INFO", logger="bert_keras"):
        corpus = make_corpus(tmp_path)
    assert len(Corpus.open(corpus).documents) == 4
    assert [line for line in caplog.messages if "U+FFFD" in line] == [
        "1 character is U+FFFD, which stands for what an earlier conversion lost, the first in "
        f"{texts / '0.txt'}, line 1"
    ]
    assert caplog.messages.count("reading 4 files as text") == 1
