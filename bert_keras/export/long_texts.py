"""Long texts as windows that the model reads, in the graph."""

import copy
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.export.windows import Windows
from bert_keras.tokenization import BertTokenizer
from bert_keras.tokenization.graph.charsmap import build_charsmap

Tensors = dict[str, tf.Tensor]


class Tokens(NamedTuple):
    """The tokens of B texts without the special ones.

    Attributes:
        ids: int32 [B, N], padded.
        lengths: How many there are of each text, int32 [B].
        starts: The first character of each in its text, int32 [B, N].
        ends: Behind its last character, int32 [B, N].
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


def with_length(graph_tokenizer: Any, max_length: int) -> Any:
    """The same tokenizer with another length; they share their tables."""
    other = copy.copy(graph_tokenizer)
    other.max_length = max_length
    return other


def well_formed(texts: tf.Tensor) -> tf.Tensor:
    """Texts whose ill-formed bytes are U+FFFD, as Python's ``errors="replace"`` has it."""
    model = np.frombuffer(build_charsmap({}, ill_formed="\ufffd"), np.uint8)
    normalized: tf.Tensor = tf_text.FastBertNormalizer(model_buffer=tf.constant(model)).normalize(
        texts
    )
    return normalized


def tokens_of(graph_tokenizer: Any, texts: tf.Tensor, most: int) -> Tokens:
    """The first ``most`` tokens of texts, string [B], and where they stand."""
    encoded = with_length(graph_tokenizer, most + 2).encode_with_offsets(texts)
    lengths = tf.reduce_sum(encoded["attention_mask"], axis=1) - 2
    inner = {name: value[:, 1:] for name, value in encoded.items()}
    return Tokens(inner["input_ids"], lengths, inner["character_starts"], inner["character_ends"])


def sequences(
    head: tf.Tensor, head_lengths: tf.Tensor, tokens: Tokens, windows: Windows,
    tokenizer: BertTokenizer,
) -> Tensors:  # fmt: skip
    """What the model reads: head, window, [SEP].

    Args:
        head: What stands before the windows of each text, int32 [B, P]; [CLS] at least.
        head_lengths: Its length for each text, int32 [B].
        tokens: The texts' tokens.
        windows: The windows over them, W.
        tokenizer: For the ids of the special tokens.

    Returns:
        ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [W, L], padded to the
        longest; what follows the head is of type 1 where the head is more than [CLS].
    """
    before = tf.gather(head_lengths, windows.text)[:, None]
    length = (windows.end - windows.start)[:, None]
    total = before + length + 1
    place = tf.range(tf.reduce_max(tf.concat([[1], total[:, 0]], axis=0)))[None]
    in_head, inside = place < before, (place >= before) & (place < before + length)
    head_ids = _at(head, windows.text, tf.minimum(place, tf.shape(head)[1] - 1))
    # A batch of empty texts has no column to read from.
    ids = tf.pad(tokens.ids, [[0, 0], [0, 1]])
    token = tf.where(inside, windows.start[:, None] + place - before, 0)
    window_ids = _at(ids, windows.text, token)
    last = tf.where(place == total - 1, tokenizer.sep_id, tokenizer.pad_id)
    real = place < total
    return {
        "input_ids": tf.where(in_head, head_ids, tf.where(inside, window_ids, last)),
        "attention_mask": tf.cast(real, tf.int32),
        "token_type_ids": tf.cast((before > 1) & ~in_head & real, tf.int32),
    }


def _at(table: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """``table[rows[w], columns[w, l]]``, [W, L]; the columns may be [1, L]."""
    rows = rows[:, None] + tf.zeros_like(columns)
    columns = columns + tf.zeros_like(rows)
    return tf.gather_nd(table, tf.stack([rows, columns], axis=-1))
