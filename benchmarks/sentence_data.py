"""The data of sentence_encoders.py: STS-B's pairs, and XQuAD's questions and paragraphs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from sentence_sides import vectors_of

from bert_keras.retrieval.exact import top_k
from bert_keras.retrieval.measures import measure_rankings
from bert_keras.tasks.reading import TextExample

_NEGATIVES = 3  # of the nearest, for each question that a ranker learns from


def sts(path: Path) -> list[TextExample]:
    """The pairs of a file of STS-B: columns without quotes, the score the fifth."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        TextExample(row[5], row[6], row[4], f"{path.name}, row {number}")
        for number, row in enumerate(rows, start=1)
    ]


class Questions:
    """XQuAD's questions and paragraphs, those to learn from and those to answer.

    Attributes:
        documents: The paragraphs.
        train: Question and number of the paragraph, of every second article.
        test: Those of the other articles.
    """

    def __init__(self, path: Path) -> None:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        self.documents: list[str] = []
        sides: tuple[list[tuple[str, int]], ...] = ([], [])
        for number, article in enumerate(articles):
            for paragraph in article["paragraphs"]:
                place = len(self.documents)
                self.documents.append(paragraph["context"])
                sides[number % 2].extend((qa["question"], place) for qa in paragraph["qas"])
        self.train, self.test = sides

    def nearest(self, model: Any, asked: list[tuple[str, int]], top: int) -> np.ndarray:
        """The numbers of the nearest paragraphs of each question."""
        vectors = vectors_of(model, [question for question, _ in asked])
        return top_k(vectors, vectors_of(model, self.documents), top)[1]

    def pairs(self, model: Any) -> list[TextExample]:
        """Each question to learn from with its paragraph, and with the nearest of the others."""
        found = []
        for (question, right), near in zip(
            self.train, self.nearest(model, self.train, _NEGATIVES + 1), strict=True
        ):
            wrong = [number for number in near if number != right][:_NEGATIVES]
            for number in (right, *wrong):
                label = str(int(number == right))
                found.append(TextExample(question, self.documents[number], label, "XQuAD"))
        return found

    def measures(self, orders: list[list[int]]) -> dict[str, float]:
        """The measures of the paragraphs' orders for the questions to answer."""
        rankings = {str(n): [str(d) for d in order] for n, order in enumerate(orders)}
        judgements = {str(n): {str(right): 1} for n, (_, right) in enumerate(self.test)}
        return measure_rankings(rankings, judgements)
