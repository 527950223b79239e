"""What ``bert-keras prepare`` reports, on text with capitals and on its twin without."""

import re

import pytest

from bert_keras.__main__ import run as main
from bert_keras.corpus import Corpus

PARAGRAPHS = [
    "The hotel stands by the river. We stayed for two nights, and Mr. Adams joined us. It rained.",
    "Breakfast was cold! Nobody came to ask why. The owner, Dr. J. R. Wu, had left for Paris.",
    "Was the room clean? It was. See no. 5 in Fig. 2 for a plan. The bill came to $3.50 a head.",
    "On the third day the sun came out. We walked to the old mill. There was no one. Then we left.",
]


def prepare(capsys, inputs, folder, *options):
    """The rows of the report, by name, and what was said on standard error."""
    vocab = folder / "vocab.txt"
    if not vocab.exists():
        assert main(["vocab", *map(str, inputs), "--out", str(vocab), "--size", "2000"]) == 0
    out = folder / f"corpus{len(list(folder.glob('corpus*')))}"
    capsys.readouterr()
    arguments = ["prepare", *map(str, inputs), "--vocab", str(vocab), "--out", str(out), *options]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    rows = re.findall(r"^ (\S.*?)  +(\S.*?) *$", captured.out, re.MULTILINE)
    return dict(rows), captured.err, Corpus.open(out)


def shares(rows):
    return [float(rows[f"shown by an epoch, length {n}"].split("%")[0]) for n in (128, 512)]


def twins(texts, folder):
    """Files of texts, and of what ``tr A-Z a-z`` makes of them."""
    files = []
    for name, change in (("cased", str), ("lower", str.lower)):
        (folder / name).mkdir()
        for number, text in enumerate(texts):
            (folder / name / f"{number:03}.txt").write_text(change(text), encoding="utf-8")
        files.append(folder / name)
    return files


def test_the_twin_without_capitals_shows_what_the_corpus_shows(tmp_path, capsys):
    texts = ["\n\n".join(PARAGRAPHS[n % 4 :] + PARAGRAPHS * 9) for n in range(12)]
    cased, lower = twins(texts, tmp_path)
    rows, _, corpus = prepare(capsys, [cased], tmp_path)
    lower_rows, _, lower_corpus = prepare(capsys, [lower], tmp_path)
    assert lower_corpus.sentence_offsets.tolist() == corpus.sentence_offsets.tolist()
    assert shares(lower_rows) == shares(rows)
    assert rows["in sentences longer than 512"] == "0.00% of the word pieces"


def test_of_real_speeches_too(tmp_path, capsys, shared_data):
    speeches = sorted((shared_data / "sotu").glob("*.txt"))[::20]
    assert len(speeches) == 12
    cased, lower = twins([path.read_text(encoding="utf-8") for path in speeches], tmp_path)
    rows, _, corpus = prepare(capsys, [cased], tmp_path)
    lower_rows, _, lower_corpus = prepare(capsys, [lower], tmp_path)
    assert shares(lower_rows) == pytest.approx(shares(rows), abs=1)
    assert min(shares(rows)) > 80
    counts = [len(each.sentence_offsets) for each in (corpus, lower_corpus)]
    assert counts[1] == pytest.approx(counts[0], rel=0.01)


def test_text_without_stops_is_shown_and_named(tmp_path, capsys):
    speech = " ".join(re.sub(r"[^\w ]", "", text).lower() for text in PARAGRAPHS * 20)
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(speech)
    rows, _, _ = prepare(capsys, sorted(tmp_path.glob("*.txt")), tmp_path)
    assert rows["in sentences longer than 512"] == "100.00% of the word pieces"
    assert min(shares(rows)) > 80


def test_single_sentences_are_warned_of_and_lines_are_said(tmp_path, capsys):
    lines = [sentence for text in PARAGRAPHS for sentence in text.split(". ")]
    (tmp_path / "a.txt").write_text("\n\n".join(lines))
    rows, said, corpus = prepare(capsys, [tmp_path / "a.txt"], tmp_path, "--split", "blank-line")
    assert len(corpus.documents) == len(lines) == int(rows["sentences"])
    assert "every line is read as a sentence" in said
    assert f"{len(lines)} of {len(lines)} documents are a single sentence" in said
    assert 'data.next_sentence = "none"' in said
    _, said, corpus = prepare(capsys, [tmp_path / "a.txt"], tmp_path, "--sentences", "lines")
    assert len(corpus.documents) == 1
    assert "the corpus is one document" in said
