"""A model small enough to run in a blink, and a batch with rows of all lengths."""

from dataclasses import replace
from typing import Any

import pytest

from bert_keras import BertConfig
from tests.support.batches import pretraining_batch
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
