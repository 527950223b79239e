"""Documents in the order in which a cross-encoder scores them for a query."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_keras.config.checks import at_least, require
from bert_keras.errors import InputError, several_texts
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.modeling.model import BertModel
from bert_keras.retrieval.exact import Advance
from bert_keras.retrieval.search import not_blank
from bert_keras.tasks.evaluate import answer, answering
from bert_keras.tasks.registry import task_of

_PIECE = 4096  # pairs whose tokens are in memory at once


def rank(
    model: BertModel,
    query: str,
    documents: Sequence[str],
    top: int | None = None,
    batch_size: int = 32,
) -> list[dict[str, Any]]:
    """Documents, the best for a query first, by a model that reads the query with each of them.

    As ``CrossEncoder.rank`` of sentence-transformers. It takes a call of the model for each
    document: among many ``search`` finds candidates first.

    Args:
        model: A cross-encoder: a ``BertForSequenceClassification`` with one score for a pair of
            texts, such as one trained on ``data.task = "ranking"`` or a directory of
            sentence-transformers.
        query: The text that is read first.
        documents: The texts that are read second; blank ones are left out with a warning.
        top: How many documents are given, if there are as many; by default all.
        batch_size: How many pairs are read at once.

    Returns:
        A list of ``{"document": number, "score": float, "text": str}``, the best first; of equal
        scores the lower number, which counts from 0.

    Raises:
        InputError: When the model is no such model or has no tokenizer, ``query`` is blank or
            every document is, or an argument is something else.

    Example:
        >>> model = load("model", BertForSequenceClassification, labels=1)
        >>> best = rank(model, "who liked it?", ["a fine film", "no fun"], top=1)
        >>> len(best), sorted(best[0])
        (1, ['document', 'score', 'text'])
    """
    ranker = as_ranker(model)
    if not isinstance(query, str):
        raise InputError(f"query must be one text. Received: {query!r:.60}")
    require("query must not be blank", query.strip() != "", query)
    if top is not None:
        require("top must be a whole number", type(top) is int, top)
        at_least("top", top, 1)
    at_least("batch_size", batch_size, 1)
    texts = several_texts("documents", documents)
    if not texts:
        return []
    kept = not_blank(texts)
    scores = scores_of_pairs(ranker, [(query, texts[number]) for number in kept], batch_size)
    order = sorted(range(len(kept)), key=lambda place: -scores[place])
    return [
        {"document": kept[place], "score": scores[place], "text": texts[kept[place]]}
        for place in order[:top]
    ]


def as_ranker(model: BertModel) -> BertForSequenceClassification:
    """The model, if it gives a pair of texts one score.

    Raises:
        InputError: When it does not, or was trained on single texts.
    """
    is_classifier = isinstance(model, BertForSequenceClassification)
    if not (is_classifier and len(model.labels) == 1 and model.problem_type == "regression"):
        kind = f"a {type(model).__name__}"
        if is_classifier:
            kind += f" of {len(model.labels)} labels ({model.problem_type})"
        raise InputError(
            f"{kind} gives no score for a query and a document; take a cross-encoder with one "
            "score, or train one: bert-keras finetune configs/finetune/ranking.toml"
        )
    assert isinstance(model, BertForSequenceClassification)
    task: Any = task_of(model)
    if task.trained_on == "texts":
        raise InputError(
            "the model was trained on single texts, and a ranker reads a query with a document: "
            "train one on pairs, by bert-keras finetune configs/finetune/ranking.toml"
        )
    return model


def scores_of_pairs(
    model: BertForSequenceClassification,
    pairs: Sequence[tuple[str, str]],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> list[float]:
    """The score of each pair of query and document.

    Args:
        model: A ranker.
        pairs: Queries and documents.
        batch_size: How many pairs are read at once.
        on_progress: Called with the pairs done so far and their number.
    """
    task = answering(task_of(model))
    scores: list[float] = []
    for start in range(0, len(pairs), _PIECE):
        examples = [task.from_text(*pair) for pair in pairs[start : start + _PIECE]]

        def advance(done: int, total: int, start: int = start) -> None:
            if on_progress:
                on_progress(start + done, len(pairs))

        answers = answer(model, task, examples, batch_size, advance)
        scores += [prediction["score"] for prediction in answers]
    return scores


def reranked(
    model: BertForSequenceClassification,
    queries: Sequence[str],
    documents: Sequence[str],
    numbers: np.ndarray,
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The documents that were found for each query, by the ranker's scores.

    Args:
        model: A ranker.
        queries: The queries.
        documents: All documents.
        numbers: Those that were found for each query, the best first, [Q, C].
        batch_size: How many pairs are read at once.
        on_progress: Called with the pairs done so far and their number.

    Returns:
        The scores in falling order, float32 [Q, C], and their documents' numbers; of equal scores
        in the order in which they were found.
    """
    pairs = [
        (query, documents[number])
        for query, row in zip(queries, numbers, strict=True)
        for number in row
    ]
    given = scores_of_pairs(model, pairs, batch_size, on_progress)
    scores = np.array(given, np.float32).reshape(numbers.shape)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, 1), np.take_along_axis(numbers, order, 1)
