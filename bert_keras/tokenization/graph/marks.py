"""The order of combining marks that keep their place in a text after accents are taken off.

Decomposition (NFD) orders the marks behind a letter by their combining class (Unicode 15, section
3.11). Nearly all marks are then deleted as accents. A hundred are kept (spacing marks, and marks
newer than the ``tokenizers`` library's Unicode), and two of them can stand in the wrong order.
That is very rare, and the one thing that a table by code points cannot do.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.alphabet import END, SPECIAL_STAND_INS
from bert_keras.tokenization.graph.rules import composed_marks, kept_marks, mark_ranks

_KEY = 256  # more than there are combining classes


class MarkOrder:
    """The order of texts' kept marks, made as the normalizer of a casing makes it.

    Args:
        casing: How letters are normalized.
        dividing: Characters between which marks are put in order: stand-ins for tokens.

    Attributes:
        pattern: A regular expression for one character; texts without such need no order. Empty
            when no text does.
    """

    def __init__(
        self, casing: Casing, dividing: Iterable[str] = (*SPECIAL_STAND_INS.values(), END)
    ) -> None:
        ranks, composed = dict(mark_ranks(casing)), composed_marks(casing)
        for stand_in in dividing:
            ranks.pop(ord(stand_in), None)
        kept = "".join(map(chr, sorted({*kept_marks(casing), *composed})))
        self.pattern = f"[{kept}]" if kept else ""
        self._ranks = Table(ranks)
        self._numbers = Table({c: n for n, c in enumerate(composed)})
        parts = list(composed.values())
        self._part_counts = np.array([len(part) for part in parts], np.int32)
        self._parts = np.zeros((len(parts), max(map(len, parts), default=1)), np.int32)
        for row, part in zip(self._parts, parts, strict=True):
            row[: len(part)] = part

    def __call__(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
        """Texts with their marks in order, and without what is deleted before.

        Args:
            texts: Well-formed UTF-8, string [N].

        Returns:
            The texts, string [N], and for each of their characters the number, within its text,
            of the character whose place it has, int32 [N, (characters)]. The place counts, not
            the character: the library computes its offsets so too.
        """
        points = tf.strings.unicode_decode(texts, "UTF-8")
        rows = tf.cast(points.value_rowids(), tf.int32)
        numbers = tf.range(tf.size(rows)) - tf.gather(tf.cast(points.row_starts(), tf.int32), rows)
        stays = self._ranks.find(points.values, -1) != 0
        numbers = numbers[stays]
        values, sources, added = self._decomposed(points.values[stays])
        rows = tf.gather(rows[stays], sources)
        order = self._order(values, rows)
        # An added part counts as its neighbor before.
        places = tf.cumsum(1 - tf.cast(tf.gather(added, order), tf.int32)) - 1
        splits = tf.cumsum(tf.math.bincount(rows, minlength=tf.size(texts)))
        splits = tf.concat([[0], splits], axis=0)
        ordered = tf.RaggedTensor.from_row_splits(tf.gather(values, order), splits, validate=False)
        origins = ordered.with_values(tf.gather(numbers, places))
        return tf.strings.unicode_encode(ordered, "UTF-8"), origins

    def _order(self, values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The order of code points in which the marks of every run are in order, int32 [T]."""
        ranks = self._ranks.find(values, -1)
        begins = tf.concat([[True], rows[1:] != rows[:-1]], axis=0)[: tf.size(rows)]
        runs = tf.cumsum(tf.cast(begins | (ranks < 0), tf.int64))
        keys = runs * _KEY + tf.cast(tf.maximum(ranks, 0), tf.int64)
        # Equal marks stay in their order: no two keys are the same.
        count = tf.size(keys, out_type=tf.int64)
        return tf.argsort(keys * count + tf.range(count))

    def _decomposed(self, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Code points with composed ones taken apart; which each came from; whether it is added."""
        numbers = self._numbers.find(points, -1)
        counts = tf.where(numbers < 0, 1, tf.gather(self._part_counts, tf.maximum(numbers, 0)))
        sources = tf.repeat(tf.range(tf.size(points)), counts)
        part = tf.range(tf.size(sources)) - tf.gather(tf.cumsum(counts, exclusive=True), sources)
        numbers = tf.gather(numbers, sources)
        parts = tf.gather_nd(self._parts, tf.stack([tf.maximum(numbers, 0), part], axis=1))
        return tf.where(numbers < 0, tf.gather(points, sources), parts), sources, part > 0


class Table:
    """Values by code point, kept as runs of equal ones."""

    def __init__(self, values: Mapping[int, int]) -> None:
        runs: list[list[int]] = []
        for code, value in sorted(values.items()):
            if runs and runs[-1][1:] == [code - 1, value]:
                runs[-1][1] = code
            else:
                runs.append([code, code, value])
        self._firsts, self._lasts, self._values = np.array(runs, np.int32).reshape(-1, 3).T

    def find(self, codes: tf.Tensor, default: int) -> tf.Tensor:
        """The values at code points, int32; ``default`` where there is none."""
        place = tf.maximum(tf.searchsorted(self._firsts, codes, side="right") - 1, 0)
        inside = (tf.gather(self._firsts, place) <= codes) & (
            codes <= tf.gather(self._lasts, place)
        )
        return tf.where(inside, tf.gather(self._values, place), default)
