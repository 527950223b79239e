"""Corpora of byte-level BPE and Unigram."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from bert_keras import DataConfig
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.errors import InputError
from bert_keras.tokenization import Casing
from tests.support.subwords import SENTENCES, learned, write_directory

ENGLISH = [SENTENCES[0], SENTENCES[1], SENTENCES[4]]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Files of two paragraphs, the first of three sentences."""
    folder = tmp_path_factory.mktemp("texts")
    for number in range(6):
        text = " ".join(ENGLISH) + f"\n\nThe fox number {number} ran. {SENTENCES[2]}\n"
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def corpus(request, texts, tmp_path_factory):
    tokenizer, out = learned(request.param), tmp_path_factory.mktemp("out")
    tokenizer.save(out)
    prepare_corpus(sorted(texts.glob("*.txt")), out, out / "corpus", workers=2)
    return Corpus.open(out / "corpus")


def test_a_corpus_opens_with_the_tokenizer_that_it_holds(corpus):
    tokenizer = learned("bpe" if corpus.tokenizer.kind == "BPE" else "unigram")
    assert corpus.tokenizer.identity == tokenizer.identity
    assert corpus.tokenizer.vocab == tokenizer.vocab
    corpus.verify()
    other = learned("unigram" if tokenizer.kind == "BPE" else "bpe")
    with pytest.raises(InputError, match="prepared with another tokenizer"):
        Corpus.open(corpus.path, other)


def test_sentences_together_are_the_paragraph_as_one_text(corpus):
    first, second = corpus.sentence_offsets[[0, 3]]
    expected = corpus.tokenizer.encode_sentences([" ".join(ENGLISH)])[0]
    assert corpus.tokens[first:second].tolist() == expected
    assert corpus.tokenizer.decode(expected) == " ".join(ENGLISH)


def test_words_begin_with_a_space_or_a_sentence(corpus):
    starts = corpus.word_starts
    if corpus.tokenizer.kind == "Unigram":
        assert starts is None
        starts = corpus.tokenizer.starts_word[corpus.tokens]
    words = [len(sentence.split()) for sentence in ENGLISH]
    bounds = corpus.sentence_offsets[:4]
    found = [starts[a:b].sum() for a, b in pairwise(bounds)]
    assert found == words


def test_masked_words_are_whole(corpus):
    config = DataConfig(
        max_seq_length=64,
        max_predictions_per_seq=16,
        masking="whole_word",
        masking_rate=0.25,
        next_sentence="none",
    )
    starts = corpus.tokenizer.starts_word
    masked = 0
    for batch in pretraining_dataset(corpus, config, 8, seed=0).take(2).as_numpy_iterator():
        for row in range(8):
            used = batch["masked_lm_weights"][row] == 1
            places = batch["masked_lm_positions"][row][used].tolist()
            ids = batch["input_ids"][row].copy()
            ids[places] = batch["masked_lm_ids"][row][used]
            last = int(batch["attention_mask"][row].sum()) - 1
            for place in places:
                masked += 1
                # A word may begin without a space only behind the end of another sentence.
                word = [n for n in range(place + 1, last) if starts[ids[n]]]
                end = word[0] if word else last
                inner = [n for n in range(place + 1, end) if n not in places]
                assert all(_ends_sentence(corpus, ids[n - 1]) for n in inner[:1])
    assert masked > 20


def _ends_sentence(corpus, number):
    return corpus.tokenizer.vocab[number][-1] in ".!"


def test_a_damaged_tokenizer_is_named(corpus, tmp_path):
    copied = tmp_path / "corpus"
    copied.mkdir()
    for path in corpus.path.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    values = json.loads((copied / "tokenizer.json").read_text(encoding="utf-8"))
    values["normalizer"] = {"type": "Lowercase"}
    (copied / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    config = json.loads((copied / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (copied / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="it is not the tokenizer the corpus was prepared with"):
        Corpus.open(copied)


def test_a_description_without_lowered_is_named(corpus, tmp_path):
    copied = shutil.copytree(corpus.path, tmp_path / "corpus")
    description = json.loads((copied / "corpus.json").read_text(encoding="utf-8"))
    del description["tokenizer"]["lowered"]
    (copied / "corpus.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(InputError, match=r"corpus\.json is damaged \(lowered of its tokenizer"):
        Corpus.open(copied)


def test_long_sentences_are_cut_between_words(texts, tmp_path):
    tokenizer = learned("bpe")
    text = " ".join(["fox the dog quick brown lazy over"] * 120)
    (tmp_path / "long.txt").write_text(text)
    prepare_corpus([tmp_path / "long.txt"], tokenizer, tmp_path / "corpus")
    corpus = Corpus.open(tmp_path / "corpus")
    firsts = corpus.tokens[corpus.sentence_offsets[1:-1]]
    assert len(firsts) > 2
    assert tokenizer.starts_word[firsts].all()
    assert np.diff(corpus.sentence_offsets).max() <= 512


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_long_chinese_sentences_are_cut_between_characters_and_behind_marks(kind, tmp_path):
    tokenizer = learned(kind)
    clauses = ["这家酒店很好，", "服务也不错，"]
    (tmp_path / "long.txt").write_text("".join(clauses * 150), encoding="utf-8")
    prepare_corpus([tmp_path / "long.txt"], tokenizer, tmp_path / "corpus")
    corpus = Corpus.open(tmp_path / "corpus")
    pieces = [tokenizer.decode(corpus.tokens[a:b]) for a, b in pairwise(corpus.sentence_offsets)]
    text = "".join(clauses * 150)
    assert "".join(pieces) == (text if kind == "bpe" else text.replace("，", ","))
    assert np.diff(corpus.sentence_offsets).max() <= 64
    assert all(piece[-1] in "，," for piece in pieces)


@pytest.mark.parametrize("masking", ["whole_word", "span"])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_masks_of_chinese_words_spend_the_budget(kind, masking, tmp_path):
    (tmp_path / "text.txt").write_text((SENTENCES[3] + "\n\n") * 40, encoding="utf-8")
    prepare_corpus([tmp_path / "text.txt"], learned(kind), tmp_path / "corpus")
    config = DataConfig(
        max_seq_length=64,
        max_predictions_per_seq=8,
        masking=masking,
        masking_rate=0.15,
        next_sentence="none",
    )
    dataset = pretraining_dataset(Corpus.open(tmp_path / "corpus"), config, 8, seed=0)
    batch = next(dataset.as_numpy_iterator())
    budget = np.round(0.15 * batch["attention_mask"].sum(axis=1))
    assert (batch["masked_lm_weights"].sum(axis=1) >= np.minimum(budget, 8) - 1).all()


def test_a_sentence_begins_a_word_where_unigram_has_no_prefix_space(texts, tmp_path):
    folder = write_directory(tmp_path / "model", "xlm-r without a prefix space")
    prepare_corpus([texts / "0.txt"], folder, tmp_path / "corpus")
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.word_starts[corpus.sentence_offsets[:-1]].all()


def test_a_casing_beside_a_models_folder_is_refused(texts, tmp_path):
    learned("bpe").save(tmp_path)
    with pytest.raises(InputError, match="leave the casing out"):
        prepare_corpus([texts], tmp_path, tmp_path / "out", Casing(do_lower_case=False))
