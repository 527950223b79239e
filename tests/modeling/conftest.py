"""A model small enough to run in a blink, and a batch with rows of all lengths."""

from dataclasses import replace
from typing import Any

import pytest

from bert_keras import BertConfig, BertForSequenceClassification
from tests.support.batches import pretraining_batch, sequences
from tests.support.by_hand import LABELS, Data
from tests.support.models import NO_DROPOUT, small_config


@pytest.fixture(scope="session")
def config() -> BertConfig:
    # Weights wide enough that a wrong sum shows.
    return small_config(
        50, hidden_size=16, num_hidden_layers=2, intermediate_size=24, max_position_embeddings=16,
        initializer_range=0.2,
    )  # fmt: skip


@pytest.fixture(scope="session")
def plain_config(config: BertConfig) -> BertConfig:
    """One layer and no dropout: what training tests trace in a hurry."""
    return replace(config, num_hidden_layers=1, **NO_DROPOUT)


@pytest.fixture(scope="session")
def batch() -> dict[str, Any]:
    return pretraining_batch()


@pytest.fixture
def inputs() -> Data:
    """Six texts."""
    return sequences((12, 1, 5, 7, 3, 9), 12, 50)


@pytest.fixture
def classifier(plain_config: BertConfig) -> BertForSequenceClassification:
    return BertForSequenceClassification(plain_config, labels=LABELS)
