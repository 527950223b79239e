"""A corpus of documents of all kinds."""

import numpy as np
import pytest

from tests.data.corpora import SmallCorpus, corpus_of


@pytest.fixture(scope="session")
def varied_corpus() -> SmallCorpus:
    """Short and long sentences, some beyond every maximum, and documents of a single sentence."""
    rng = np.random.default_rng(7)
    documents = []
    for index in range(50):
        if index % 5 == 0:
            documents.append([int(rng.integers(1, 90))])
            continue
        lengths = rng.integers(1, 30, size=rng.integers(2, 60))
        lengths[rng.random(len(lengths)) < 0.04] = rng.integers(100, 300)
        documents.append(lengths.tolist())
    return corpus_of(documents)
