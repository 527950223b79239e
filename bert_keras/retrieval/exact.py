"""Exact search: the best documents of each query by one product of their vectors, in blocks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from bert_keras.devices import usable_cores
from bert_keras.errors import InputError

Measure = Literal["cosine", "dot"]
Advance = Callable[[int, int], None]

_QUERIES = 512  # that are searched for at once, at most
_DOCUMENTS = 1 << 14  # of a core between two merges, at most; with few queries 4 times as many
_FIRST = 1 << 10  # documents before the first merge; all of their scores are looked at
_TILE = 512  # documents that stay in a core's own cache
_SCORES = 1 << 16  # the same of scores
_FEW = 4  # so few queries are faster multiplied one by one
NOT_FINITE = (
    "the vectors are not finite numbers, or too large for float32: the model's training went "
    "wrong, or the file is damaged"
)
_UNIT = 1e-6  # vectors whose length is so near to 1 are of length 1, but for rounding
_SHORT = 1e-15  # a length whose square float32 holds with few digits


@np.errstate(over="ignore", invalid="ignore")  # check_finite looks at the results
def top_k(
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    measure: Measure = "cosine",
    on_progress: Advance | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` documents with the highest scores for each query.

    Every score is computed, in float32, on all cores. Besides the arguments and the result this
    takes a few MiB for each core.

    Args:
        queries: float32 or float16 [Q, H].
        documents: float32 or float16 [N, H], also an ``np.memmap``, which is read in blocks.
        k: How many documents; N where there are not as many.
        measure: ``"cosine"``, or ``"dot"`` for the product. The cosine with a vector of zeros is 0.
        on_progress: Called with the products done so far, and their number.

    Returns:
        The scores float32 [Q, k] in falling order, and the numbers of their documents int64
        [Q, k], from 0. Of equal scores the lower number is first. (Copies of one document may have
        scores that differ by some 1e-6 of them: products are rounded by the place, and a cosine is
        not divided by a length so near to 1.)

    Raises:
        InputError: When the vectors are not of these shapes and types, or not finite.
    """
    check_vectors("queries", queries)
    check_vectors("documents", documents)
    if queries.shape[1] != documents.shape[1]:
        raise InputError(
            f"the queries have {queries.shape[1]} dimensions, the documents {documents.shape[1]}: "
            "one model must make both"
        )
    if measure not in ("cosine", "dot"):
        raise InputError(f"measure must be cosine or dot. Received: {measure!r}")
    if k < 1:
        raise InputError(f"k must be at least 1. Received: {k}")
    k, total = min(k, len(documents)), len(queries) * len(documents)
    scores = np.empty((len(queries), k), np.float32)
    numbers = np.empty((len(queries), k), np.int64)
    # Each core multiplies by itself, so that a document is fetched from memory once.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(queries), _QUERIES):
            rows = slice(start, start + _QUERIES)

            def advance(done: int, start: int = start, rows: slice = rows) -> None:
                if on_progress:
                    on_progress(start * len(documents) + done * len(queries[rows]), total)

            part = prepared(queries[rows], measure)
            scores[rows], numbers[rows] = _search(part, documents, k, measure, pool, advance)
    return scores, numbers


@np.errstate(over="ignore", invalid="ignore")
def similarity_matrix(
    first: np.ndarray, second: np.ndarray, measure: Measure = "cosine"
) -> np.ndarray:
    """The score of every vector with every other: float32 [N, M] of [N, H] and [M, H].

    Raises:
        InputError: As ``top_k``.
    """
    check_vectors("first", first)
    check_vectors("second", second)
    if first.shape[1] != second.shape[1]:
        raise InputError(f"vectors of {first.shape[1]} and of {second.shape[1]} dimensions")
    product: np.ndarray = prepared(first, measure) @ prepared(second, measure).T
    check_finite(product)
    return product


def check_vectors(name: str, vectors: Any) -> None:
    """Refuse what is no array of vectors in float32 or float16.

    Args:
        name: What the message calls them.
        vectors: Anything.

    Raises:
        InputError: When it has no two axes of at least 1, or other numbers.
    """
    shape, dtype = getattr(vectors, "shape", ()), getattr(vectors, "dtype", None)
    if len(shape) != 2 or 0 in shape or dtype not in (np.float32, np.float16):
        what = f"an array {list(shape)} of {dtype}" if dtype else f"a {type(vectors).__name__}"
        raise InputError(
            f"{name} must be vectors, [number, dimensions] in float32 or float16. Received: {what}"
        )


def inverse_lengths(vectors: np.ndarray) -> np.ndarray:
    """1 / the length of each vector [N] of float32 [N, H]; 0 for a vector of zeros.

    Raises:
        InputError: When a length is not finite.
    """
    return _inverse(np.sqrt(np.vecdot(vectors, vectors)), vectors)


