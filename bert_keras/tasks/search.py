"""Search: the documents that are most like a query, put in order by a cross-encoder or not."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_keras.config.checks import at_least, require
from bert_keras.errors import InputError, several_texts
from bert_keras.modeling.model import BertModel
from bert_keras.retrieval.search import as_encoder, find
from bert_keras.tasks.rank import as_ranker, reranked

CANDIDATES = 100  # documents of a query that a cross-encoder reads


def search(
    model: BertModel,
    documents: Sequence[str] | np.ndarray,
    queries: str | Sequence[str],
    top: int = 10,
    batch_size: int = 32,
    rerank: BertModel | None = None,
    candidates: int | None = None,
) -> list[Any]:
    """The documents whose vectors are most like those of queries.

    Exact: every document is compared, by the cosine or, where the directory of
    sentence-transformers says so, the product. Queries are read after the model's prompt ``query``,
    documents after ``document``, ``passage`` or ``corpus``, as by sentence-transformers'
    ``encode_query`` and ``encode_document``; where it has none of that name, after no prompt, also
    not after its default one. (sentence-transformers 6 adds an empty ``document`` to every model,
    and so leaves ``passage`` unused.)

    With ``rerank`` it is the first of two stages: the documents that are most like a query are its
    candidates, and a cross-encoder puts these in order (Nogueira and Cho 2019, "Passage Re-ranking
    with BERT").

    Args:
        model: A ``BertForSentenceEmbedding``.
        documents: The texts, of which blank ones are left out with a warning; or their vectors,
            float32 or float16 [N, H], also an ``np.memmap``, as ``np.load(path, mmap_mode="r")``
            opens one, so that each search needs no new ones.
        queries: One text or any number.
        top: How many documents are given for each query, if there are as many.
        batch_size: How many texts are embedded, or pairs are read, at once.
        rerank: A cross-encoder, as ``rank`` takes it, for documents that are texts.
        candidates: How many documents of each query it reads; by default 100. At least ``top``.

    Returns:
        For each query a list of ``{"document": number, "score": float, "text": str}``, the best
        first; of equal scores the lower number, which counts from 0, or with ``rerank`` the one
        whose vector is more like the query's. Of vectors there is no ``text``. For one query that
        list alone.

    Raises:
        InputError: When the model is no sentence encoder or has no tokenizer, a query is blank,
            there are no documents, vectors have other dimensions than the model's or are not
            finite, or ``rerank`` is no cross-encoder or has no texts or too few candidates to read.

    Example:
        >>> model = load("model", BertForSentenceEmbedding)
        >>> films = ["a fine film", "a pain to watch", "no fun"]
        >>> best, _ = search(model, films, "a fine film", top=2)
        >>> best["document"], best["text"], round(best["score"], 3)
        (0, 'a fine film', 1.0)
        >>> [len(found) for found in search(model, model.embed(films), ["fun", "a film"])]
        [3, 3]
        >>> ranker = load("model", BertForSequenceClassification, labels=1)
        >>> best, _ = search(model, films, "fun", top=2, rerank=ranker, candidates=3)
        >>> best["score"] == rank(ranker, "fun", films)[0]["score"]
        True
    """
    encoder = as_encoder(model)
    at_least("top", top, 1)
    ranker = None if rerank is None else as_ranker(rerank)
    count = _candidates(candidates, top, ranker is not None)
    is_one = isinstance(queries, str)
    asked = [queries] if isinstance(queries, str) else several_texts("queries", queries)
    if not asked:
        return []
    if blank := [number for number, query in enumerate(asked) if not query.strip()]:
        name = "queries" if is_one else f"queries[{blank[0]}]"
        raise InputError(f"{name} is blank, and nothing is like it: leave it out")
    texts = None
    if not isinstance(documents, np.ndarray) or documents.dtype.kind in "OUT":  # of texts
        documents = texts = several_texts("documents", documents)
    elif ranker:
        raise InputError("rerank reads documents: give their texts in the place of vectors")
    scores, numbers = find(encoder, documents, asked, count, batch_size)
    if ranker:
        assert texts is not None
        scores, numbers = reranked(ranker, asked, texts, numbers, batch_size)
    found = _found(scores[:, :top], numbers[:, :top], texts)
    return found[0] if is_one else found


def _candidates(candidates: int | None, top: int, is_reranked: bool) -> int:
    """The number of documents that are to be found for each query.

    Raises:
        InputError: When candidates are given and not read, or fewer than ``top``.
    """
    if not is_reranked:
        require("candidates is for rerank, which reads so many documents: give both",
                candidates is None, candidates)  # fmt: skip
        return top
    number = CANDIDATES if candidates is None else candidates
    require("candidates must be a whole number", type(number) is int, number)
    require(f"candidates must be at least top, {top}", number >= top, number)
    return number


def _found(
    scores: np.ndarray, numbers: np.ndarray, texts: Sequence[str] | None
) -> list[list[dict[str, Any]]]:
    """The documents found for each query."""
    return [
        [
            {"document": int(number), "score": float(score)}
            | ({} if texts is None else {"text": texts[number]})
            for score, number in zip(*row, strict=True)
        ]
        for row in zip(scores, numbers, strict=True)
    ]
