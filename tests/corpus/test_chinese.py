"""Chinese from text to corpus by the commands a user types."""

import csv
import json

import pytest

from bert_keras.__main__ import run as main
from bert_keras.corpus import Corpus

# Hotel reviews made up for this test, with the marks that real ones have.
REVIEWS = [
    "房间很干净，服务也不错。下次还会再来！前台的小姐说：“欢迎再来。”我们很高兴。",
    "位置不好找，离地铁站约3.5公里……早餐一般，值不值300元？见仁见智吧。",
    "优点：1.房间大2.床很舒服。缺点：wifi太慢,电视也老旧.建议改进!",
    "早餐太差！！！服务员的态度也不好，再也不来了。",
    "（补充点评）“性价比高”，这是我的感觉。『推荐』给大家～",
]


@pytest.fixture
def corpus(tmp_path):
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in REVIEWS]
    (tmp_path / "reviews.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return _prepared(tmp_path, size=800)


def _prepared(folder, size):
    """The corpus of ``reviews.jsonl``, with a vocabulary learned from it."""
    texts, vocab = str(folder / "reviews.jsonl"), str(folder / "vocab.txt")
    assert main(["vocab", texts, "--out", vocab, "--size", str(size)]) == 0
    assert main(["prepare", texts, "--vocab", vocab, "--out", str(folder / "corpus")]) == 0
    return Corpus.open(folder / "corpus")


def _sentences(corpus):
    bounds = corpus.sentence_offsets
    vocab = corpus.tokenizer.vocab
    return [
        [
            "".join(vocab[n] for n in corpus.tokens[bounds[s] : bounds[s + 1]]).replace("##", "")
            for s in range(first, end)
        ]
        for first, end in corpus.documents
    ]


def test_reviews_become_documents_of_sentences(corpus):
    assert _sentences(corpus) == [
        [
            "房间很干净，服务也不错。",
            "下次还会再来！",
            "前台的小姐说：“欢迎再来。”",
            "我们很高兴。",
        ],
        ["位置不好找，离地铁站约3.5公里……", "早餐一般，值不值300元？", "见仁见智吧。"],
        ["优点：1.房间大2.床很舒服。", "缺点：wifi太慢,电视也老旧.", "建议改进!"],
        ["早餐太差！！！", "服务员的态度也不好，再也不来了。"],
        ["（补充点评）“性价比高”，这是我的感觉。", "『推荐』给大家～"],
    ]


def test_every_chinese_character_is_a_word_and_frequent_ones_are_known(corpus):
    vocab = corpus.tokenizer.vocab
    assert {"房", "间", "的", "，", "。", "！"} <= set(vocab)
    assert not any(len(p.removeprefix("##")) > 1 and not p.isascii() for p in vocab)


def test_a_small_vocabulary_has_room_for_the_characters(tmp_path):
    """A quarter of it, as for letters, would leave half of these unknown."""
    characters = [chr(0x4E00 + number) for number in range(600)]
    texts = ["".join(characters), "".join(reversed(characters))]
    lines = "\n".join(json.dumps({"text": text}) for text in texts)
    (tmp_path / "reviews.jsonl").write_text(lines, encoding="utf-8")
    assert set(characters) <= set(_prepared(tmp_path, size=900).tokenizer.vocab)


def test_real_reviews_work_out_of_the_box(shared_data, tmp_path, capsys):
    table = (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").open(encoding="utf-8")
    with table, (tmp_path / "reviews.jsonl").open("w", encoding="utf-8") as out:
        for row in csv.DictReader(table):
            out.write(json.dumps({"text": row["review"]}) + "\n")
    corpus = _prepared(tmp_path, size=6_000)
    description = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    counts = description["counts"]
    assert (counts["documents"], counts["empty_documents"]) == (7_765, 1)
    assert counts["unknown_tokens"] < 0.001 * counts["tokens"]
    lengths = corpus.sentence_offsets[1:] - corpus.sentence_offsets[:-1]
    assert 3 < counts["sentences"] / counts["documents"] < 5
    assert 15 < sorted(lengths)[len(lengths) // 2] < 40
