"""Long texts as windows that the model reads, in the graph."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.export.sequences import Tensors, at_least_one_column, numbers_in_rows
from bert_keras.tasks.windows import window_counts, window_ranges
from bert_keras.tokenization import Tokenizer

if TYPE_CHECKING:  # it needs tensorflow-text, which an export of ids does not
    from bert_keras.tokenization.graph import GraphTokenizer


class Windows(NamedTuple):
    """Windows over the tokens of B texts, W in all, text by text.

    Attributes:
        text: The number of the text of each window, int32 [W].
        number: Its number in its text, int32 [W].
        start: Its first token, int32 [W].
        end: The one after its last token, int32 [W].
    """

    text: tf.Tensor
    number: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor


def cut_windows(lengths: tf.Tensor, sizes: tf.Tensor, stride: int) -> Windows:
    """The windows of texts, by the rules of ``bert_keras.tasks.windows``.

    Args:
        lengths: The tokens of each text, int32 [B].
        sizes: The most tokens of a window of each text, int32 [B].
        stride: Tokens from one window to the next; no more than the size is taken.
    """
    counts = window_counts(lengths, sizes, stride, tf)
    text = tf.repeat(tf.range(tf.shape(lengths)[0]), counts)
    number = numbers_in_rows(text, counts)
    lengths, sizes = tf.gather(lengths, text), tf.gather(sizes, text)
    return Windows(text, number, *window_ranges(number, lengths, sizes, stride, tf))


def tokens_read(sizes: tf.Tensor, stride: int, most: int) -> tf.Tensor:
    """The tokens of each text that ``most`` windows hold together, int32 [B].

    The other arguments are those of ``cut_windows``.
    """
    return sizes + (most - 1) * tf.minimum(sizes, stride)


class Tokens(NamedTuple):
    """The tokens of B texts without the special ones.

    Attributes:
        texts: The texts as far as they are read, well-formed, string [B].
        ids: int32 [B, N]; those after a text's last one mean nothing.
        lengths: The number of each text's tokens, int32 [B].
        starts: The first character of each in its text, int32 [B, N].
        ends: The one after its last character, int32 [B, N].
    """

    texts: tf.Tensor
    ids: tf.Tensor
    lengths: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


def with_length(graph_tokenizer: "GraphTokenizer", max_length: int) -> "GraphTokenizer":
    """A tokenizer of another length that shares the given one's tables."""
    other = copy.copy(graph_tokenizer)
    other.max_length = max_length
    return other


def well_formed(texts: tf.Tensor) -> tf.Tensor:
    """Texts with U+FFFD for ill-formed bytes, as by Python's ``errors="replace"``."""
    # Imported here: an export of ids does not need tensorflow-text, which not every system has.
    import tensorflow_text as tf_text

    from bert_keras.tokenization.graph.charsmap import build_charsmap

    model = np.frombuffer(build_charsmap({}, ill_formed="\ufffd"), np.uint8)
    normalized: tf.Tensor = tf_text.FastBertNormalizer(model_buffer=tf.constant(model)).normalize(
        texts
    )
    return normalized


def tokens_of(
    graph_tokenizer: "GraphTokenizer", texts: tf.Tensor, most: tf.Tensor, bound: int
) -> Tokens:
    """The first tokens of texts and their characters.

    A longer text is read as if it ended after the last of them. A character of several tokens is
    read whole or not at all.

    Args:
        graph_tokenizer: The tokenizer; its length does not matter.
        texts: Any bytes, string [B].
        most: The most tokens of each, int32 [B].
        bound: The largest that ``most`` may be.
    """
    # One more than are read, which tells that a text is longer.
    template = graph_tokenizer.template
    overhead = template.overhead(1)
    tokenizer = with_length(graph_tokenizer, bound + overhead + 1)
    texts = well_formed(tokenizer.beginning(texts))
    encoded = tokenizer.encode_with_offsets(texts)
    found = tf.reduce_sum(encoded["attention_mask"], axis=1)[:, None] - overhead
    inner = {name: value[:, len(template.prefix) :] for name, value in encoded.items()}
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


