"""Answers to questions, with their characters in the text."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.config.export import SavedModelConfig
from bert_keras.errors import InputError
from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, served
from bert_keras.export.long_texts import (
    Tokens,
    Windows,
    at_tokens,
    characters,
    cut_windows,
    ids_of,
    read_on_host,
    sequences,
    tokens_of,
    tokens_read,
)
from bert_keras.export.outputs import SPAN, SPAN_LOGITS, arrays_of
from bert_keras.export.sequences import most_of, within_limit
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import Span, predict, task_of
from bert_keras.tasks.span_ranking import AnsweredWindows, Ranked, ranked
from bert_keras.tasks.windows import best_windows


class _Read(NamedTuple):
    """The windows of a batch as the model answered them."""

    windows: Windows
    tokens: Tokens
    sizes: tf.Tensor  # the most tokens of a window, for each text
    before: tf.Tensor  # the places before the windows of each text
    start_logits: tf.Tensor
    end_logits: tf.Tensor


@served.register(Span)
class SpanAnswers(Answers):
    """The answer to a ``question`` from a ``context``; from ids the model's logits."""

    needs_offsets = True
    outputs = SPAN
    outputs_from_ids = SPAN_LOGITS

    @classmethod
    def text_inputs(cls, config: SavedModelConfig) -> tuple[str, ...]:
        """``context`` and ``question``."""
        if config.pair:
            raise InputError("such a model takes context and question anyway: leave pair out")
        return ("context", "question")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.task: Any = task_of(self.model, max_seq_length=self.config.max_length)

    def encode(self, *texts: tf.Tensor) -> Tensors:
        """The question and the context in one sequence; ``from_texts`` reads windows."""
        context, question = texts
        return super().encode(question, context)

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The best answers."""
        context, question = texts
        read = self._read(context, question)
        codes = tf.strings.unicode_decode(read.tokens.texts, "UTF-8")
        splits = tf.cast(codes.row_splits, tf.int32)
        threshold = self.task.no_answer_threshold
        best, none = ranked(
            self._answered(read), codes.values, splits,
            self.task.n_best, self.task.max_answer_length, threshold,
        )  # fmt: skip
        chosen = _chosen(best, none, threshold)
        rows = tf.range(tf.size(none))
        start, end = chosen["starts"], chosen["ends"]
        chosen["answers"] = characters(codes.values, splits, rows, start, end)
        return chosen

    def _read(self, context: tf.Tensor, question: tf.Tensor) -> _Read:
        """Run the model over the windows of the contexts, each after its question."""
        task, config = self.task, self.config
        template = self.tokenizer.template
        room = task.max_seq_length - template.overhead(2)
        questions = ids_of(self.graph_tokenizer, question, task.longest_question(template))
        sizes = room - questions[1]
        most = self._tokens_read(sizes)
        bound = room + (config.max_windows - 1) * task.doc_stride
        tokens = tokens_of(self.graph_tokenizer, context, most, bound)
        windows = cut_windows(tokens.lengths, sizes, task.doc_stride)
        batch = sequences(windows, tokens.ids, self.tokenizer, questions)
        outputs = self.from_ids(within_limit(batch, config.max_request_tokens))
        logits = (tf.cast(outputs[name], tf.float64) for name in ("start_logits", "end_logits"))
        return _Read(windows, tokens, sizes, template.second_start(questions[1]), *logits)

    def _tokens_read(self, sizes: tf.Tensor) -> tf.Tensor:
        return tokens_read(sizes, self.task.doc_stride, self.config.max_windows)

    def _answered(self, read: _Read) -> AnsweredWindows:
        """The windows with their answers and their tokens' characters."""
        windows, tokens = read.windows, read.tokens
        size = windows.end - windows.start
        place = tf.range(most_of(size))[None]
        token = windows.start[:, None] + place
        inside = place < size[:, None]

        def of_text(values: tf.Tensor) -> tf.Tensor:
            return tf.gather(values, windows.text)[:, None]

        best = best_windows(token, of_text(tokens.lengths), of_text(read.sizes),
                            self.task.doc_stride, tf)  # fmt: skip
        token = tf.where(inside, token, 0)
        return AnsweredWindows(
            windows.text,
            tf.gather(read.before, windows.text),
            size,
            read.start_logits,
            read.end_logits,
            inside & (best == windows.number[:, None]),
            at_tokens(tokens.starts, windows.text, token),
            at_tokens(tokens.ends, windows.text, token),
        )

    def host_batch(self, texts: Texts) -> Arrays:
        """The question first, as in ``encode``."""
        return super().host_batch([texts[1], texts[0]])

    def own_settings(self) -> dict[str, Any]:
        """The task's settings, and the most windows that are read."""
        task = self.task
        threshold = task.no_answer_threshold
        return {
            "max_windows": self.config.max_windows,
            "doc_stride": task.doc_stride,
            "max_question_length": task.max_question_length,
            "max_answer_length": task.max_answer_length,
            "no_answer_threshold": threshold if np.isfinite(threshold) else None,
        }

    def windows(self) -> tuple[int, int]:
        """The task's windows after an empty question, as many as the settings allow."""
        room = self.length - self.tokenizer.template.overhead(2)
        return min(self.task.doc_stride, room), self.config.max_windows

    def expected_from_ids(self, model: BertModel, texts: Texts) -> Arrays:
        """The model's own outputs."""
        outputs = model.forward(self.host_batch(texts))
        return {name: np.asarray(tf.cast(value, tf.float32)) for name, value in outputs.items()}

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of ``predict`` to the contexts as far as they are read."""
        contexts, questions = texts
        template = self.tokenizer.template
        longest = self.task.longest_question(template)
        room = self.task.max_seq_length - template.overhead(2)
        asked = self.tokenizer.encode_batch(list(questions))
        sizes = [room - min(longest, question.lengths[0]) for question in asked]
        most = self._tokens_read(tf.constant(sizes, tf.int32)).numpy().tolist()
        read = read_on_host(self.tokenizer, contexts, most)
        answers = predict(model, questions, read, max_seq_length=self.config.max_length)
        return arrays_of(SPAN, answers)


def _chosen(best: Ranked, none: tf.Tensor, threshold: float) -> Tensors:
    """The likeliest answer to each question, or no answer: characters and scores, [B]."""
    is_none = best.start == best.end
    count, last = tf.size(none), tf.size(best.text)  # behind the last: a place of zeros

    def first(of: tf.Tensor) -> tf.Tensor:
        """The place of the first of some answers to each question."""
        text = tf.where(of, best.text, -1)
        return tf.minimum(tf.math.unsorted_segment_min(tf.range(last), text, count), last)

    def at(places: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.concat([values, tf.zeros([1], values.dtype)], axis=0), places)

    place = first(~is_none)
    preference = none - at(place, best.score)
    if threshold < math.inf:
        place = tf.where(preference > threshold, first(is_none), place)
    highest = tf.math.unsorted_segment_max(best.score, best.text, count)
    powers = tf.exp(best.score - tf.gather(highest, best.text))
    sums = tf.math.unsorted_segment_sum(powers, best.text, count)
    return {
        "starts": at(place, best.start),
        "ends": at(place, best.end),
        "scores": tf.cast(at(place, powers / tf.gather(sums, best.text)), tf.float32),
        "no_answer_scores": tf.cast(preference, tf.float32),
    }
