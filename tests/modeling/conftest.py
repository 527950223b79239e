"""A model small enough to run in a blink, and a batch with rows of all lengths."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bert_keras import BertConfig


@pytest.fixture(scope="session")
def config() -> BertConfig:
    return BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
        # Wide enough that a wrong sum shows.
        initializer_range=0.2,
    )


@pytest.fixture(scope="session")
def plain_config(config: BertConfig) -> BertConfig:
    """One layer and no dropout: what training tests trace in a hurry."""
    return replace(
        config, num_hidden_layers=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., dict[str, Any]]:
    """A pre-training batch with one row per given length, 12 positions wide, 3 predictions."""

    def make(lengths: tuple[int, ...] = (12, 1, 5, 7), seed: int = 0) -> dict[str, np.ndarray]:
        draw = np.random.default_rng(seed)
        length, predictions = 12, 3
        is_real = (np.arange(length) < np.array(lengths)[:, None]).astype("int32")
        positions = np.sort(draw.random((len(lengths), length)).argsort(1)[:, :predictions])
        weights = (positions < np.array(lengths)[:, None]).astype("float32")
        shape = (len(lengths), length)
        return {
            "input_ids": draw.integers(1, 50, shape, dtype="int32") * is_real,
            "attention_mask": is_real,
            "token_type_ids": draw.integers(0, 2, shape, dtype="int32") * is_real,
            "masked_lm_positions": (positions * weights).astype("int32"),
            "masked_lm_ids": draw.integers(1, 50, positions.shape, dtype="int32"),
            "masked_lm_weights": weights,
            "next_sentence_labels": draw.integers(0, 2, len(lengths), dtype="int32"),
        }

    return make


@pytest.fixture(scope="session")
def batch(make_batch: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return make_batch()
