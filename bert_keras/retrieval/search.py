"""Search with a sentence encoder: the documents whose vectors are most like a query's."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_keras.config.checks import at_least
from bert_keras.errors import InputError, several_texts
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.embedding import SETTINGS_FILE
from bert_keras.modeling.model import BertModel
from bert_keras.retrieval.exact import (
    Advance,
    Measure,
    check_vectors,
    similarity_matrix,
    top_k,
)

_logger = logging.getLogger("bert_keras")

# The names under which models have their prompts; the first one with a text counts.
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
_MEASURES: dict[Any, Measure] = {None: "cosine", "cosine": "cosine", "dot": "dot"}
_PIECE = 1024  # texts that are embedded between two reports of the progress


def search(
    model: BertModel,
    documents: Sequence[str] | np.ndarray,
    queries: str | Sequence[str],
    top: int = 10,
    batch_size: int = 32,
) -> list[Any]:
    """The documents whose vectors are most like those of queries.

    Exact: every document is compared, by the cosine or, where the directory of
    sentence-transformers says so, the product. Queries are read after the model's prompt ``query``,
    documents after ``document``, ``passage`` or ``corpus``, as by sentence-transformers'
    ``encode_query`` and ``encode_document``; where it has none of that name, after no prompt, also
    not after its default one. (sentence-transformers 6 adds an empty ``document`` to every model,
    and so leaves ``passage`` unused.)

    Args:
        model: A ``BertForSentenceEmbedding``.
        documents: The texts, of which blank ones are left out with a warning; or their vectors,
            float32 or float16 [N, H], also an ``np.memmap``, as ``np.load(path, mmap_mode="r")``
            opens one, so that each search needs no new ones.
        queries: One text or any number.
        top: How many documents are given for each query, if there are as many.
        batch_size: How many texts are embedded at once.

    Returns:
        For each query a list of ``{"document": number, "score": float, "text": str}``, the best
        first; of equal scores the lower number, which counts from 0. Of vectors there is no
        ``text``. For one query that list alone.

    Raises:
        InputError: When the model is no sentence encoder or has no tokenizer, a query is blank,
            there are no documents, or vectors have other dimensions than the model's or are not
            finite.

    Example:
        >>> model = load("model", BertForSentenceEmbedding)
        >>> films = ["a fine film", "a pain to watch", "no fun"]
        >>> best, _ = search(model, films, "a fine film", top=2)
        >>> best["document"], best["text"], round(best["score"], 3)
        (0, 'a fine film', 1.0)
        >>> [len(found) for found in search(model, model.embed(films), ["fun", "a film"])]
        [3, 3]
    """
    encoder = as_encoder(model)
    at_least("top", top, 1)
    is_one = isinstance(queries, str)
    asked = [queries] if isinstance(queries, str) else several_texts("queries", queries)
    if not asked:
        return []
    if blank := [number for number, query in enumerate(asked) if not query.strip()]:
        name = "queries" if is_one else f"queries[{blank[0]}]"
        raise InputError(f"{name} is blank, and nothing is like it: leave it out")
    texts, kept, measure = None, None, measure_of(encoder)
    if isinstance(documents, np.ndarray) and documents.dtype.kind not in "OUT":  # not of texts
        vectors = documents
        check_vectors("documents", vectors)
        _check_dimensions(vectors.shape[1], encoder)
    elif texts := several_texts("documents", documents):
        kept = _not_blank(texts)
        vectors = embed_documents(encoder, [texts[number] for number in kept], batch_size)
        measure = exact_measure(encoder)
    else:
        raise InputError("documents holds no text to search")
    query_vectors = embed_queries(encoder, asked, batch_size)
    scores, numbers = top_k(query_vectors, vectors, top, measure)
    found = _found(scores, numbers if kept is None else np.array(kept)[numbers], texts)
    return found[0] if is_one else found


def _not_blank(documents: Sequence[str]) -> list[int]:
    """The numbers of the documents that have a word; a warning counts the others.

    Raises:
        InputError: When none has.
    """
    kept = [number for number, text in enumerate(documents) if text.strip()]
    if not kept:
        raise InputError("documents holds no text that is not blank")
    if left_out := len(documents) - len(kept):
        _logger.warning("%s of %s documents are blank, and are left out", left_out, len(documents))
    return kept


def _check_dimensions(given: int, encoder: BertForSentenceEmbedding) -> None:
    """Refuse vectors of documents that have other dimensions than those of the queries."""
    if given != encoder.dimensions:
        cut = f"; open it by load(path, truncate_dim={given}) if they were cut" * (
            given < encoder.width
        )
        raise InputError(
            f"the documents have {given} dimensions, the model's vectors {encoder.dimensions}: one "
            f"model must make both{cut}"
        )


def _found(
    scores: np.ndarray, numbers: np.ndarray, texts: Sequence[str] | None
) -> list[list[dict[str, Any]]]:
    """The result of ``search`` for each query."""
    return [
        [
            {"document": int(number), "score": float(score)}
            | ({} if texts is None else {"text": texts[number]})
            for score, number in zip(*row, strict=True)
        ]
        for row in zip(scores, numbers, strict=True)
    ]


def similarity(
    model: BertModel,
    first: str | Sequence[str],
    second: str | Sequence[str],
    batch_size: int = 32,
) -> np.ndarray:
    """The similarity of every text with every other.

    It is the cosine of their vectors, or the product where the directory of sentence-transformers
    says so, as in ``similarity`` there; the diagonal is its ``similarity_pairwise``. Texts are read
    after the model's default prompt, as by ``embed``.

    Args:
        model: A ``BertForSentenceEmbedding``.
        first: One text or any number, N.
        second: One text or any number, M.
        batch_size: How many texts are embedded at once.

    Returns:
        float32 [N, M]; a single text has no axis, two of them have a number.

    Raises:
        InputError: When the model is no sentence encoder or has no tokenizer, there is no text, or
            vectors are not finite.

    Example:
        >>> model = load("model", BertForSentenceEmbedding)
        >>> scores = similarity(model, ["a fine film", "no fun"], ["a fine film", "a joy", "fun"])
        >>> scores.shape, round(float(scores[0, 0]), 3)
        ((2, 3), 1.0)
    """
    encoder = as_encoder(model)
    sides = [
        [given] if isinstance(given, str) else several_texts(name, given)
        for name, given in (("first", first), ("second", second))
    ]
    for name, side in zip(("first", "second"), sides, strict=True):
        if not side:
            raise InputError(f"{name} holds no text")
    vectors, others = (encoder.embed(side, batch_size) for side in sides)
    scores = similarity_matrix(vectors, others, measure_of(encoder))
    is_one = [isinstance(given, str) for given in (first, second)]
    result: np.ndarray = scores[tuple(0 if one else slice(None) for one in is_one)]
    return result


def as_encoder(model: BertModel) -> BertForSentenceEmbedding:
    """The model, if it gives vectors for texts.

    Raises:
        InputError: When it does not.
    """
    if not isinstance(model, BertForSentenceEmbedding):
        raise InputError(
            f"a {type(model).__name__} gives no vectors for texts; take a directory of "
            "sentence-transformers, or open an encoder with "
            "bert_keras.load(path, BertForSentenceEmbedding) and save it"
        )
    return model


def measure_of(model: BertForSentenceEmbedding) -> Measure:
    """The measure by which the model's vectors are compared: its ``similarity_fn_name``.

    Raises:
        InputError: When it is another measure than cosine and dot.
    """
    name = model.other_files.get(SETTINGS_FILE, {}).get("similarity_fn_name")
    if name not in _MEASURES:
        raise InputError(
            f"the model's {SETTINGS_FILE} compares vectors by similarity_fn_name {name!r}; only "
            "cosine and dot are known"
        )
    return _MEASURES[name]


def exact_measure(model: BertForSentenceEmbedding) -> Measure:
    """The measure that gives ``measure_of``'s scores of vectors that the model itself has made.

    The cosine of vectors of length 1 is their product, which needs no lengths: exact search takes a
    fifth less time.

    Raises:
        InputError: As ``measure_of``.
    """
    is_unit = model.normalize and model.dimensions == model.width
    return "dot" if is_unit else measure_of(model)


def embed_queries(
    model: BertForSentenceEmbedding,
    texts: Sequence[str],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> np.ndarray:
    """The vectors of queries, float32 [Q, H], read after the prompt for queries."""
    return _embed(model, texts, batch_size, "queries", _QUERY_PROMPTS, on_progress)


def embed_documents(
    model: BertForSentenceEmbedding,
    texts: Sequence[str],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> np.ndarray:
    """The vectors of documents, float32 [N, H], read after the prompt for documents."""
    return _embed(model, texts, batch_size, "documents", _DOCUMENT_PROMPTS, on_progress)


def _embed(
    model: BertForSentenceEmbedding,
    texts: Sequence[str],
    batch_size: int,
    what: str,
    prompts: Sequence[str],
    on_progress: Advance | None,
) -> np.ndarray:
    prompt = next((text for name in prompts if (text := model.prompts.get(name))), "")
    if prompt:
        _logger.info("the %s are read after the model's prompt %r", what, prompt)
    vectors = np.empty((len(texts), model.dimensions), np.float32)
    for start in range(0, len(texts), _PIECE):
        piece = texts[start : start + _PIECE]
        vectors[start : start + len(piece)] = model.embed(piece, batch_size, prompt=prompt)
        if on_progress:
            on_progress(start + len(piece), len(texts))
    return vectors
