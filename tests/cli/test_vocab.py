"""``bert-keras vocab`` with byte-level BPE and Unigram."""

import pytest

from bert_keras.__main__ import run as main
from bert_keras.corpus import Corpus
from bert_keras.tokenization import SubwordTokenizer
from tests.support.subwords import SENTENCES


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / "a.txt"
    file.write_text("\n\n".join(SENTENCES * 3), encoding="utf-8")
    return file


@pytest.mark.parametrize(("kind", "size"), [("bpe", 300), ("unigram", 150)])
def test_a_tokenizer_is_learned_and_a_corpus_prepared_with_it(kind, size, texts, tmp_path, capsys):
    out = tmp_path / "tokenizer"
    command = ["vocab", str(texts), "--out", str(out), "--kind", kind, "--size", str(size)]
    assert main(command) == 0
    assert f"tokens of {kind}" in capsys.readouterr().out
    tokenizer = SubwordTokenizer.from_pretrained(out)
    assert tokenizer.kind.lower() == kind
    assert 70 < tokenizer.vocab_size <= size
    arguments = ["prepare", str(texts), "--vocab", str(out), "--out", str(tmp_path / "corpus")]
    assert main(arguments) == 0
    assert Corpus.open(tmp_path / "corpus").tokenizer.identity == tokenizer.identity
    assert main(command) == 1  # what is there stays
    assert "already" in capsys.readouterr().err


def test_a_file_is_no_place_for_two(texts, tmp_path, capsys):
    out = tmp_path / "vocab.txt"
    assert main(["vocab", str(texts), "--out", str(out), "--kind", "bpe"]) == 1
    assert "--out is a folder for bpe, which has two files" in capsys.readouterr().err
    assert not out.exists()


def test_a_casing_is_refused_beside_such_a_tokenizer(texts, tmp_path, capsys):
    out = tmp_path / "tokenizer"
    assert main(["vocab", str(texts), "--out", str(out), "--kind", "bpe", "--size", "300"]) == 0
    arguments = [
        "prepare",
        str(texts),
        "--vocab",
        str(out),
        "--cased",
        "--out",
        str(tmp_path / "c"),
    ]
    assert main(arguments) == 1
    assert "leave the casing out" in capsys.readouterr().err
