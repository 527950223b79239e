"""Batches of features: shuffled for training, in order for answers."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.data.draws import Draws, Purpose
from bert_keras.errors import InputError
from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import Tokenizer

Batch = dict[str, np.ndarray]

# How many batches are sorted by length together. More would leave less padding, but batches of
# similar sentences teach less.
_SORTED_TOGETHER = 16


def check_token_types(
    features: Sequence[Feature], tokenizer: Tokenizer, config: BertConfig
) -> None:
    """Refuse token types that the model has no embedding for.

    Raises:
        InputError: When there is one.
    """
    second = tokenizer.template.second_type
    if not config.has_token_types or second < config.type_vocab_size:
        return
    if any(second in each.token_type_ids for each in features):
        raise InputError(
            f"the tokenizer gives the second text of a pair type {second}, but the model has "
            f"{config.type_vocab_size} token types: such a model reads single texts alone"
        )


def training_batches(
    features: Sequence[Feature],
    batch_size: int,
    pad_id: int = 0,
    seed: int = 0,
    start_step: int = 0,
    length: int | None = None,
    group_by_length: bool = False,
) -> tf.data.Dataset:
    """An endless dataset of batches, each epoch in a new order.

    The epochs' random orders follow one another without a gap. Every batch follows from the seed
    and its number alone.

    Args:
        features: With targets.
        batch_size: Sequences in each batch.
        pad_id: The id of [PAD].
        seed: Fixes the order.
        start_step: The number of the first batch.
        length: Tokens that every sequence is padded to, for static shapes (the windows of every
            row are then as many as of the longest text); by default the longest of the batch.
        group_by_length: Whether the order is cut into windows of some batches whose sequences are
            sorted by length, cut into batches, and the batches shuffled: a batch then holds
            sequences of similar lengths and little padding.

    Returns:
        Elements as the models take them: ``input_ids``, ``attention_mask`` and
        ``token_type_ids``, int32 [B, L], or [B, W, L] where the features have windows, and the
        features' targets.
    """
    window = _SORTED_TOGETHER if group_by_length else 1
    plan = _Plan([len(feature.input_ids) for feature in features], batch_size, seed, window)
    windows = max(len(feature.window_ends) for feature in features) if length else None

    def batches() -> Iterator[Batch]:
        step = start_step
        while True:
            yield collate([features[row] for row in plan.rows(step)], pad_id, length, windows)
            step += 1

    feature = features[0]
    for_tokens = ("input_ids", "attention_mask", "token_type_ids", *feature.token_targets)
    shape = [batch_size, windows, length] if feature.window_ends else [batch_size, length]
    signature = {name: tf.TensorSpec(shape, tf.int32) for name in for_tokens}
    for name, value in feature.targets.items():
        signature[name] = tf.TensorSpec([batch_size, *np.shape(value)], _dtype(value))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.prefetch(tf.data.AUTOTUNE)


def ordered_batches(
    features: Sequence[Feature],
    batch_size: int,
    pad_id: int = 0,
    length: int | None = None,
    windows: int | None = None,
) -> tuple[Iterator[Batch], np.ndarray]:
    """The features once, longest first; the last batch may be smaller.

    They are arrays, not a data set: to make one takes longer than to answer a text.

    Args:
        features: With targets or without.
        batch_size: Most sequences in a batch.
        pad_id: The id of [PAD].
        length: As in ``collate``.
        windows: Likewise.

    Returns:
        The batches, and the feature's number of each of their rows, one after another.
    """
    lengths = np.array([len(feature.input_ids) for feature in features])
    order = np.argsort(-lengths, kind="stable")

    starts = range(0, len(order), batch_size)
    groups = (order[start : start + batch_size] for start in starts)
    batches = (collate([features[row] for row in rows], pad_id, length, windows) for rows in groups)
    return batches, order


def collate(
    features: Sequence[Feature],
    pad_id: int = 0,
    length: int | None = None,
    windows: int | None = None,
) -> Batch:
    """One batch; values for tokens are padded, labels with ``IGNORED_LABEL``.

    Args:
        features: The rows. Where they have windows, the batch's sequences are [B, W, L].
        pad_id: The id of [PAD].
        length: L; by default the longest sequence's.
        windows: W; by default the most of any row.
    """
    if features[0].window_ends:
        batch = _windows(features, pad_id, length, windows)
    else:
        batch = _sequences(features, pad_id, length)
    length = batch["input_ids"].shape[-1]
    for name, value in features[0].targets.items():
        batch[name] = np.array([feature.targets[name] for feature in features], _dtype(value))
    for name in features[0].token_targets:
        rows = [feature.token_targets[name] for feature in features]
        batch[name] = _padded(rows, length, IGNORED_LABEL)
    return batch


def _sequences(features: Sequence[Feature], pad_id: int, length: int | None) -> Batch:
    """The sequences of features, [B, L]."""
    lengths = [len(feature.input_ids) for feature in features]
    length = length or max(lengths)
    return {
        "input_ids": _padded([f.input_ids for f in features], length, pad_id),
        "attention_mask": (np.arange(length) < np.array(lengths)[:, None]).astype(np.int32),
        "token_type_ids": _padded([f.token_type_ids for f in features], length, 0),
    }


def _windows(
    features: Sequence[Feature], pad_id: int, length: int | None, windows: int | None
) -> Batch:
    """The windows of features, [B, W, L]; those that a text does not have are all padding."""
    texts = [feature.windows() for feature in features]
    flat = _sequences([window for text in texts for window in text], pad_id, length)
    counts = np.array([len(text) for text in texts])
    has_window = np.arange(windows or counts.max()) < counts[:, None]
    batch = {}
    for name, rows in flat.items():
        padding = pad_id if name == "input_ids" else 0
        batch[name] = np.full((*has_window.shape, rows.shape[1]), padding, np.int32)
        batch[name][has_window] = rows
    return batch


def _padded(rows: Sequence[Sequence[int]], length: int, padding: int) -> np.ndarray:
    table = np.full((len(rows), length), padding, np.int32)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def _dtype(value: Any) -> type:
    return np.float32 if np.asarray(value).dtype.kind == "f" else np.int32


class _Plan:
    """The features of each step of training."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, window: int) -> None:
        self.lengths = np.array(lengths)
        self.batch_size, self.seed = batch_size, seed
        # No longer than an epoch, so that no batch has a feature twice.
        self.window = min(window, max(1, len(lengths) // batch_size))
        self._order = lru_cache(maxsize=2)(self._order_of_epoch)
        self._batches = lru_cache(maxsize=1)(self._batches_of_window)

    def rows(self, step: int) -> np.ndarray:
        """The numbers of the features of a step, [B]."""
        window, place = divmod(step, self.window)
        return self._batches(window)[place]

    def _batches_of_window(self, window: int) -> np.ndarray:
        count = self.window * self.batch_size
        # Row r of the endless stream is row r mod n of epoch r // n.
        stream = np.arange(window * count, (window + 1) * count)
        epochs, places = np.divmod(stream, len(self.lengths))
        rows = np.concatenate(
            [self._order(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        )
        if self.window == 1:
            return rows[None]
        # Stable, so that the shuffled order decides among equal lengths.
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        shuffled = Draws(self.seed, window, Purpose.BATCHES).permutation(self.window)
        return rows.reshape(self.window, self.batch_size)[shuffled]

    def _order_of_epoch(self, epoch: int) -> np.ndarray:
        return Draws(self.seed, epoch, Purpose.SHUFFLE).permutation(len(self.lengths))
