"""Long texts as windows that the model reads, in the graph."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.export.windows import Windows
from bert_keras.tokenization import BertTokenizer

Tensors = dict[str, tf.Tensor]


class Tokens(NamedTuple):
    """The tokens of B texts without the special ones.

    Attributes:
        texts: The texts as far as they are read, well-formed, string [B].
        ids: int32 [B, N]; behind a text's last there may be any.
        lengths: How many there are of each text, int32 [B].
        starts: The first character of each in its text, int32 [B, N].
        ends: Behind its last character, int32 [B, N].
    """

    texts: tf.Tensor
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
    # Imported here: an export of ids needs no tensorflow-text, which there is not for every system.
    import tensorflow_text as tf_text

    from bert_keras.tokenization.graph.charsmap import build_charsmap

    model = np.frombuffer(build_charsmap({}, ill_formed="\ufffd"), np.uint8)
    normalized: tf.Tensor = tf_text.FastBertNormalizer(model_buffer=tf.constant(model)).normalize(
        texts
    )
    return normalized


def tokens_of(graph_tokenizer: Any, texts: tf.Tensor, most: tf.Tensor, bound: int) -> Tokens:
    """The first tokens of texts and where they stand.

    A text with more tokens is read as if it ended where the last of them does. Of a character whose
    parts are several tokens all are read or none, so that there is such a place.

    Args:
        graph_tokenizer: The tokenizer; its length is of no matter.
        texts: Any bytes, string [B].
        most: The most tokens of each, int32 [B].
        bound: No ``most`` is more.
    """
    # One more than are read, so that a longer text is seen to be longer.
    tokenizer = with_length(graph_tokenizer, bound + 3)
    texts = well_formed(tokenizer.beginning(texts))
    encoded = tokenizer.encode_with_offsets(texts)
    found = tf.reduce_sum(encoded["attention_mask"], axis=1)[:, None] - 2
    inner = {name: value[:, 1:] for name, value in encoded.items()}
    starts, ends = inner["character_starts"], inner["character_ends"]
    number = tf.range(1, tf.shape(starts)[1] + 1)[None]
    may_end = (number == found) | (ends <= tf.pad(starts[:, 1:], [[0, 0], [0, 1]]))
    may_end &= (number <= found) & (number <= most[:, None])
    lengths = tf.maximum(tf.reduce_max(tf.where(may_end, number, 0), axis=1), 0)
    read = tf.where(number <= lengths[:, None], inner["byte_ends"], 0)
    size = tf.maximum(tf.reduce_max(read, axis=1), 0)
    size = tf.where(lengths < found[:, 0], size, tf.strings.length(texts))
    texts = tf.strings.substr(texts, tf.zeros_like(size), size)
    return Tokens(texts, inner["input_ids"], lengths, starts, ends)


def read_on_host(tokenizer: BertTokenizer, texts: Sequence[str], most: Sequence[int]) -> list[str]:
    """Texts as far as ``tokens_of`` reads them, by the host's tokenizer."""
    parts = []
    for text, bound, encoding in zip(texts, most, tokenizer.encode_batch(list(texts)), strict=True):
        offsets = encoding.offsets[1:-1]
        starts = [start for start, _ in offsets[1:]]
        may_end = [n for n, start in enumerate(starts, 1) if offsets[n - 1][1] <= start]
        length = max((n for n in may_end if n <= bound), default=0)
        end = max((end for _, end in offsets[:length]), default=0)
        parts.append(text if len(offsets) <= bound else text[:end])
    return parts


def ids_of(graph_tokenizer: Any, texts: tf.Tensor, most: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The ids of the first ``most`` tokens of texts, and how many there are.

    Returns:
        int32 [B, N], behind a text's last any; int32 [B].
    """
    encoded = with_length(graph_tokenizer, most + 2).encode(texts)
    return encoded["input_ids"][:, 1:], tf.reduce_sum(encoded["attention_mask"], axis=1) - 2


def sequences(
    head: tf.Tensor, head_lengths: tf.Tensor, ids: tf.Tensor, windows: Windows,
    tokenizer: BertTokenizer,
) -> Tensors:  # fmt: skip
    """What the model reads: head, window, [SEP].

    Args:
        head: What stands before the windows of each text, int32 [B, P]; [CLS] at least.
        head_lengths: Its length for each text, int32 [B].
        ids: The ids of the texts' tokens, int32 [B, N].
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
    ids = tf.pad(ids, [[0, 0], [0, 1]])
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