def read_on_host(tokenizer: Tokenizer, texts: Sequence[str], most: Sequence[int]) -> list[str]:
    """The texts as far as ``tokens_of`` reads them, by the host's tokenizer."""
    read = []
    for text, bound, encoding in zip(texts, most, tokenizer.encode_batch(list(texts)), strict=True):
        offsets = tokenizer.template.inner(encoding.offsets)
        starts = [start for start, _ in offsets[1:]]
        may_end = [n for n, start in enumerate(starts, 1) if offsets[n - 1][1] <= start]
        length = max((n for n in may_end if n <= bound), default=0)
        end = max((end for _, end in offsets[:length]), default=0)
        read.append(text if len(offsets) <= bound else text[:end])
    return read


def ids_of(
    graph_tokenizer: "GraphTokenizer", texts: tf.Tensor, most: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The ids of the first ``most`` tokens of texts, and their number.

    Returns:
        int32 [B, N], where those after a text's last one mean nothing; int32 [B].
    """
    template = graph_tokenizer.template
    overhead = template.overhead(1)
    encoded = with_length(graph_tokenizer, most + overhead).encode(texts)
    lengths = tf.reduce_sum(encoded["attention_mask"], axis=1) - overhead
    return encoded["input_ids"][:, len(template.prefix) :], lengths


def sequences(
    windows: Windows,
    ids: tf.Tensor,
    tokenizer: Tokenizer,
    questions: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> Tensors:
    """Windows of texts as the model reads them, each after its text's question if there is one.

    Args:
        windows: The windows over the texts' tokens, W.
        ids: The ids of the texts' tokens, int32 [B, N].
        tokenizer: The tokenizer, for its special tokens.
        questions: The ids of the questions, int32 [B, P], and their lengths, int32 [B].

    Returns:
        ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [W, L], padded to the
        longest.
    """
    from bert_keras.tokenization.graph.template import place_texts  # as in ``well_formed``

    tables, lengths = [(ids, windows.start)], [windows.end - windows.start]
    if questions is not None:
        tables.insert(0, (questions[0], tf.zeros_like(windows.start)))
        lengths.insert(0, tf.gather(questions[1], windows.text))
    placed = place_texts(tokenizer.template, lengths, tokenizer.pad_id)
    input_ids = placed.special
    for (table, start), (inside, place) in zip(tables, placed.texts, strict=True):
        # A batch of empty texts has no column to read from.
        table = tf.pad(table, [[0, 0], [0, 1]])
        token = tf.where(inside, start[:, None] + place, 0)
        input_ids = tf.where(inside, at_tokens(table, windows.text, token), input_ids)
    return at_least_one_column(
        {
            "input_ids": input_ids,
            "attention_mask": placed.attention_mask,
            "token_type_ids": placed.token_type_ids,
        }
    )


def at_tokens(table: tf.Tensor, texts: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """The values of texts' tokens, ``table[texts[w], tokens[w, l]]``, [W, L].

    Args:
        table: A value for each token of each text, [B, N].
        texts: The numbers of the texts, int32 [W].
        tokens: The numbers of the tokens in them, int32 [W, L] or [1, L].
    """
    texts = texts[:, None] + tf.zeros_like(tokens)
    tokens = tokens + tf.zeros_like(texts)
    return tf.gather_nd(table, tf.stack([texts, tokens], axis=-1))


def characters(
    codes: tf.Tensor, splits: tf.Tensor, rows: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tf.Tensor:
    """Characters of texts, string [E].

    Args:
        codes: The code points of all texts, one after another, int32.
        splits: Where those of each text begin, int32 [B + 1].
        rows: The numbers of the texts, int32 [E].
        starts: The first character of each in its text, int32 [E].
        ends: The one after its last character, int32 [E].
    """
    base = tf.gather(splits, rows)
    ranges = tf.ragged.range(base + starts, base + ends)
    encoded: tf.Tensor = tf.strings.unicode_encode(tf.gather(codes, ranges), "UTF-8")
    return encoded
