"""Exact search: the best documents of each query by one product of their vectors, in blocks."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from bert_keras.errors import InputError

Measure = Literal["cosine", "dot"]
Advance = Callable[[int, int], None]

QUERIES, DOCUMENTS = 512, 1 << 14  # of a block, at most
_SCORES = 1 << 22  # of a block, at most: 16 MiB
_FIRST = 1 << 10  # documents of the first block; all of its scores are looked at
_NOT_FINITE = (
    "the vectors are not finite numbers, or too large for float32: the model's training went "
    "wrong, or the file is damaged"
)
_UNIT = 1e-6  # vectors whose length is so near to 1 are of length 1, but for rounding
_SHORT = 1e-15  # a length whose square float32 holds with few digits


@np.errstate(over="ignore", invalid="ignore")  # _check_finite looks at the results
def top_k(
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    measure: Measure = "cosine",
    on_progress: Advance | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` documents with the highest scores for each query.

    Every score is computed, in float32. Besides the arguments and the result this takes memory for
    one block of documents and one of scores, some 50 MiB at 384 dimensions.

    Args:
        queries: float32 or float16 [Q, H].
        documents: float32 or float16 [N, H], also an ``np.memmap``, which is read in blocks.
        k: How many documents; N where there are not as many.
        measure: ``"cosine"``, or ``"dot"`` for the product. The cosine with a vector of zeros is 0.
        on_progress: Called with the products done so far, and their number.

    Returns:
        The scores float32 [Q, k] in falling order, and the numbers of their documents int64
        [Q, k], from 0. Of equal scores the lower number is first. (The product of one document may
        differ in its last bit with its place in a block, so that its copies may have other scores.)

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
    for start in range(0, len(queries), QUERIES):
        rows = slice(start, start + QUERIES)

        def advance(done: int, start: int = start, rows: slice = rows) -> None:
            if on_progress:
                on_progress(start * len(documents) + done * len(queries[rows]), total)

        found = _search(_prepared(queries[rows], measure), documents, k, measure, advance)
        scores[rows], numbers[rows] = found
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
    product: np.ndarray = _prepared(first, measure) @ _prepared(second, measure).T
    _check_finite(product)
    return product


def block_size(queries: int) -> int:
    """The most documents that are multiplied at once with a number of queries."""
    return max(1, min(DOCUMENTS, _SCORES // queries))


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
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    is_odd = ~((lengths > _SHORT) & (lengths < np.inf))
    if is_odd.any():  # the squares are too small or too large for float32
        lengths[is_odd] = np.linalg.norm(vectors[is_odd].astype(np.float64), axis=1)
        _check_finite(lengths)
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _search(
    queries: np.ndarray,
    documents: np.ndarray,
    k: int,
    measure: Measure,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """The best of all documents for a block of queries.

    A score must be above the k-th best so far, so that after the first blocks few are left to be
    sorted. An equal one loses: its document has a higher number.
    """
    best_QxK = np.full((len(queries), k), -np.inf, np.float32)
    numbers_QxK = np.full((len(queries), k), -1, np.int64)
    most = block_size(len(queries))
    start, size = 0, min(max(_FIRST, k), most)
    # The product of zeros and a vector is 0, or not a number where the vector is not finite.
    with_zeros = np.concatenate([queries, np.zeros_like(queries[:1])])
    while start < len(documents):
        block = np.asarray(documents[start : start + size]).astype(np.float32, copy=False)
        scores_QxD = _scores(with_zeros, block, measure)
        highest = scores_QxD.max(axis=1)
        _check_finite(highest)
        rows = np.flatnonzero(highest > best_QxK[:, -1])
        if len(rows):
            better = scores_QxD[rows]
            found = _candidates(better, best_QxK[rows, -1:], k)
            _merge(best_QxK, numbers_QxK, rows[found[0]], better[found], found[1] + start)
        start += len(block)
        size = min(2 * size, most)
        advance(start)
    if not (np.abs(best_QxK) < np.inf).all():
        raise InputError(_NOT_FINITE)
    return best_QxK, numbers_QxK


def _scores(with_zeros: np.ndarray, block: np.ndarray, measure: Measure) -> np.ndarray:
    """The scores of a block [Q, D]; the last of the Q + 1 queries is zeros."""
    if len(with_zeros) == 2:  # of one query the product is faster alone, and its check cheap
        scores = with_zeros[:1] @ block.T
        _check_finite(scores)
    else:
        scores = with_zeros @ block.T
        _check_finite(scores[-1])
        scores = scores[:-1]
    if measure == "cosine":
        inverse = inverse_lengths(block)
        if np.abs(inverse - 1).max() > _UNIT:
            scores *= inverse
    return scores


def _candidates(scores: np.ndarray, above: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """The rows and columns of the scores above a bound that may be among the best ``k``."""
    is_better = scores > above
    rows, number = scores.shape
    if k < number and np.count_nonzero(is_better) > 4 * k * rows:
        # The k-th best of the block alone; those equal to it stay, whose order is by number.
        kth = np.partition(scores, number - k, axis=1)[:, number - k]
        is_better &= scores >= kth[:, None]
    return np.divmod(np.flatnonzero(is_better), number)


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


def _prepared(vectors: np.ndarray, measure: Measure) -> np.ndarray:
    """The vectors in float32, for cosines of length 1."""
    plain: np.ndarray = np.asarray(vectors).astype(np.float32, copy=False)
    return plain * inverse_lengths(plain)[:, None] if measure == "cosine" else plain


def _check_finite(numbers: np.ndarray) -> None:
    """Refuse numbers that are not finite; a vector that is not finite has no finite product."""
    if not np.isfinite(numbers.sum()) and not np.isfinite(numbers).all():
        raise InputError(_NOT_FINITE)
