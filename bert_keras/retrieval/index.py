"""An index on the disk, by faiss: the search of millions of documents without comparing with all.

Malkov and Yashunin 2016, "Efficient and Robust Approximate Nearest Neighbor Search Using
Hierarchical Navigable Small World Graphs": each document knows some that are near, and a query goes
from one to the next. Of few documents all are compared.
"""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.contents import hash_file
from bert_keras.errors import InputError, install_command
from bert_keras.files import atomic_directory, check_utf8, refuse_existing
from bert_keras.retrieval.exact import Advance, Measure, check_finite, check_vectors, prepared
from bert_keras.signals import give_way

FEW = 100_000  # documents that are all compared
_LINKS = 32  # of a document
_BREADTH = 100, 128  # documents that are kept in view: when one is added, when one is sought
_PIECE = 1 << 12  # documents that are added at once
_KEY, _VERSION = "bert_keras_index", 1  # of about.json: no other program's file has it
_ABOUT, _INDEX = "about.json", "index.faiss"
_OTHERS = {"model": "another model", "documents": "other documents", "measure": "another measure"}


class Index:
    """Documents' vectors that are searched; made by ``write_index`` and ``open_index``.

    Args:
        index: That of faiss.
        measure: How vectors are compared.
    """

    def __init__(self, index: Any, measure: Measure) -> None:
        self._index, self._measure = index, measure

    def top_k(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` documents with the highest scores for each query, of those that are found.

        Args:
            queries: float32 [Q, H].
            k: How many documents.

        Returns:
            As the function of this name in ``exact``.

        Raises:
            InputError: When the vectors have other dimensions, or are not finite.
        """
        check_vectors("queries", queries)
        if queries.shape[1] != self._index.d:
            raise InputError(
                f"the queries have {queries.shape[1]} dimensions, the index {self._index.d}: one "
                "model must make both"
            )
        vectors = _prepared(queries, self._measure)
        k = min(k, self._index.ntotal)
        is_graph = hasattr(self._index, "hnsw")
        if is_graph:
            self._index.hnsw.efSearch = max(_BREADTH[1], k)
        scores, numbers = self._index.search(vectors, k)
        missed = numbers.min(axis=1) < 0  # there is no way from one to so many: compare with all
        if is_graph and missed.any():
            found = self._index.storage.search(vectors[missed], k)
            scores[missed], numbers[missed] = found
        order = np.lexsort((numbers, -scores), axis=1)
        return np.take_along_axis(scores, order, 1), np.take_along_axis(numbers, order, 1)


def check_installed() -> Any:
    """The module faiss.

    Raises:
        InputError: When it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise InputError(f"an index needs faiss: {install_command('search')}") from None
    return faiss


def check_new(path: Path) -> None:
    """Refuse at once, before documents are embedded, a directory that cannot be made.

    Raises:
        InputError: When it exists, or its name is not UTF-8.
        OSError: When the folder that it is to be in cannot be written to.
    """
    check_utf8(path, "as faiss needs it")
    refuse_existing(path)
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write_index(
    path: Path,
    vectors: np.ndarray,
    measure: Measure,
    made_from: Mapping[str, Any],
    on_progress: Advance | None = None,
) -> Index:
    """Make an index of documents and write it into a new directory.

    Args:
        path: The directory.
        vectors: float32 or float16 [N, H].
        measure: ``"cosine"`` or ``"dot"``.
        made_from: ``model`` and ``documents``, by their hashes, as JSON has them.
        on_progress: Called with the documents done so far, and their number.

    Raises:
        InputError: When the directory exists, vectors are not finite, or faiss is not installed.
    """
    faiss = check_installed()
    check_vectors("documents", vectors)
    check_new(path)
    number, dimensions = vectors.shape
    kind = "Flat" if number < FEW else f"HNSW{_LINKS},Flat"
    with atomic_directory(path) as folder:
        index = faiss.index_factory(dimensions, kind, faiss.METRIC_INNER_PRODUCT)
        if number >= FEW:
            index.hnsw.efConstruction = _BREADTH[0]

        def add(piece: np.ndarray) -> None:
            faiss.omp_set_num_threads(1)  # of this thread: several would link in another order
            index.add(piece)

        for start in range(0, number, _PIECE):
            piece = _prepared(vectors[start : start + _PIECE], measure)
            give_way(add, piece)
            if on_progress:
                on_progress(start + len(piece), number)
        faiss.write_index(index, str(folder / _INDEX))
        about = _about(measure, made_from) | {_INDEX: hash_file(folder / _INDEX)}
        (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return Index(index, measure)


def open_index(path: Path, measure: Measure, made_from: Mapping[str, Any]) -> Index:
    """Open an index that ``write_index`` wrote of the same.

    Args:
        path: The directory.
        measure: The measure of the model.
        made_from: That of the model and the documents.

    Raises:
        InputError: When it is no such index or a damaged one, one of another model or other
            documents, or faiss is not installed.
    """
    faiss = check_installed()
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict) or _KEY not in about:
        raise InputError(f"{path} is no index that bert-keras search wrote; choose another name")
    if about[_KEY] != _VERSION:
        raise InputError(f"{path} is not an index of this version of bert_keras; choose another")
    now = json.loads(json.dumps(_about(measure, made_from)))
    for name in _OTHERS:
        if about.get(name) != now.get(name):
            raise InputError(
                f"{path} is an index of {_OTHERS[name]}; name a new directory, or remove this one"
            )
    file = path / _INDEX
    try:
        if hash_file(file) != about.get(_INDEX):
            raise RuntimeError
        index = faiss.read_index(str(file))
    except (FileNotFoundError, RuntimeError):
        raise InputError(f"{file} is damaged; remove {path} and search again") from None
    return Index(index, measure)


def _about(measure: Measure, made_from: Mapping[str, Any]) -> dict[str, Any]:
    """The description that is kept beside the index."""
    return {_KEY: _VERSION, "measure": measure} | dict(made_from)


def _prepared(vectors: np.ndarray, measure: Measure) -> np.ndarray:
    """The vectors as faiss takes them, for cosines of length 1.

    Raises:
        InputError: When they are not finite.
    """
    check_finite(vectors)
    return np.ascontiguousarray(prepared(vectors, measure))
