"""Batches of drawn ids, with rows of several lengths."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def sequences(
    lengths: Sequence[int], length: int, vocab_size: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """A row of ids, of 1 and up, for each given length; zeros behind them."""
    draw = np.random.default_rng(seed)
    is_real = (np.arange(length) < np.array(lengths)[:, None]).astype("int32")
    return {
        "input_ids": draw.integers(1, vocab_size, is_real.shape, dtype="int32") * is_real,
        "attention_mask": is_real,
        "token_type_ids": draw.integers(0, 2, is_real.shape, dtype="int32") * is_real,
    }


def pretraining_batch(
    lengths: Sequence[int] = (12, 1, 5, 7), seed: int = 0, vocab_size: int = 50
) -> dict[str, Any]:
    """Rows 12 wide with the labels of both pre-training tasks, 3 predictions each."""
    draw = np.random.default_rng((seed, 1))
    ends = np.array(lengths)[:, None]
    positions = np.sort(draw.random((len(lengths), 12)).argsort(1)[:, :3])
    weights = (positions < ends).astype("float32")
    return sequences(lengths, 12, vocab_size, seed) | {
        "masked_lm_positions": (positions * weights).astype("int32"),
        "masked_lm_ids": draw.integers(1, vocab_size, positions.shape, dtype="int32"),
        "masked_lm_weights": weights,
        "next_sentence_labels": draw.integers(0, 2, len(lengths), dtype="int32"),
    }


def special_texts(
    lengths: Sequence[int], length: int, vocab_size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and attention mask of [CLS] words [SEP] words [SEP]; the words' ids are 5 and up."""
    draw = np.random.default_rng(seed)
    ends, rows = np.asarray(lengths), np.arange(len(lengths))
    ids = draw.integers(5, vocab_size, size=(len(ends), length)).astype(np.int32)
    attention = (np.arange(length) < ends[:, None]).astype(np.int32)
    ids[:, 0] = 2
    ids[rows, ends // 2] = ids[rows, ends - 1] = 3
    return ids * attention, attention
