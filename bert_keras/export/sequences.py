"""The checks of a graph before it computes: a bad request ends in one clear error.

A server batches the requests of several clients, so no text may be an error: only bad ids and
requests that are far too large are refused.
"""

from collections.abc import Sequence

import tensorflow as tf

from bert_keras.config import BertConfig

Tensors = dict[str, tf.Tensor]
NAMES = ("input_ids", "attention_mask", "token_type_ids")


def require(condition: tf.Tensor, *message: str | tf.Tensor) -> tf.Operation:
    """An operation that fails with the message unless the condition holds."""
    # The plain operation: tf.debugging.Assert builds a conditional around it, which costs more
    # than the message.
    return tf.raw_ops.Assert(condition=condition, data=[tf.convert_to_tensor(m) for m in message])


def checked_texts(texts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Texts that are vectors of one length."""
    ensured = [tf.raw_ops.EnsureShape(input=text, shape=[None]) for text in texts]
    sizes = [tf.shape(text)[0] for text in ensured]
    checks = [
        require(size == sizes[0], "both texts of every pair are needed. Received:", sizes[0], size)
        for size in sizes[1:]
    ]
    with tf.control_dependencies(checks):
        return [tf.identity(text) for text in ensured]


def checked_ids(batch: Tensors, config: BertConfig, max_length: int) -> Tensors:
    """A batch of ids that the model can read.

    The mask becomes 0 or 1, and a batch without a column gets one.
    """
    # Session::Run does not look at the shapes it is fed, so the graph must.
    batch = {n: tf.raw_ops.EnsureShape(input=batch[n], shape=[None, None]) for n in NAMES}
    ids, mask, types = (batch[name] for name in NAMES)
    shape = tf.shape(ids)
    alike = tf.reduce_all(tf.shape(mask) == shape) & tf.reduce_all(tf.shape(types) == shape)
    checks = [
        require(
            alike,
            "input_ids, attention_mask and token_type_ids must be of one shape. Received:",
            shape, tf.shape(mask), tf.shape(types),
        ),
        require(
            (shape[1] <= max_length) & ((shape[1] > 0) | (shape[0] == 0)),
            f"sequences must have 1 to {max_length} tokens. Received:", shape[1],
        ),
        _in_range("input_ids", ids, config.vocab_size),
        _in_range("token_type_ids", types, config.type_vocab_size),
    ]  # fmt: skip
    with tf.control_dependencies(checks):
        mask = tf.cast(mask != 0, tf.int32)
        return at_least_one_column({"input_ids": ids, "attention_mask": mask,
                                    "token_type_ids": types})  # fmt: skip


def numbers_in_rows(rows: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """The number of each value in its row, from 0, int32 [V].

    Args:
        rows: The row of each value, ascending, int32 [V].
        counts: The number of values of each row, int32 [B].
    """
    return tf.range(tf.size(rows)) - tf.gather(tf.cumsum(counts, exclusive=True), rows)


def most_of(counts: tf.Tensor) -> tf.Tensor:
    """The largest of some counts, 0 without any."""
    return tf.reduce_max(tf.concat([[0], counts], axis=0))


def at_least_one_column(batch: Tensors) -> Tensors:
    """The batch, with a column of padding where it has no column."""
    missing = tf.cast(tf.shape(batch["input_ids"])[1] < 1, tf.int32)
    return {name: tf.pad(tensor, [[0, 0], [0, missing]]) for name, tensor in batch.items()}


def within_limit(batch: Tensors, limit: int) -> Tensors:
    """The batch, or an error when it has more than ``limit`` tokens, padding included."""
    shape = tf.shape(batch["input_ids"])
    check = require(
        tf.cast(shape[0], tf.int64) * tf.cast(shape[1], tf.int64) <= limit,
        f"too much for one request: sequences times the tokens of the longest must not exceed "
        f"{limit}; send fewer at a time. Received: sequences and tokens", shape,
    )  # fmt: skip
    with tf.control_dependencies([check]):
        return {name: tf.identity(tensor) for name, tensor in batch.items()}


def _in_range(name: str, ids: tf.Tensor, end: int) -> tf.Operation:
    return require(
        tf.reduce_all((ids >= 0) & (ids < end)), f"{name} must lie in [0, {end}). Received:",
        tf.reduce_min(ids), "to", tf.reduce_max(ids),
    )  # fmt: skip
