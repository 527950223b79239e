import random
from itertools import pairwise

import numpy as np
import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.duplicates import NearDuplicates
from bert_keras.tokenization import learn_vocabulary, write_vocabulary


def _flags(documents, cuts=None):
    """What is said of each document when the stream of their ids is cut at ``cuts``."""
    stream = np.concatenate([np.asarray(document, np.uint16) for document in documents])
    ends = np.cumsum([len(document) for document in documents])
    finder = NearDuplicates()
    flags = []
    bounds = [0, *(cuts or []), len(stream)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        last = number == len(bounds) - 2
        inside = ends[(ends >= start) & ((ends < end) | last)]
        flags += finder.add(stream[start:end], inside - start).tolist()
    return flags


def _random_documents(count, length, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(5, 30_000, length) for _ in range(count)]


def _jaccard(first, second):
    a, b = ({tuple(d[n : n + 5]) for n in range(len(d) - 4)} for d in (first, second))
    return len(a & b) / len(a | b)


def test_repeats_are_found_and_new_text_is_not():
    documents = _random_documents(200, 300)
    assert _flags([*documents, *documents[:50]]) == [False] * 200 + [True] * 50


@pytest.mark.parametrize("length", [1, 3, 4, 5, 40])
def test_short_documents_repeat_only_when_they_are_the_same(length):
    documents = _random_documents(50, length)
    changed = [np.append(document[:-1], 31_000) for document in documents]
    flags = _flags([*documents, *changed, *documents])
    assert flags[100:] == [True] * 50
    if length <= 5:
        assert flags[50:100] == [False] + [length == 1] * 49


@pytest.mark.parametrize(
    ("shared", "least", "most"),
    [(0.5, 0.0, 0.16), (0.7, 0.4, 0.8), (0.8, 0.87, 1), (0.9, 0.99, 1)],
)
def test_pairs_are_found_with_the_probability_that_their_overlap_gives(shared, least, most):
    rng = np.random.default_rng(7)
    first = _random_documents(200, 500, seed=3)
    length = round(500 * shared * 2 / (1 + shared))  # this much in common makes that overlap
    second = [np.concatenate([d[:length], rng.integers(5, 30_000, 500 - length)]) for d in first]
    assert _jaccard(first[0], second[0]) == pytest.approx(shared, abs=0.02)
    found = np.mean(_flags([*first, *second])[200:])
    assert least <= found <= most


def test_how_the_stream_is_cut_makes_no_difference():
    documents = [d for n in (1, 4, 7, 50, 0, 600) for d in _random_documents(4, n, seed=n)] * 2
    size = sum(map(len, documents))
    whole = _flags(documents)
    assert sum(whole) == 20  # the second time, but for the empty ones
    for seed in range(5):
        cuts = sorted(random.Random(seed).choices(range(size), k=60))
        assert _flags(documents, cuts) == whole


@pytest.mark.parametrize("batch", [200, 1 << 18])
def test_a_corpus_without_near_duplicates_is_that_of_the_others(tmp_path, monkeypatch, batch):
    monkeypatch.setattr("bert_keras.corpus.tokenizing._BATCH_CHARACTERS", batch)
    pick = random.Random(1)
    words = ["river", "mill", "☃", "old", "ran", "house", "was", "there", "moon", "who", "a", "of"]
    texts = [" ".join(pick.choices(words, k=200)) + ".\n" for _ in range(12)]
    repeats = [texts[0] + "River.", texts[2]]
    for number, text in enumerate([*texts[:6], texts[2], " ", *texts[6:], *repeats]):
        (tmp_path / f"{number:02}.txt").write_text(
            text.replace(" was ", " was. ").replace(" of ", "\n\n")
        )
    write_vocabulary(tmp_path / "vocab", learn_vocabulary(words * 2, 60))
    others = [tmp_path / f"{n:02}.txt" for n in range(14) if n != 6]
    vocab = tmp_path / "vocab"
    report = prepare_corpus([tmp_path], vocab, tmp_path / "out", drop_duplicates=True)
    expected = prepare_corpus(others, vocab, tmp_path / "others")
    assert (report.documents, report.duplicate_documents, report.empty_documents) == (12, 3, 1)
    assert report.unknown_tokens == expected.unknown_tokens
    for name in ("tokens", "sentence_offsets", "document_offsets"):
        file = f"{name}.npy"
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "others" / file).read_bytes()
    Corpus.open(tmp_path / "out")
