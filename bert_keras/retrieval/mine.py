"""Hard negatives: documents that a sentence encoder finds near an anchor, though they are wrong.

Xiong et al. 2020, "Approximate Nearest Neighbor Negative Contrastive Learning", section 3; the
margins as in Moreira et al. 2024, "NV-Retriever".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from bert_keras.config.checks import check_settings, require
from bert_keras.config.model import require_whole_number
from bert_keras.errors import several_texts
from bert_keras.modeling.model import BertModel
from bert_keras.retrieval.exact import Advance, inverse_lengths, top_k
from bert_keras.retrieval.pairs import Texts, texts_of
from bert_keras.retrieval.search import as_encoder, embed_documents, embed_queries

# The rules that leave out a document, in the order in which they are asked.
REASONS = ("margin", "relative_margin", "max_score", "min_score", "from_rank")

# From and up to, and the one of both at which no document would be left.
_RANGES = {
    "margin": (0, 2, 2),
    "relative_margin": (0, 1, None),
    "max_score": (-1, 1, -1),
    "min_score": (-1, 1, 1),
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The documents that may be negatives of an anchor; scores are cosines.

    Attributes:
        negatives: How many each anchor gets at most: those with the highest scores.
        margin: By how much a negative's score must be below that of every positive of the anchor.
        relative_margin: The same as a share: 0.05 leaves out those above 95 % of that score.
        max_score: The highest score of a negative.
        min_score: The lowest.
        from_rank: How many of the nearest that pass are left out, too, as they may be right.
        to_rank: How many of the nearest documents are looked at, besides as many as the most
            positives that an anchor has. Left out: ``from_rank`` + ``negatives``, or + 10 times
            ``negatives`` where margins or ``max_score`` leave some out, and the most positives.
    """

    negatives: int = 3
    margin: float | None = None
    relative_margin: float | None = None
    max_score: float | None = None
    min_score: float | None = None
    from_rank: int = 0
    to_rank: int | None = None

    def __post_init__(self) -> None:
        require_whole_number("negatives", self.negatives, 1)
        require_whole_number("from_rank", self.from_rank, 0)
        for name, (least, most, none) in _RANGES.items():
            value = getattr(self, name)
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            is_right = value is None or (is_number and least <= value <= most and value != none)
            but = "" if none is None else f"; {none} would leave out every document"
            require(f"{name} must be a number from {least} to {most}{but}", is_right, value)
        if self.min_score is not None and self.max_score is not None:
            is_right = self.min_score < self.max_score
            require("min_score must be below max_score", is_right, self.min_score)
        if self.to_rank is not None:
            require_whole_number("to_rank", self.to_rank, self.from_rank + self.negatives)

    def last_rank(self, most_positives: int) -> int:
        """``to_rank`` or, where it was left out, its default."""
        if self.to_rank is not None:
            return self.to_rank
        above = (self.margin, self.relative_margin, self.max_score)
        times = 1 if all(value is None for value in above) else 10
        return self.from_rank + times * self.negatives + most_positives


@dataclass(frozen=True)
class Mined:
    """The negatives of each anchor, the nearest first.

    Attributes:
        numbers: For each anchor the numbers of its documents.
        scores: Their scores.
        positive_scores: The scores of the positives of all anchors, float32.
        left_out: For each rule the number of documents that it left out, int [anchors].
        depth: The number of documents that were looked at for each anchor.
    """

    numbers: list[list[int]]
    scores: list[list[float]]
    positive_scores: np.ndarray
    left_out: dict[str, np.ndarray]
    depth: int


def find_negatives(
    texts: Texts,
    anchors: np.ndarray,
    documents: np.ndarray,
    rules: Rules,
    on_progress: Advance | None = None,
) -> Mined:
    """Find the negatives of each anchor by the vectors of anchors and documents.

    Args:
        texts: The texts of the vectors.
        anchors: float32 [anchors, H].
        documents: float32 [documents, H].
        rules: The documents that may be negatives.
        on_progress: Called with the products done so far, and their number.

    Raises:
        InputError: When vectors are not finite.
    """
    depth = rules.last_rank(texts.most_positives) + texts.most_positives
    scores, numbers = top_k(anchors, documents, depth, "cosine", on_progress)
    of_positives, lowest = _positive_scores(texts, anchors, documents)
    is_open = np.stack(
        [~np.isin(row, known) for row, known in zip(numbers, texts.known, strict=True)]
    )
    left_out = {}
    for reason in REASONS:
        value = getattr(rules, reason)
        if value is not None:
            is_refused = is_open & _refused(reason, np.float32(value), scores, lowest, is_open)
            left_out[reason] = np.count_nonzero(is_refused, axis=1)
            is_open &= ~is_refused
    taken = [np.flatnonzero(row)[: rules.negatives] for row in is_open]
    return Mined(
        numbers=[row[at].tolist() for row, at in zip(numbers, taken, strict=True)],
        scores=[row[at].tolist() for row, at in zip(scores, taken, strict=True)],
        positive_scores=of_positives,
        left_out=left_out,
        depth=scores.shape[1],
    )


