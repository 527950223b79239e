"""Entities with their characters in the text, from the tags of its words."""

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax
from seqeval.metrics.sequence_labeling import end_of_chunk, start_of_chunk

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, repeated, served
from bert_keras.export.long_texts import (
    Tokens,
    characters,
    cut_windows,
    read_on_host,
    sequences,
    tokens_of,
)
from bert_keras.export.outputs import CLASSES, ENTITIES, TOKEN_PROBABILITIES
from bert_keras.export.sequences import most_of, numbers_in_rows, within_limit
from bert_keras.export.words import Words, split_words
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import Tagging, predict, task_of
from bert_keras.tasks.schemes import OUTSIDE, Scheme, type_of
from bert_keras.tasks.windows import best_windows, overlapping, window_counts, window_ranges


@served.register(Tagging)
class TaggingAnswers(Answers):
    """Entities of texts, in the characters of the text that was sent.

    With tags that mark no entities, each word of the text is in the place of one.
    """

    needs_offsets = True
    outputs = ENTITIES
    outputs_from_ids = (TOKEN_PROBABILITIES, CLASSES)

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme of the model's labels."""
        scheme: Scheme = task_of(self.model).scheme  # type: ignore[attr-defined]
        return scheme

    @cached_property
    def _tags_known(self) -> list[str]:
        """The tags by their numbers: the model's labels, O, and those that continue an entity."""
        labels = list(self.model.labels)
        inside = (self.scheme.inside(left, tag) for left in labels for tag in labels)
        return [*labels, *dict.fromkeys(tag for tag in (OUTSIDE, *inside) if tag not in labels)]

    def from_ids(self, batch: Tensors) -> Tensors:
        """The probabilities of each token's tags."""
        logits = tf.cast(self.model(batch, training=False)["logits"], tf.float32)
        return {
            "probabilities": tf.nn.softmax(self.model.decision.scaled(logits)),
            "classes": repeated(self.model.labels, logits),
        }

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The entities, or the words with their labels where tags mark no entities."""
        count = tf.shape(texts[0])[0]
        most = self._most_tokens()
        tokens = tokens_of(self.graph_tokenizer, texts[0], tf.fill([count], most), most)
        codes = tf.strings.unicode_decode(tokens.texts, "UTF-8")
        words = split_words(codes)
        tags, scores = self._tags(tokens, words)
        has_piece = tags >= 0
        tags = self._filled(tags, words.text)
        if self.scheme.has_entities:
            rows, first, last = self._entities(tags, words.text)
            names = [type_of(self.scheme.standard(tag)) for tag in self._tags_known]
        else:
            rows, names = words.text, self._tags_known
            first = last = tf.range(tf.shape(rows)[0])
        sums = tf.concat([[0.0], tf.cumsum(tf.where(has_piece, scores, 0.0))], axis=0)
        sizes = tf.concat([[0], tf.cumsum(tf.cast(has_piece, tf.int32))], axis=0)
        size = tf.cast(tf.gather(sizes, last + 1) - tf.gather(sizes, first), tf.float64)
        size = tf.maximum(size, 1.0)
        score = (tf.gather(sums, last + 1) - tf.gather(sums, first)) / size
        start, end = tf.gather(words.start, first), tf.gather(words.end, last)
        return _table(
            rows,
            count,
            {
                "labels": (tf.gather(tf.constant(names), tf.gather(tags, last)), ""),
                "texts": (characters(codes.values, words.splits, rows, start, end), ""),
                "starts": (start, -1),
                "ends": (end, -1),
                "scores": (tf.cast(score, tf.float32), 0.0),
            },
        )

    def windows(self) -> tuple[int, int]:
        """The windows of ``predict``, as many as the settings allow."""
        return overlapping(self.room), self.config.max_windows

    def _most_tokens(self) -> int:
        return self.most_read() - self.tokenizer.template.overhead(1)

    def _tags(self, tokens: Tokens, words: Words) -> tuple[tf.Tensor, tf.Tensor]:
        """The number and the probability of each word's tag, int32 and float64 [D]; -1 for none."""
        room = self.room
        sizes = tf.fill(tf.shape(tokens.lengths), room)
        windows = cut_windows(tokens.lengths, sizes, overlapping(room))
        batch = sequences(windows, tokens.ids, self.tokenizer)
        batch = within_limit(batch, self.config.max_request_tokens)
        logits = tf.cast(self.model(batch, training=False)["logits"], tf.float64)
        own = _own_cells(tokens, room, len(self.tokenizer.template.prefix), tf.shape(logits)[1])
        piece = _first_pieces(tokens, words)  # among the tokens of all texts, width each
        found = piece >= 0
        cell = tf.gather(own, tf.maximum(piece, 0))
        flat = tf.reshape(logits, [-1, logits.shape[-1]])
        flat = tf.concat(
            [flat, tf.zeros_like(flat[:1]), tf.zeros([1, flat.shape[1]], flat.dtype)], 0
        )
        probabilities = tf.nn.softmax(self.model.decision.scaled(tf.gather(flat, cell)))
        best = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        return tf.where(found, best, -1), tf.reduce_max(probabilities, axis=-1)

    def _filled(self, tags: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The tags, words without a piece included: inside the entity around them, or outside."""
        known = self._tags_known
        outside = known.index(OUTSIDE)
        inside = np.array(
            [[known.index(self.scheme.inside(left, tag)) for tag in known] for left in known],
            np.int32,
        )
        real = tags >= 0
        count = tf.cumsum(tf.cast(real, tf.int32))
        given = tf.boolean_mask(tf.stack([tags, rows], axis=1), real)
        given = tf.concat([[[outside, -1]], given, [[outside, -1]]], axis=0)
        before, after = tf.gather(given, count), tf.gather(given, count + tf.cast(~real, tf.int32))
        left = tf.where(before[:, 1] == rows, before[:, 0], outside)
        right = tf.where(after[:, 1] == rows, after[:, 0], outside)
        fill = tf.gather_nd(tf.constant(inside), tf.stack([left, right], axis=1))
        return tf.where(real, tags, fill)

    def _entities(self, tags: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The text, the first and the last word of each entity, int32 [E]."""
        starts, ends = _chunk_tables([self.scheme.standard(tag) for tag in self._tags_known])
        border = len(starts) - 1
        before = tf.where(_shifted(rows, 1) == rows, _shifted(tags, 1), border)
        after = tf.where(_shifted(rows, -1) == rows, _shifted(tags, -1), border)
        begins = tf.gather_nd(tf.constant(starts), tf.stack([before, tags], axis=1))
        is_last = tf.gather_nd(tf.constant(ends), tf.stack([tags, after], axis=1))
        last = tf.cast(tf.reshape(tf.where(is_last), [-1]), tf.int32)
        begun = tf.cast(tf.reshape(tf.where(begins), [-1]), tf.int32)
        number = tf.gather(tf.cumsum(tf.cast(begins, tf.int32)), last) - 1
        return tf.gather(rows, last), tf.gather(begun, number), last

    def own_settings(self) -> dict[str, Any]:
        """The most windows that are read."""
        return {"max_windows": self.config.max_windows}

    def expected_from_ids(self, model: BertModel, texts: Texts) -> Arrays:
        """The softmax of the model's own outputs, at its temperature."""
        logits = np.asarray(model.forward(self.host_batch(texts))["logits"], np.float64)
        return {
            "probabilities": softmax(model.decision.scaled(logits), axis=-1),
            "classes": np.tile(np.array(self.model.labels, object), (len(logits), 1)),
        }

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The entities, or words, that ``predict`` finds in the texts as far as they are read."""
        most = [self._most_tokens()] * len(texts[0])
        read = read_on_host(self.tokenizer, texts[0], most)
        answers = predict(model, read, max_seq_length=self.config.max_length)
        rows = [
            answer["entities"] if "entities" in answer else _by_word(answer) for answer in answers
        ]
        width = max(map(len, rows), default=0)

        def column(key: str, empty: Any, dtype: type) -> np.ndarray:
            values = [[e[key] for e in row] + [empty] * (width - len(row)) for row in rows]
            return np.array(values, dtype).reshape(len(rows), width)

        return {
            "labels": column("label", "", object),
            "texts": column("text", "", object),
            "starts": column("start", -1, int),
            "ends": column("end", -1, int),
            "scores": column("score", 0.0, float),
            "counts": np.array([len(row) for row in rows]),
        }


def _by_word(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The words of an answer in the form of entities."""
    names = {"label": "tags", "text": "words", "start": "starts", "end": "ends", "score": "scores"}
    columns = [answer[name] for name in names.values()]
    return [dict(zip(names, word, strict=True)) for word in zip(*columns, strict=True)]


def _chunk_tables(tags: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Tables of where entities begin and end, by seqeval's rules.

    Args:
        tags: The tags by their numbers, in the form that its default mode reads.

    Returns:
        ``starts[left, tag]`` and ``ends[tag, right]``; the last number is the text's border.
    """
    known = [(tag[0], type_of(tag)) for tag in tags]
    lefts, rights = [*known, ("O", "")], [*known, ("O", "_")]
    tables = [
        np.array([[rule(a[0], b[0], a[1], b[1]) for b in rights] for a in lefts])
        for rule in (start_of_chunk, end_of_chunk)
    ]
    return tables[0], tables[1]


def _own_cells(tokens: Tokens, room: int, first: int, length: tf.Tensor) -> tf.Tensor:
    """The place where each token is answered, of W x L, int32 [B * N + 1].

    Args:
        tokens: The tokens of the texts.
        room: The most tokens of a window.
        first: The place of a window's first token in its sequence.
        length: L, the places of each sequence.
    """
    stride, lengths = overlapping(room), tokens.lengths[:, None]
    place = tf.range(tf.shape(tokens.ids)[1])[None]
    number = best_windows(place, lengths, room, stride, tf)
    start, _ = window_ranges(number, lengths, room, stride, tf)
    windows_before = tf.cumsum(window_counts(lengths, room, stride, tf), exclusive=True)
    cells = (windows_before + number) * length + place - start + first
    return tf.concat([tf.reshape(cells, [-1]), [0]], axis=0)  # something to gather from


def _first_pieces(tokens: Tokens, words: Words) -> tf.Tensor:
    """The first piece of each word among the tokens of all texts, int32 [D]; -1 for none."""
    width = tf.shape(tokens.ids)[1]
    real = tf.range(width)[None] < tokens.lengths[:, None]
    # A piece belongs to the word in which it starts.
    character = tf.where(real, words.splits[:-1, None] + tokens.starts, 0)
    owners = tf.concat([words.word_of_character, [-1]], axis=0)
    word = tf.reshape(tf.where(real, tf.gather(owners, character), -1), [-1])
    count = tf.shape(words.start)[0]
    numbers = tf.range(tf.shape(word)[0])
    first = tf.math.unsorted_segment_min(numbers, word, count)
    return tf.where(first < tf.shape(word)[0], first, -1)


def _shifted(values: tf.Tensor, by: int) -> tf.Tensor:
    """The values one place earlier (1) or later (-1), -1 at the border."""
    edge = tf.constant([-1], values.dtype)
    return tf.concat([edge, values[:-1]] if by > 0 else [values[1:], edge], axis=0)


def _table(rows: tf.Tensor, count: tf.Tensor, columns: dict[str, tuple[tf.Tensor, Any]]) -> Tensors:
    """Tables [count, most of a row] of values [E] by row, padded; and their ``counts``."""
    counts = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, count)
    shape = [count, most_of(counts)]
    cells = tf.stack([rows, numbers_in_rows(rows, counts)], axis=1)
    tables = {
        name: tf.tensor_scatter_nd_update(tf.fill(shape, tf.cast(empty, values.dtype) if
              values.dtype != tf.string else tf.constant(empty)), cells, values)
        for name, (values, empty) in columns.items()
    }  # fmt: skip
    return tables | {"counts": counts}
