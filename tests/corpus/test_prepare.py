import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.sentences import split_paragraph
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    BertTokenizer,
    Casing,
    learn_vocabulary,
    write_vocabulary,
)

STORY = (
    "The river ran past the old mill. Nobody worked there now! Was it haunted?\n\n"
    "Children said so. Their parents did not.\n"
)


@pytest.fixture
def vocab(tmp_path):
    write_vocabulary(tmp_path / "vocab.txt", learn_vocabulary([STORY] * 3, 200))
    return tmp_path / "vocab.txt"


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.txt").write_text(STORY * (number + 1))
    (folder / "05.txt").write_text(" \n\n")
    (folder / "07.txt").write_bytes(b"The mill \xff ran. \xfe\xfe Now!" + STORY.encode())
    (folder / "08.txt").write_text("\u200b\n\n\u200b")  # not blank, but no token is left of it
    return folder


def _bytes_of(directory):
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


def test_the_corpus_holds_the_ids_of_the_sentences(tmp_path, vocab):
    (tmp_path / "a.txt").write_text(STORY)
    (tmp_path / "b.txt").write_text("The old mill. ☃ ☃!")
    report = prepare_corpus([tmp_path / "a.txt", tmp_path / "b.txt"], vocab, tmp_path / "out")
    corpus = Corpus.open(tmp_path / "out")
    tokenizer = BertTokenizer.from_vocab(vocab)
    found = [
        [
            tokenizer.decode(corpus.tokens[start:end])
            for start, end in zip(
                corpus.sentence_offsets[first:last],
                corpus.sentence_offsets[first + 1 : last + 1],
                strict=True,
            )
        ]
        for first, last in corpus.documents
    ]
    assert found[0] == [
        "the river ran past the old mill.",
        "nobody worked there now!",
        "was it haunted?",
        "children said so.",
        "their parents did not.",
    ]
    assert [len(document) for document in found] == [5, 2]
    assert corpus.tokens.dtype == np.uint16
    assert corpus.sentence_offsets.dtype == corpus.documents.dtype == np.int64
    assert (report.documents, report.sentences, report.tokens) == (2, 7, len(corpus.tokens))
    assert report.unknown_tokens == 2
    assert report.unknown_share == pytest.approx(2 / len(corpus.tokens))


def _wild_paragraphs(seed):
    """Text that mixes scripts, marks, quotes, special tokens, odd spaces and control characters."""
    pick = random.Random(seed).choices
    parts = [
        *["the", "River", "mill.", "Dr.", "U.S.", "No.", "3.", "1.", "e.g.", "it's", "“Go!”", '"'],
        *["房间", "很好。", "？！”", "……", "…", "，", "（是的。）", "好.", "!", "...", "．", "｡"],
        *["[MASK]", "[MASK", "[CLS]x", "naïve", "ΟΔΟΣ", "x" * 101, "a\u200bb", "\x01c", "\ufffd"],
        *["🙂", "これはペン。", "a\x0bb", "\x85", "\u2028", "\ue000", "\u0301", "\u2e43", "ß", "-"],
        "http://a.b/c_d?e=f",
    ]  # fmt: skip
    for _ in range(60):
        joints = pick(["", " ", "  ", "\u3000", "\t"], [4, 6, 1, 1, 1], k=40)
        text = "".join(a + b for a, b in zip(pick(parts, k=40), joints, strict=True))
        yield [line for line in text.split("\t") if line.strip()]


