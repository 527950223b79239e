import json

import numpy as np
import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.long_sentences import LONGEST, PIECE, SentenceCutter
from bert_keras.tokenization import WordPieceTokenizer, learn_vocabulary, write_vocabulary

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word", "##s", ",", "'", "7", "."]
WORD, MORE, COMMA, QUOTE, SEVEN = range(5, 10)


def lengths_of(ids, sentences="auto"):
    cutter = SentenceCutter(WordPieceTokenizer(VOCAB), sentences)
    return np.diff(cutter(np.array(ids), np.array([len(ids)])), prepend=0).tolist()


def test_a_sentence_up_to_the_limit_stays_whole():
    assert lengths_of([WORD] * LONGEST["auto"]) == [128]
    assert lengths_of([WORD] * 512, "lines") == [512]


def test_a_longer_one_is_cut_in_halves_until_its_pieces_are_short():
    assert lengths_of([WORD] * 129) == [64, 32, 33]
    assert lengths_of([WORD] * 513, "lines") == [64, 64, 64, 64, 64, 64, 64, 32, 33]


def test_it_is_cut_after_a_comma_rather_than_in_the_middle():
    ids = [WORD] * 49 + [COMMA] + [WORD] * 80
    assert lengths_of(ids)[:1] == [50]


def test_neither_words_nor_numbers_nor_apostrophes_are_torn():
    for whole in ([WORD, MORE, MORE], [SEVEN, COMMA, SEVEN], [WORD, QUOTE, WORD]):
        starts = np.cumsum(lengths_of(whole * 60))
        assert len(starts) == 4
        assert (starts % 3 == 0).all()


def test_a_word_longer_than_a_piece_stays_whole():
    ids = [WORD] + [MORE] * 99 + [WORD] + [MORE] * 99
    assert lengths_of(ids) == [100, 100]


def test_sentences_around_a_long_one_stay_as_they_are():
    cutter = SentenceCutter(WordPieceTokenizer(VOCAB), "auto")
    ends = cutter(np.full(330, WORD), np.array([20, 300, 10]))
    assert ends[0] == 20
    assert ends[-2:].tolist() == [320, 330]


SPEECH = " ".join(f"and then we said number {n} to the people" for n in range(200))


@pytest.fixture
def corpora(tmp_path):
    """One with a text without stops between two others; its vocabulary knows all words whole."""
    texts = ["One was here. Two was there.", SPEECH, "Three came. Four went."]
    write_vocabulary(tmp_path / "vocab.txt", learn_vocabulary(texts * 3, 400))
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)

    def prepare(name, **settings):
        out = tmp_path / name
        report = prepare_corpus([tmp_path / f"{n}.txt" for n in range(3)], tmp_path / "vocab.txt",
                                out, **settings)  # fmt: skip
        return report, Corpus.open(out)

    return prepare


def test_text_without_stops_becomes_sentences_that_hold_all_of_it(corpora):
    report, corpus = corpora("out")
    expected = corpus.tokenizer.encode(SPEECH).input_ids[1:-1]
    first, end = corpus.documents[1]
    bounds = corpus.sentence_offsets[first : end + 1]
    assert corpus.tokens[bounds[0] : bounds[-1]].tolist() == expected
    assert np.diff(bounds).max() <= PIECE
    assert corpus.documents.tolist() == [[0, 2], [2, end], [end, end + 2]]
    assert report.long_sentence_tokens == len(expected) > 512
    counts = json.loads((corpus.path / "corpus.json").read_text())["counts"]
    assert counts["long_sentence_tokens"] == report.long_sentence_tokens


def test_workers_and_batches_do_not_change_where_it_is_cut(corpora, monkeypatch):
    _, expected = corpora("out")
    monkeypatch.setattr("bert_keras.corpus.tokenizing._BATCH_CHARACTERS", 10)
    for name, settings in (("small", {}), ("two", {"workers": 2})):
        _, found = corpora(name, **settings)
        for file in expected.path.iterdir():
            assert (found.path / file.name).read_bytes() == file.read_bytes()


def test_long_sentences_of_dropped_duplicates_are_not_counted(corpora, tmp_path):
    (tmp_path / "2.txt").write_text(SPEECH)
    report, corpus = corpora("out", drop_duplicates=True)
    assert report.duplicate_documents == 1
    assert report.long_sentence_tokens < report.tokens == len(corpus.tokens)