def _refused(
    reason: str, value: np.float32, scores: np.ndarray, lowest: np.ndarray, is_open: np.ndarray
) -> np.ndarray:
    """Tell which documents a rule leaves out, [anchors, depth]."""
    if reason == "margin":
        return scores + value > lowest
    if reason == "relative_margin":  # of a score below 0, too, away from the positive
        return scores > lowest - np.abs(lowest) * value
    if reason == "max_score":
        return scores > value
    if reason == "min_score":
        return scores < value
    return np.cumsum(is_open, axis=1) <= value


def _positive_scores(
    texts: Texts, anchors: np.ndarray, documents: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cosines of all positives, and the lowest of each anchor [anchors, 1]."""
    counts = [len(row) for row in texts.positives]
    first = np.repeat(anchors, counts, axis=0)
    second = documents[np.concatenate(texts.positives)]
    scores = np.vecdot(first, second) * inverse_lengths(first) * inverse_lengths(second)
    starts = np.cumsum([0, *counts[:-1]])
    return scores, np.minimum.reduceat(scores, starts)[:, None]


def mine_negatives(
    model: BertModel,
    pairs: Iterable[tuple[str, str]],
    documents: Sequence[str] = (),
    batch_size: int = 32,
    **rules: Any,
) -> list[list[dict[str, Any]]]:
    """The hard negatives of each pair: the nearest documents that are not a positive of its anchor.

    The positives of all pairs are documents, too. An anchor's own positives and its own text are
    never taken, also where they differ in white space. The rules are those of
    ``mine_hard_negatives`` of sentence-transformers 6, which gives the same negatives, but takes
    an anchor's own text. Anchors are read after the model's prompt for queries, documents after
    that for documents, as by ``search``; compared are cosines.

    Args:
        model: A ``BertForSentenceEmbedding``.
        pairs: Anchors, each with a positive. An anchor with several positives has several pairs.
        documents: More documents.
        batch_size: How many texts are embedded at once.
        **rules: ``negatives`` (3), the most for each anchor; ``margin``, by how much the score is
            to be below that of the lowest positive; ``relative_margin``, the same as a share of
            that score; ``max_score``; ``min_score``; ``from_rank`` (0), how many of the nearest
            that pass are left out, too; ``to_rank``, how many of the nearest are looked at
            (``from_rank`` + ``negatives``, 10 times as many with a margin or ``max_score``, + the
            most positives of an anchor).

    Returns:
        For each pair a list of ``{"text": str, "score": float}``, the nearest first; shorter where
        fewer pass.

    Raises:
        InputError: When the model is no sentence encoder or has no tokenizer, there is no pair, a
            text of one is blank, a rule is unknown or out of range, or vectors are not finite.

    Example:
        >>> model = load("model", BertForSentenceEmbedding)
        >>> pairs = [("fun", "a fine film"), ("a bore", "a pain to watch")]
        >>> found = mine_negatives(model, pairs, ["a film", "no fun"], negatives=2)
        >>> [len(negatives) for negatives in found], "a fine film" in [n["text"] for n in found[0]]
        ([2, 2], False)
    """
    encoder = as_encoder(model)
    check_settings(Rules, rules)
    chosen = Rules(**rules)
    texts = texts_of([_pair(n, pair) for n, pair in enumerate(pairs)],
                     several_texts("documents", documents))  # fmt: skip
    anchors = embed_queries(encoder, texts.anchors, batch_size)
    vectors = embed_documents(encoder, texts.documents, batch_size)
    mined = find_negatives(texts, anchors, vectors, chosen)
    hits = [
        [
            {"text": texts.documents[number], "score": score}
            for number, score in zip(*row, strict=True)
        ]
        for row in zip(mined.numbers, mined.scores, strict=True)
    ]
    return [hits[anchor] for anchor in texts.anchor_of]


def _pair(number: int, pair: Any) -> tuple[str, str]:
    """A pair that was given.

    Raises:
        InputError: When it is not two texts.
    """
    texts = several_texts(f"pairs[{number}]", pair)
    require(f"pairs[{number}] must be an anchor and its positive", len(texts) == 2, pair)
    return texts[0], texts[1]
