"""The measures of rankings: recall, MRR, nDCG and MAP, as trec_eval and BEIR compute them.

A ranking is a sequence of documents, the best first. Of documents with equal scores whoever ranks
them decides: ``exact.top_k`` puts the lower number first, trec_eval the id that sorts last. A
judgement is a number, in files a whole one: those above 0 are relevant, the more the better; 0,
less, and no judgement are not relevant.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bert_keras.errors import InputError

Ranking = Sequence[Any]  # of ids or numbers
Judged = Mapping[Any, float]

DEPTH = 100  # documents of a ranking that are looked at


def recall(ranking: Ranking, judged: Judged, k: int) -> float:
    """The share of the relevant documents that are among the first ``k``; 0 if none is relevant.

    Args:
        ranking: The documents, the best first.
        judged: The judgements of the query, by document.
        k: How many documents count.
    """
    relevant = _relevant(judged)
    return sum(document in relevant for document in ranking[:k]) / max(len(relevant), 1)


def reciprocal_rank(ranking: Ranking, judged: Judged, k: int = 10) -> float:
    """1 / the rank of the first relevant document; 0 if none is among the first ``k``.

    Its mean over queries is the MRR (Voorhees 1999, "The TREC-8 Question Answering Track Report").

    Args:
        ranking: The documents, the best first.
        judged: The judgements of the query, by document.
        k: How many documents count.
    """
    relevant = _relevant(judged)
    ranks = (rank for rank, document in enumerate(ranking[:k], 1) if document in relevant)
    return 1 / next(ranks, math.inf)


def ndcg(ranking: Ranking, judged: Judged, k: int = 10) -> float:
    """The normalized discounted cumulative gain of the first ``k``; 0 if no document is relevant.

    Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", in the form of
    trec_eval: the gain of a document is its judgement (not 2 to its power, minus 1), the discount
    of rank r is log2(r + 1). The best ranking of all judged documents has 1.

    Args:
        ranking: The documents, the best first.
        judged: The judgements of the query, by document.
        k: How many documents count.
    """
    best = _discounted(sorted(judged.values(), reverse=True)[:k])
    found = _discounted([judged.get(document, 0) for document in ranking[:k]])
    return found / best if best else 0.0


def average_precision(ranking: Ranking, judged: Judged, k: int = DEPTH) -> float:
    """The mean of the precision at each relevant document; 0 for those not among the first ``k``.

    Its mean over queries is the MAP (Buckley and Voorhees 2000, "Evaluating evaluation measure
    stability").

    Args:
        ranking: The documents, the best first.
        judged: The judgements of the query, by document.
        k: How many documents count.
    """
    relevant = _relevant(judged)
    ranks = [rank for rank, document in enumerate(ranking[:k], 1) if document in relevant]
    precisions = (found / rank for found, rank in enumerate(ranks, 1))
    return sum(precisions) / max(len(relevant), 1)


def measure_rankings(
    rankings: Mapping[Any, Ranking], judgements: Mapping[Any, Judged]
) -> dict[str, float]:
    """The means of the measures over all queries that have judgements.

    A query without a relevant document counts 0 in each of them, as in trec_eval.

    Args:
        rankings: The documents of each query, the best first; ``DEPTH`` of them are looked at.
            Queries without judgements do not count.
        judgements: By query, then by document.

    Returns:
        ``recall@1``, ``recall@10``, ``recall@100``, ``mrr@10``, ``ndcg@10`` and ``map@100``.

    Raises:
        InputError: When no query has a relevant document, one with judgements has no ranking, or a
            ranking has a document twice.
    """
    judgements = {query: judged for query, judged in judgements.items() if judged}
    if not judgements:
        raise InputError("no query has a judgement, so there is nothing to measure")
    if not any(map(_relevant, judgements.values())):
        raise InputError(
            "no judgement is 1 or more, so no document is relevant to any query: every measure "
            "would be 0"
        )
    totals: dict[str, list[float]] = {}
    for query, judged in judgements.items():
        if query not in rankings:
            raise InputError(f"the query {query!r} has judgements, but no ranking")
        ranking = rankings[query]
        if len(set(ranking)) < len(ranking):
            raise InputError(f"the ranking of the query {query!r} has a document twice")
        values = {f"recall@{k}": recall(ranking, judged, k) for k in (1, 10, DEPTH)} | {
            "mrr@10": reciprocal_rank(ranking, judged, 10),
            "ndcg@10": ndcg(ranking, judged, 10),
            f"map@{DEPTH}": average_precision(ranking, judged, DEPTH),
        }
        for name, value in values.items():
            totals.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in totals.items()}


def _relevant(judged: Judged) -> set[Any]:
    return {document for document, score in judged.items() if score > 0}


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(max(gain, 0) / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