@pytest.mark.parametrize(
    "casing",
    [Casing(), Casing(do_lower_case=False), Casing(tokenize_chinese_chars=False)],
    ids=["uncased", "cased", "unsplit-chinese"],
)
def test_ids_are_those_of_every_sentence_encoded_alone(tmp_path, casing):
    paragraphs = [lines for seed in range(5) for lines in _wild_paragraphs(seed)]
    vocabulary = learn_vocabulary([line for lines in paragraphs for line in lines], 200, casing)
    write_vocabulary(tmp_path / "vocab.txt", vocabulary)
    text = "\n\n".join("\n".join(lines) for lines in paragraphs)
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    prepare_corpus([tmp_path / "a.txt"], tmp_path / "vocab.txt", tmp_path / "out", casing)
    corpus = Corpus.open(tmp_path / "out")
    encode = BertTokenizer(vocabulary, casing).encode
    sentences = [sentence for lines in paragraphs for sentence in split_paragraph(lines)]
    expected = [ids for ids in (encode(text).input_ids[1:-1] for text in sentences) if ids]
    bounds = pairwise(corpus.sentence_offsets.tolist())
    assert [corpus.tokens[start:end].tolist() for start, end in bounds] == expected


def test_a_name_that_is_not_utf8_is_recorded(tmp_path, vocab):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text(STORY)
    prepare_corpus([path], vocab, tmp_path / "out")
    description = (tmp_path / "out" / "corpus.json").read_text(encoding="utf-8")
    assert json.loads(description)["source"]["inputs"] == [str(path)]
    assert len(Corpus.open(tmp_path / "out").documents) == 1


def test_the_report_counts_what_was_left_out(tmp_path, texts, vocab):
    report = prepare_corpus([texts], vocab, tmp_path / "out")
    assert (report.documents, report.empty_documents, report.replaced_bytes) == (28, 2, 3)
    assert report.seconds > 0
    counts = json.loads((tmp_path / "out" / "corpus.json").read_text())["counts"]
    assert counts["documents"] == 28
    assert counts["replaced_bytes"] == 3


def test_workers_do_not_change_a_byte(tmp_path, texts, vocab, monkeypatch):
    monkeypatch.setattr("bert_keras.corpus.tokenizing._BATCH_CHARACTERS", 1_000)
    prepare_corpus([texts], vocab, tmp_path / "one")
    prepare_corpus([texts], vocab, tmp_path / "two", workers=2)
    monkeypatch.undo()
    prepare_corpus([texts], vocab, tmp_path / "big")
    assert _bytes_of(tmp_path / "one") == _bytes_of(tmp_path / "two") == _bytes_of(tmp_path / "big")


def test_blank_lines_can_end_documents(tmp_path, vocab):
    (tmp_path / "a.txt").write_text(STORY)
    settings = {"split": "blank-line", "sentences": "auto"}
    prepare_corpus([tmp_path / "a.txt"], vocab, tmp_path / "out", **settings)
    assert Corpus.open(tmp_path / "out").documents.tolist() == [[0, 3], [3, 5]]


def test_casing_goes_with_the_corpus(tmp_path, texts, vocab):
    casing = Casing(do_lower_case=False)
    report = prepare_corpus([texts], vocab, tmp_path / "out", casing)
    assert Corpus.open(tmp_path / "out").tokenizer.casing == casing
    assert report.unknown_tokens > 0  # "The", of an uncased vocabulary


def test_large_vocabularies_are_stored_as_int32(tmp_path, vocab):
    pieces = BertTokenizer.from_vocab(vocab).vocab
    write_vocabulary(vocab, pieces + [f"word{n}" for n in range(1 << 16)], replace=True)
    (tmp_path / "a.txt").write_text("word65535 mill")
    prepare_corpus([tmp_path / "a.txt"], vocab, tmp_path / "out")
    corpus = Corpus.open(tmp_path / "out")
    assert corpus.tokens.dtype == np.int32
    assert corpus.tokens.max() == len(pieces) + 65_535


