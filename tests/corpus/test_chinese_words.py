import csv
import importlib.metadata
import itertools
import random
import re

import numpy as np
import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.chinese_words import WordSegmenter
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    SPECIAL_TOKENS,
    Casing,
    WordPieceTokenizer,
    learn_vocabulary,
    write_vocabulary,
)

jieba = pytest.importorskip("jieba")

TEXTS = [
    "我来到北京清华大学。中华人民共和国成立了！",
    "The hotel 距离火车站很近,房间里有WiFi吗?早餐unbelievable不错。",
    "商务大床房，房间很大。\n经济实惠不错!",
]


def words(corpus):
    """The words of each sentence, pieces joined."""
    pieces = np.array(corpus.tokenizer.vocab)[corpus.tokens]
    sentences = itertools.pairwise(corpus.sentence_offsets.tolist())
    for first, end in sentences:
        starts = [*(first + np.flatnonzero(corpus.word_starts[first:end])).tolist(), end]
        yield [
            "".join(pieces[start:stop]).replace("##", "")
            for start, stop in itertools.pairwise(starts)
        ]


def prepare(folder, texts, name="out", casing=Casing(), **options):
    (folder / "texts").mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / "texts" / f"{number:04}.txt").write_text(text)
    if not (folder / "vocab.txt").exists():
        write_vocabulary(folder / "vocab.txt", learn_vocabulary(texts * 2, 3000, casing))
    options = {"chinese_words": True} | options
    prepare_corpus([folder / "texts"], folder / "vocab.txt", folder / name, casing, **options)
    return folder / name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("chinese"), TEXTS)


def test_words_are_those_of_the_segmenter_and_never_reach_over_a_sentence(prepared):
    corpus = Corpus.open(prepared)
    first, second, *_ = words(corpus)
    assert first == ["我", "来到", "北京", "清华大学", "。"]
    assert second == ["中华人民共和国", "成立", "了", "！"]
    assert corpus.word_starts[corpus.sentence_offsets[:-1]].all()


def test_other_words_are_as_the_vocabulary_says(prepared):
    corpus = Corpus.open(prepared)
    sentences = [" ".join(sentence) for sentence in words(corpus)]
    (english,) = (sentence for sentence in sentences if "hotel" in sentence)
    assert english.split()[:2] == ["the", "hotel"]
    continued = ~corpus.tokenizer.starts_word[corpus.tokens]
    assert not corpus.word_starts[continued].any()
    is_chinese = np.array(
        [re.fullmatch("[\u4e00-\u9fff]", piece) is not None for piece in corpus.tokenizer.vocab]
    )[corpus.tokens]
    assert (corpus.word_starts | continued | is_chinese).all()


@pytest.mark.system
def test_any_number_of_workers_writes_the_same_bytes(prepared, monkeypatch):
    monkeypatch.setattr("bert_keras.corpus.chinese_words._BLOCK_SENTENCES", 2)
    for workers in (1, 2):
        other = prepare(prepared.parent, TEXTS, name=f"workers{workers}", workers=workers)
        for file in sorted(prepared.iterdir()):
            assert (other / file.name).read_bytes() == file.read_bytes(), file.name


def test_words_in_any_order_are_those_of_the_segmenter():
    jieba.initialize()  # its dictionary is empty until then
    draw = random.Random(0)
    dictionary = [w for w in sorted(jieba.dt.FREQ) if re.fullmatch("[\u4e00-\u9fd5]+", w)]
    frequent = sorted(dictionary, key=jieba.dt.FREQ.__getitem__)[-3_000:]
    runs = ["的", "酒店的房间很干净" * 2_000]
    for _ in range(500):
        parts = draw.choices(dictionary, k=draw.randrange(4)) + draw.choices(frequent, k=3)
        parts += [chr(draw.randrange(0x4E00, 0x9FD6)) for _ in range(draw.randrange(4))]
        draw.shuffle(parts)
        runs.append("".join(parts))
    vocab = [*SPECIAL_TOKENS, "x", "##x", *sorted(set("".join(runs)))]
    ids = {piece: number for number, piece in enumerate(vocab)}
    pieces, expected, sentence_starts = [], [], []
    for number, run in enumerate(runs):
        if number % 3 != 1:  # two runs in a sentence with a word between them, or without one
            sentence_starts.append(len(pieces))
        else:
            pieces += ["x", "##x"]
            expected += [True, False]
        pieces += run
        expected += [place == 0 for word in jieba.cut(run) for place in range(len(word))]
    segment = WordSegmenter(WordPieceTokenizer(vocab))
    found = segment(np.array([ids[piece] for piece in pieces]), np.array(sentence_starts))
    assert found.tolist() == expected


def test_without_the_option_there_is_no_array_and_no_word_of_it(prepared):
    plain = prepare(prepared.parent, TEXTS, name="plain", chinese_words=False)
    assert not (plain / "word_starts.npy").exists()
    assert "word_starts" not in (plain / "corpus.json").read_text()
    assert f"jieba {jieba.__version__}" in (prepared / "corpus.json").read_text()
    assert Corpus.open(plain).word_starts is None
    assert Corpus.open(plain).identity != Corpus.open(prepared).identity


def test_a_missing_array_is_an_error_that_names_it(prepared):
    broken = prepare(prepared.parent, TEXTS, name="broken")
    (broken / "word_starts.npy").unlink()
    with pytest.raises(InputError, match=r"word_starts\.npy is damaged .the file is missing"):
        Corpus.open(broken)


def test_without_the_segmenter_nothing_is_begun(prepared, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(InputError, match="pip install 'jieba>="):
        prepare(prepared.parent, TEXTS, name="lacking")
    assert not (prepared.parent / "lacking").exists()


def test_split_keeps_the_words(prepared):
    train, held_out = Corpus.open(prepared).split(0.4)
    assert train.word_starts is held_out.word_starts
    assert train.word_starts is not None


def test_reviews_are_cut_as_the_segmenter_cuts_their_chinese(shared_data, tmp_path):
    path = shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv"
    with path.open(encoding="utf-8", newline="") as file:
        reviews = [row["review"] for row in itertools.islice(csv.DictReader(file), 300)]
    corpus = Corpus.open(prepare(tmp_path, [review for review in reviews if review.strip()]))
    chinese = re.compile("[\u4e00-\u9fff]+")
    for sentence in words(corpus):
        text = " ".join(sentence)
        for run in chinese.findall("".join(w if chinese.fullmatch(w) else " " for w in sentence)):
            assert " ".join(jieba.cut(run)) in text
