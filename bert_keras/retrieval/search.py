"""A sentence encoder for search: the vectors of queries and documents, and what is most alike."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

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


def find(
    model: BertForSentenceEmbedding,
    documents: Sequence[str] | np.ndarray,
    queries: Sequence[str],
    top: int,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """The documents whose vectors are most like those of queries.

    Args:
        model: The sentence encoder.
        documents: The texts, of which blank ones are left out; or their vectors.
        queries: The queries.
        top: How many documents are given for each query, if there are as many.
        batch_size: How many texts are embedded at once.

    Returns:
        As ``top_k`` of ``exact``.

    Raises:
        InputError: When there is no document that is not blank, or vectors have other dimensions
            than the model's or are not finite.
    """
    if isinstance(documents, np.ndarray):
        check_vectors("documents", documents)
        _check_dimensions(documents.shape[1], model)
        asked = embed_queries(model, queries, batch_size)
        return top_k(asked, documents, top, measure_of(model))
    kept = not_blank(documents)
    vectors = embed_documents(model, [documents[number] for number in kept], batch_size)
    asked = embed_queries(model, queries, batch_size)
    scores, numbers = top_k(asked, vectors, top, exact_measure(model))
    return scores, np.array(kept)[numbers]


def not_blank(documents: Sequence[str]) -> list[int]:
    """The numbers of the documents that have a word; a warning counts the others.

    Raises:
        InputError: When none has.
    """
    kept = [number for number, text in enumerate(documents) if text.strip()]
    if not kept:
        raise InputError("documents holds no text, or blank ones alone")
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
    prompt = _prompt(model, "queries", _QUERY_PROMPTS)
    return _embed(model, texts, batch_size, prompt, on_progress)


def embed_documents(
    model: BertForSentenceEmbedding,
    texts: Sequence[str],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> np.ndarray:
    """The vectors of documents, float32 [N, H], read after the prompt for documents."""
    return _embed(model, texts, batch_size, document_prompt(model), on_progress)


def document_prompt(model: BertForSentenceEmbedding) -> str:
    """The prompt after which documents are read; the log names it."""
    return _prompt(model, "documents", _DOCUMENT_PROMPTS)


def _prompt(model: BertForSentenceEmbedding, what: str, names: Sequence[str]) -> str:
    """The first prompt of these names that has a text."""
    prompt = next((text for name in names if (text := model.prompts.get(name))), "")
    if prompt:
        _logger.info("the %s are read after the model's prompt %r", what, prompt)
    return prompt


def _embed(
    model: BertForSentenceEmbedding,
    texts: Sequence[str],
    batch_size: int,
    prompt: str,
    on_progress: Advance | None,
) -> np.ndarray:
    vectors = np.empty((len(texts), model.dimensions), np.float32)
    for start in range(0, len(texts), _PIECE):
        piece = texts[start : start + _PIECE]
        vectors[start : start + len(piece)] = model.embed(piece, batch_size, prompt=prompt)
        if on_progress:
            on_progress(start + len(piece), len(texts))
    return vectors