def test_an_existing_corpus_is_never_overwritten(tmp_path, texts, vocab):
    prepare_corpus([texts], vocab, tmp_path / "out")
    before = _bytes_of(tmp_path / "out")
    with pytest.raises(InputError, match="already exists"):
        prepare_corpus([texts / "01.txt"], vocab, tmp_path / "out")
    assert _bytes_of(tmp_path / "out") == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_empty_corpus_is_refused_and_leaves_nothing(tmp_path, texts, vocab, workers):
    with pytest.raises(InputError, match="no text"):
        prepare_corpus([texts / "05.txt"], vocab, tmp_path / "out", workers=workers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts", "vocab.txt"]


def _run(tmp_path, vocab, limit=None):
    """Prepares ``texts`` in a process of its own, whose files may not grow over ``limit``."""

    def restrict():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that write() fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    script = (
        "import sys; from bert_keras.corpus import prepare_corpus;"
        "prepare_corpus(sys.argv[1:2], sys.argv[2], sys.argv[3])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "texts", vocab, tmp_path / "place" / "out"],
        preexec_fn=restrict if limit else None,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_file_that_cannot_grow_leaves_nothing(tmp_path, vocab):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(STORY * 5_000)
    process = _run(tmp_path, vocab, limit=50_000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "OSError: [Errno 27]" in errors.splitlines()[-1]
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_leaves_nothing(tmp_path, vocab):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(STORY * 5_000)
    (tmp_path / "place").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path / "place")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        process = _run(tmp_path, vocab)
        _, errors = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "OSError: [Errno 28] No space left on device" in errors.splitlines()[-1]
        assert list((tmp_path / "place").iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path / "place")], check=True)


def test_killed_in_the_middle_there_is_no_corpus_and_the_next_run_makes_it(tmp_path, vocab):
    (tmp_path / "texts").mkdir()
    text = tmp_path / "texts" / "a.txt"
    text.write_text(STORY * 20_000)
    process = _run(tmp_path, vocab)
    place = tmp_path / "place"
    while process.poll() is None and not list(place.glob(".out.*/tokens.npy")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL  # it had begun to write and was not done
    assert not (place / "out").exists()
    with pytest.raises(InputError, match="not a corpus"):
        Corpus.open(place / "out")
    text.write_text(STORY)
    process = _run(tmp_path, vocab)
    assert process.communicate(timeout=60)[1] == ""
    assert len(Corpus.open(place / "out").documents) == 1
    assert [path.name for path in place.iterdir()] == ["out"]


def test_the_report_tells_the_characters_that_are_lost(tmp_path, caplog, monkeypatch):
    write_vocabulary(tmp_path / "v", learn_vocabulary(["short words"], 100))
    text = "ก" * 150 + "\n\nshort words\n\nनमस्ते"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    report = prepare_corpus([tmp_path / "a.txt"], tmp_path / "v", tmp_path / "one")
    assert report.characters == len("".join(text.split()))
    assert report.unknown_characters == 150 + len("नमस्ते")
    assert report.unknown_character_share == pytest.approx(156 / 166)
    assert report.dropped_marks == 2
    assert report.unknown_tokens == 2
    assert "94.0 % of the characters become [UNK]" in caplog.text
    assert "word segmenter" in caplog.text
    assert "'नमस्ते' becomes 'नमसत'" in caplog.text
    counts = json.loads((tmp_path / "one" / "corpus.json").read_text())["counts"]
    assert counts["unknown_characters"] == 156
    messages = caplog.messages
    caplog.clear()
    monkeypatch.setattr("bert_keras.corpus.tokenizing._BATCH_CHARACTERS", 5)
    prepare_corpus([tmp_path / "a.txt"], tmp_path / "v", tmp_path / "two", workers=2)
    assert _bytes_of(tmp_path / "one") == _bytes_of(tmp_path / "two")
    assert caplog.messages == messages


def test_a_vocabulary_of_another_casing_is_told_before_the_work(tmp_path, caplog):
    cased = learn_vocabulary([STORY] * 3, 200, Casing(do_lower_case=False))
    write_vocabulary(tmp_path / "v", cased)
    (tmp_path / "a.txt").write_text(STORY)
    prepare_corpus([tmp_path / "a.txt"], tmp_path / "v", tmp_path / "out")
    assert "entries can never occur" in caplog.messages[0]
