"""Exact search against the whole product, sorted."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from bert_keras.errors import InputError
from bert_keras.retrieval import exact
from bert_keras.retrieval.exact import similarity_matrix, top_k


@pytest.fixture(params=[0, 4])
def small_blocks(request, monkeypatch):
    """Blocks of a few rows, so that small arrays have many, by either kind of product."""
    sizes = {"_DOCUMENTS": 5, "_QUERIES": 4, "_FIRST": 2, "_SCORES": 20, "_TILE": 3}
    for name, value in (sizes | {"_FEW": request.param}).items():
        monkeypatch.setattr(exact, name, value)


def _by_sorting(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


@pytest.mark.parametrize("values", [2, 5, 1000])  # few values: nearly all scores have equals
@pytest.mark.parametrize("k", [1, 3, 20, 67, 100])
@pytest.mark.usefixtures("small_blocks")
def test_it_finds_what_sorting_finds_and_of_equals_the_lower_number(values, k):
    draw = np.random.default_rng(values + k)
    queries, documents = (draw.integers(0, values, (n, 3)).astype(np.float32) for n in (9, 67))
    scores, numbers = top_k(queries, documents, k, "dot")
    expected, order = _by_sorting(queries @ documents.T, k)
    np.testing.assert_array_equal(numbers, order)
    np.testing.assert_array_equal(scores, expected)
    assert (scores.dtype, numbers.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("order", ["rising", "falling", "equal"])
@pytest.mark.usefixtures("small_blocks")
def test_documents_in_the_order_of_their_scores_are_found_too(order):
    """Where scores rise, every document is better than all before it."""
    column = {"rising": np.arange(70), "falling": -np.arange(70), "equal": np.ones(70)}[order]
    documents = column.astype(np.float32)[:, None]
    queries = np.ones((3, 1), np.float32)
    _, numbers = top_k(queries, documents, 5, "dot")
    np.testing.assert_array_equal(numbers, _by_sorting(queries @ documents.T, 5)[1])


def test_blocks_of_the_real_size_give_the_same():
    draw = np.random.default_rng(0)
    queries, documents = (draw.integers(0, 9, (n, 4)).astype(np.float32) for n in (600, 20_000))
    _, numbers = top_k(queries, documents, 10, "dot")
    np.testing.assert_array_equal(numbers, _by_sorting(queries @ documents.T, 10)[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.usefixtures("small_blocks")
def test_the_cosine_is_that_of_scikit_learn_from_a_file_too(dtype, tmp_path):
    draw = np.random.default_rng(1)
    queries, documents = (draw.normal(size=(n, 8)).astype(dtype) for n in (5, 50))
    np.save(tmp_path / "documents.npy", documents)
    there = np.load(tmp_path / "documents.npy", mmap_mode="r")
    scores, numbers = top_k(queries, there, 7)
    whole = cosine_similarity(queries.astype(np.float64), documents.astype(np.float64))
    expected, order = _by_sorting(whole, 7)
    np.testing.assert_array_equal(numbers, order)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_allclose(similarity_matrix(queries, documents), whole, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1, 1e18, 1e30])
def test_the_cosine_does_not_depend_on_the_lengths(scale):
    documents = np.array([[1, 2], [3, 1], [-1, 0]], np.float32)
    scores, _ = top_k(documents[:1], documents * np.float32(scale), 3)
    np.testing.assert_allclose(scores, [[1, 0.70710678, -0.4472136]], rtol=1e-6)


def test_a_length_that_is_nearly_1_counts():
    documents = np.array([[1.01, 0], [0.6, 0.8]], np.float32)
    scores, _ = top_k(np.array([[0.8, 0.6]], np.float32), documents, 2)
    np.testing.assert_allclose(scores, [[0.96, 0.8]], rtol=1e-6)


def test_the_cosine_with_zeros_is_zero():
    documents = np.array([[-1, 0], [0, 0], [1, 0]], np.float32)
    scores, numbers = top_k(np.array([[2, 0], [0, 0]], np.float32), documents, 3)
    np.testing.assert_array_equal(scores, [[1, 0, -1], [0, 0, 0]])
    np.testing.assert_array_equal(numbers, [[2, 1, 0], [0, 1, 2]])


@pytest.mark.parametrize("measure", ["cosine", "dot"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["queries", "documents"])
@pytest.mark.usefixtures("small_blocks")
def test_vectors_that_are_not_finite_are_refused(measure, value, where):
    arrays = {"queries": np.ones((5, 3), np.float32), "documents": np.ones((50, 3), np.float32)}
    arrays[where][-1, 1] = value
    with pytest.raises(InputError, match="not finite"):
        top_k(arrays["queries"], arrays["documents"], 2, measure)
    with pytest.raises(InputError, match="not finite"):
        similarity_matrix(arrays["documents"], arrays["queries"], measure)


@pytest.mark.parametrize("many", [1, 9])
def test_products_that_are_too_large_are_refused(many):
    """The last document's score is no number, though it is finite; others have one."""
    queries = np.full((many, 2), 1e30, np.float32)
    documents = np.array([[1, 1], [2, 1], [1e30, -1e30]], np.float32)
    with pytest.raises(InputError, match="too large for float32"):
        top_k(queries, documents, 1, "dot")


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        (np.ones((2, 3), "f4"), np.ones((2, 4), "f4"), "3 dimensions, the documents 4"),
        (np.ones(3, "f4"), np.ones((2, 3), "f4"), r"queries .* an array \[3\] of float32"),
        (np.ones((2, 3), "f4"), np.ones((2, 3), "i1"), r"documents .* of int8"),
        (np.ones((2, 3), "f4"), np.ones((0, 3), "f4"), r"documents .* \[0, 3\]"),
        (np.ones((2, 3), "f4"), [[1.0]], "Received: a list"),
    ],
)
def test_what_are_no_such_vectors_is_refused(queries, documents, message):
    with pytest.raises(InputError, match=message):
        top_k(queries, documents, 2)


def test_other_arguments_are_checked():
    vectors = np.ones((2, 3), np.float32)
    with pytest.raises(InputError, match="k must be at least 1"):
        top_k(vectors, vectors, 0)
    with pytest.raises(InputError, match="measure must be cosine or dot"):
        top_k(vectors, vectors, 1, "euclidean")
    with pytest.raises(InputError, match="of 3 and of 2 dimensions"):
        similarity_matrix(vectors, vectors[:, :2])


@pytest.mark.usefixtures("small_blocks")
def test_progress_goes_from_little_to_all():
    told: list[tuple[int, int]] = []
    vectors = np.ones((10, 2), np.float32)
    top_k(vectors, vectors, 2, on_progress=lambda *numbers: told.append(numbers))
    done = [number for number, _ in told]
    assert {total for _, total in told} == {100}
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] == 100


def test_memory_is_that_of_a_block(tmp_path):
    """The file has 51 MB; its scores would take 102 MB more."""
    documents = np.lib.format.open_memmap(
        tmp_path / "documents.npy", "w+", np.float16, (400_000, 64)
    )
    documents[:] = np.random.default_rng(0).normal(size=(1000, 64)).repeat(400, 0)
    queries = np.asarray(documents[:64])
    tracemalloc.start()
    try:
        top_k(queries, documents, 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6


def test_its_arithmetic_needs_no_tensorflow():
    names = ("exact", "measures", "precision", "vectors")
    code = f"import sys, {', '.join(f'bert_keras.retrieval.{name}' for name in names)}\n"
    code += "assert not {'tensorflow', 'keras'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
