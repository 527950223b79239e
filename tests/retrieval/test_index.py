"""The index on the disk against exact search, and what it refuses."""

import json
import sys

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.retrieval import index as module
from bert_keras.retrieval.exact import top_k
from bert_keras.retrieval.index import open_index, write_index

MADE_FROM = {"model": {"config.json": "1"}, "documents": "2"}


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss")


def vectors_of(number, seed=0):
    """Vectors in clusters, as those of texts are, of any lengths."""
    draw = np.random.default_rng(seed)
    centers = 3 * np.random.default_rng(9).normal(size=(40, 16))
    vectors = centers[draw.integers(0, 40, number)] + draw.normal(size=(number, 16))
    return (vectors * draw.uniform(0.5, 2, (number, 1))).astype(np.float32)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("measure", ["cosine", "dot"])
def test_few_documents_are_found_as_by_exact_search(measure, tmp_path):
    documents, queries = vectors_of(300), vectors_of(20, seed=1)
    written = write_index(tmp_path / "index", documents, measure, MADE_FROM)
    for index in (written, open_index(tmp_path / "index", measure, MADE_FROM)):
        scores, numbers = index.top_k(queries, 400)
        expected, order = top_k(queries, documents, 400, measure)
        np.testing.assert_array_equal(numbers[:, :10], order[:, :10])
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("faiss")
def test_of_many_nearly_all_are_found_and_always_as_many_as_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEW", 1000)
    documents, queries = vectors_of(8000), vectors_of(100, seed=1)
    told: list[tuple[int, int]] = []
    index = write_index(
        tmp_path / "a", documents, "cosine", MADE_FROM, lambda *numbers: told.append(numbers)
    )
    assert told[-1] == (8000, 8000)
    _, numbers = index.top_k(queries, 10)
    _, order = top_k(queries, documents, 10)
    found = [len(set(a) & set(b)) for a, b in zip(numbers.tolist(), order.tolist(), strict=True)]
    assert np.mean(found) / 10 > 0.9
    _, numbers = index.top_k(queries[:3], 8000)
    assert np.sort(numbers).tolist() == 3 * [list(range(8000))]
    write_index(tmp_path / "b", documents, "cosine", MADE_FROM)
    a, b = ((tmp_path / name / "index.faiss").read_bytes() for name in "ab")
    assert a == b


@pytest.mark.usefixtures("faiss")
def test_an_index_of_something_else_is_refused(tmp_path):
    path = tmp_path / "index"
    write_index(path, vectors_of(9), "cosine", MADE_FROM)
    for change, what in (
        ({"model": {"config.json": "3"}}, "another model"),
        ({"documents": "4"}, "other documents"),
    ):
        with pytest.raises(InputError, match=f"is an index of {what}"):
            open_index(path, "cosine", MADE_FROM | change)
    with pytest.raises(InputError, match="is an index of another measure"):
        open_index(path, "dot", MADE_FROM)
    with pytest.raises(InputError, match="3 dimensions, the index 16"):
        open_index(path, "cosine", MADE_FROM).top_k(np.ones((1, 3), np.float32), 1)
    with pytest.raises(InputError, match="already exists"):
        write_index(path, vectors_of(9), "cosine", MADE_FROM)
    whole = (path / "index.faiss").read_bytes()
    write_index(tmp_path / "other", vectors_of(9, seed=1), "cosine", MADE_FROM)
    (path / "index.faiss").write_bytes((tmp_path / "other" / "index.faiss").read_bytes())
    with pytest.raises(InputError, match="is damaged"):  # else it gives other documents
        open_index(path, "cosine", MADE_FROM)
    (path / "index.faiss").write_bytes(whole)
    open_index(path, "cosine", MADE_FROM)
    (path / "index.faiss").write_bytes((path / "index.faiss").read_bytes()[:50])
    with pytest.raises(InputError, match="is damaged"):
        open_index(path, "cosine", MADE_FROM)
    about = json.loads((path / "about.json").read_text())
    (path / "about.json").write_text(json.dumps(about | {"bert_keras_index": 0}))
    with pytest.raises(InputError, match="is not an index of this version"):
        open_index(path, "cosine", MADE_FROM)
    (path / "about.json").write_text(json.dumps({"other": 1}))
    with pytest.raises(InputError, match="is no index that bert-keras search wrote"):
        open_index(path, "cosine", MADE_FROM)


@pytest.mark.usefixtures("faiss")
def test_vectors_that_are_not_finite_are_refused_and_nothing_stays(tmp_path):
    documents = vectors_of(9)
    documents[3, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        write_index(tmp_path / "index", documents, "dot", MADE_FROM)
    assert list(tmp_path.iterdir()) == []
    index = write_index(tmp_path / "index", vectors_of(9), "dot", MADE_FROM)
    with pytest.raises(InputError, match="not finite"):
        index.top_k(documents[3:4], 1)


def test_without_faiss_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="an index needs faiss: pip install"):
        write_index(tmp_path / "index", vectors_of(9), "dot", MADE_FROM)
