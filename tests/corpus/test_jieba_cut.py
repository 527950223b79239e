"""The words must be jieba's own, whatever the text."""

import csv
import random
import re

import pytest

jieba = pytest.importorskip("jieba")

from bert_keras.corpus.jieba_cut import JiebaCut  # noqa: E402 - needs jieba


@pytest.fixture(scope="module")
def cut():
    return JiebaCut()


def _lengths(run):
    return [len(word) for word in jieba.cut(run)]


def test_real_reviews(cut, shared_data):
    path = shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv"
    with path.open(encoding="utf-8", newline="") as file:
        text = "".join(row["review"] for row in csv.DictReader(file))
    runs = sorted(set(re.findall("[\u4e00-\u9fd5]+", text)))[::25]
    assert len(runs) > 2_000
    for run in runs:
        assert cut(run) == _lengths(run), run


def test_characters_and_words_in_any_order(cut):
    jieba.initialize()  # its dictionary is empty until then
    draw = random.Random(0)
    dictionary = [w for w in sorted(jieba.dt.FREQ) if re.fullmatch("[\u4e00-\u9fd5]+", w)]
    frequent = sorted(dictionary, key=jieba.dt.FREQ.__getitem__)[-3_000:]
    for _ in range(1_000):
        parts = draw.choices(dictionary, k=draw.randrange(4)) + draw.choices(frequent, k=3)
        parts += [chr(draw.randrange(0x4E00, 0x9FD6)) for _ in range(draw.randrange(4))]
        draw.shuffle(parts)
        run = "".join(parts)
        assert cut(run) == _lengths(run), run


def test_one_character_and_many(cut):
    assert cut("的") == [1]
    run = "酒店的房间很干净" * 2_000
    assert cut(run) == _lengths(run)