def _inverse(lengths: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """1 / the lengths, which are computed once more where they are out of float32's range."""
    is_odd = ~((lengths > _SHORT) & (lengths < np.inf))
    if is_odd.any():  # the squares are too small or too large for float32
        lengths[is_odd] = np.linalg.norm(vectors[is_odd].astype(np.float64), axis=1)
        check_finite(lengths)
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _search(
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    measure: Measure,
    pool: ThreadPoolExecutor,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """The best of all documents for up to ``_QUERIES`` queries.

    A score must be above the k-th best so far, so that after the first documents few are left to
    be sorted. An equal one loses: its document has a higher number.
    """
    best_QxK = np.full((len(queries), k), -np.inf, np.float32)
    numbers_QxK = np.full((len(queries), k), -1, np.int64)
    cores = usable_cores()
    most = cores * _DOCUMENTS * (4 if len(queries) <= _FEW else 1)
    start, size = 0, max(_FIRST, k)
    while start < len(documents):
        stop = min(start + size, len(documents))
        step = -(-(stop - start) // cores)
        parts = [slice(at, min(at + step, stop)) for at in range(start, stop, step)]
        better = partial(_better, queries, documents, best_QxK[:, -1], k, measure)
        found = [piece for pieces in pool.map(better, parts) for piece in pieces]
        if found:
            _merge(best_QxK, numbers_QxK, *map(np.concatenate, zip(*found, strict=True)))
        start, size = stop, min(2 * size, most)
        advance(start)
    if not (np.abs(best_QxK) < np.inf).all():
        raise InputError(NOT_FINITE)
    return best_QxK, numbers_QxK


Found = tuple[np.ndarray, np.ndarray, np.ndarray]


@np.errstate(over="ignore", invalid="ignore")  # each thread has its own
def _better(
    queries: np.ndarray,
    documents: np.ndarray,
    bound: np.ndarray,
    k: int,
    measure: Measure,
    part: slice,
) -> list[Found]:
    """The scores of a part of the documents that are above the bounds of their queries.

    Args:
        queries: float32 [Q, H].
        documents: [N, H].
        bound: [Q].
        k: As of ``top_k``.
        measure: As of ``top_k``.
        part: The documents that are looked at.

    Returns:
        Their queries, the scores, and the numbers of their documents, in pieces.
    """
    pieces = []
    size = max(_TILE, _SCORES // len(queries) // _TILE * _TILE)
    scores_DxQ = np.empty((min(size, part.stop - part.start), len(queries)), np.float32)
    for start in range(part.start, part.stop, size):
        block = documents[start : min(start + size, part.stop)]
        scores = scores_DxQ[: len(block)]
        inverse = _multiply(queries, block, scores, measure)
        check_finite(scores[:, 0])  # a document that is not finite has no finite product
        if inverse is not None and np.abs(inverse - 1).max() > _UNIT:
            scores *= inverse[:, None]
        highest = scores.max(axis=0)
        check_finite(highest)
        rows = np.flatnonzero(highest > bound)
        if len(rows):
            columns, found, values = _candidates(scores[:, rows], bound[rows], k)
            pieces.append((rows[found], values, columns + start))
    return pieces


def _multiply(
    queries: np.ndarray, documents: np.ndarray, scores: np.ndarray, measure: Measure
) -> np.ndarray | None:
    """Write the products [D, Q], tile by tile; for cosines give 1 / the documents' lengths."""
    lengths = np.empty(len(documents), np.float32)
    for start in range(0, len(documents), _TILE):
        part = slice(start, start + _TILE)
        tile = np.asarray(documents[part]).astype(np.float32, copy=False)
        if measure == "cosine":
            np.vecdot(tile, tile, out=lengths[part])
        if len(queries) > _FEW:
            np.matmul(tile, queries.T, out=scores[part])
        else:
            for column, query in enumerate(queries):
                np.vecdot(tile, query, out=scores[part, column])
    return _inverse(np.sqrt(lengths), documents) if measure == "cosine" else None


def _candidates(scores: np.ndarray, above: np.ndarray, k: int) -> Found:
    """The scores [D, Q] above a bound that may be among the best ``k``, by document and query."""
    is_better = scores > above
    number, rows = scores.shape
    if k < number and np.count_nonzero(is_better) > 4 * k * rows:
        # The k-th best of these alone; those equal to it stay, whose order is by number.
        kth = np.partition(scores, number - k, axis=0)[number - k]
        is_better &= scores >= kth
    columns, found = np.nonzero(is_better)
    return columns, found, scores[columns, found]


def _merge(
    best: np.ndarray,
    best_numbers: np.ndarray,
    rows: np.ndarray,
    scores: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Put better scores of some queries into their best ones, which are changed in place."""
    changed = np.unique(rows)
    k = best.shape[1]
    rows = np.concatenate([np.repeat(changed, k), rows])
    scores = np.concatenate([best[changed].ravel(), scores])
    numbers = np.concatenate([best_numbers[changed].ravel(), numbers])
    order = np.lexsort((numbers, -scores, rows))
    starts = np.searchsorted(rows[order], changed)
    kept = order[starts[:, None] + np.arange(k)]
    best[changed], best_numbers[changed] = scores[kept], numbers[kept]


def prepared(vectors: np.ndarray, measure: Measure) -> np.ndarray:
    """The vectors in float32, for cosines of length 1.

    Raises:
        InputError: When a length is not finite.
    """
    plain: np.ndarray = np.asarray(vectors).astype(np.float32, copy=False)
    return plain * inverse_lengths(plain)[:, None] if measure == "cosine" else plain


def check_finite(numbers: np.ndarray) -> None:
    """Refuse numbers that are not finite; a vector that is not finite has no finite product."""
    if not np.isfinite(numbers.sum()) and not np.isfinite(numbers).all():
        raise InputError(NOT_FINITE)
