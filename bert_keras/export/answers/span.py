"""Answers to questions, with their characters in the text."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.config.export import SavedModelConfig
from bert_keras.errors import InputError
from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, served
from bert_keras.export.answers.characters import characters
from bert_keras.export.answers.span_choice import Candidates, choose
from bert_keras.export.long_texts import Tokens, ids_of, read_on_host, sequences, tokens_of
from bert_keras.export.outputs import SPAN, SPAN_LOGITS, arrays_of
from bert_keras.export.sequences import within_limit
from bert_keras.export.windows import Windows, best_windows, cut_windows, tokens_read
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import Span, predict, task_of


class _Read(NamedTuple):
    """The windows of a batch as the model answered them."""

    windows: Windows
    tokens: Tokens
    before: tf.Tensor  # the places before the windows of each text
    starts: tf.Tensor
    ends: tf.Tensor


@served.register(Span)
class SpanAnswers(Answers):
    """The answer to a ``question`` from a ``context``; from ids the model's logits."""

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
        """The question and the context, the longer cut; ``from_texts`` cuts windows."""
        context, question = texts
        return super().encode(question, context)

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The best answers."""
        context, question = texts
        read = self._read(context, question)
        codes = tf.strings.unicode_decode(read.tokens.texts, "UTF-8")
        splits = tf.cast(codes.row_splits, tf.int32)
        candidates = self._candidates(read, splits)
        count = tf.shape(context)[0]
        sums = (read.starts[:, :1] + read.ends[:, :1])[:, 0]
        none = tf.math.unsorted_segment_min(sums, read.windows.text, count)
        chosen = choose(
            candidates, none, codes.values, self.task.n_best, self.task.no_answer_threshold
        )
        rows = tf.range(count)
        start, end = chosen["starts"], chosen["ends"]
        chosen["answers"] = characters(codes.values, splits, rows, start, end)
        return chosen

    def _read(self, context: tf.Tensor, question: tf.Tensor) -> _Read:
        """Runs the model over the windows of the contexts, each behind its question."""
        task, config = self.task, self.config
        template = self.tokenizer.template
        room = task.max_seq_length - template.overhead(2)
        questions = ids_of(self.graph_tokenizer, question, task.longest_question(template))
        sizes = room - questions[1]
        most = self._tokens_read(sizes)
        bound = room + (config.max_windows - 1) * task.doc_stride
        tokens = tokens_of(self.graph_tokenizer, context, most, bound)
        windows = cut_windows(tokens.lengths, sizes, task.doc_stride, config.max_windows)
        batch = sequences(windows, tokens.ids, self.tokenizer, questions)
        outputs = self.from_ids(within_limit(batch, config.max_request_tokens))
        # float64, since the host adds the two so.
        starts, ends = (
            tf.cast(outputs[name], tf.float64) for name in ("start_logits", "end_logits")
        )
        return _Read(windows, tokens, template.second_start(questions[1]), starts, ends)

    def _tokens_read(self, sizes: tf.Tensor) -> tf.Tensor:
        return tokens_read(sizes, self.task.doc_stride, self.config.max_windows)

    def _candidates(self, read: _Read, splits: tf.Tensor) -> Candidates:
        """The pairs of likely starts and ends of each window that can be an answer."""
        windows, n_best = read.windows, self.task.n_best
        before = tf.gather(read.before, windows.text)[:, None]
        size = (windows.end - windows.start)[:, None]

        def likeliest(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            missing = tf.maximum(n_best - tf.shape(logits)[1], 0)
            padded = tf.pad(logits, [[0, 0], [0, missing]], constant_values=-np.inf)
            values, places = tf.math.top_k(padded, n_best)
            return values, places - before

        start_values, firsts = likeliest(read.starts)
        end_values, lasts = likeliest(read.ends)
        is_best = best_windows(windows, tf.shape(read.tokens.ids)[1])
        is_best = tf.pad(is_best, [[0, 0], [0, 1]])
        place = tf.clip_by_value(firsts, 0, tf.shape(is_best)[1] - 1)
        is_best = tf.gather(is_best, place, batch_dims=1)
        may_start = (firsts >= 0) & (firsts < size) & is_best
        may_end = (lasts >= 0) & (lasts < size)
        length = lasts[:, None, :] - firsts[:, :, None]
        can_be = may_start[:, :, None] & may_end[:, None, :]
        can_be &= (length >= 0) & (length < self.task.max_answer_length)
        found = tf.cast(tf.where(can_be), tf.int32)
        window = found[:, 0]
        text = tf.gather(windows.text, window)
        shift = tf.gather(windows.start, window)
        scores = start_values[:, :, None] + end_values[:, None, :]
        first = tf.gather_nd(firsts, found[:, :2]) + shift
        last = tf.gather_nd(lasts, tf.gather(found, [0, 2], axis=1)) + shift
        return Candidates(
            text,
            tf.gather_nd(scores, found),
            tf.gather_nd(read.tokens.starts, tf.stack([text, first], axis=1)),
            tf.gather_nd(read.tokens.ends, tf.stack([text, last], axis=1)),
            tf.gather(splits, text),
        )

    def host_batch(self, texts: Texts) -> Arrays:
        """As ``encode``: the question first."""
        return super().host_batch([texts[1], texts[0]])

    def own_settings(self) -> dict[str, Any]:
        """The task's settings, and how much of a long text is read."""
        task = self.task
        threshold = task.no_answer_threshold
        return {
            "max_windows": self.config.max_windows,
            "doc_stride": task.doc_stride,
            "max_question_length": task.max_question_length,
            "max_answer_length": task.max_answer_length,
            "no_answer_threshold": threshold if np.isfinite(threshold) else None,
        }

    def most_read(self) -> int:
        """Those of all windows, which overlap, behind a question of no length."""
        room = super().most_read() - self.tokenizer.template.overhead(2)
        stride = min(self.task.doc_stride, room)
        return super().most_read() + (self.config.max_windows - 1) * stride

    def row_tokens(self) -> int:
        """All windows of a text."""
        return super().row_tokens() * self.config.max_windows

    def comparison_length(self) -> int:
        """Several windows."""
        return super().comparison_length() * 2

    def expected_from_ids(self, model: BertModel, texts: Texts) -> Arrays:
        """The model's own outputs."""
        outputs = model.forward(self.host_batch(texts))
        return {name: np.asarray(tf.cast(value, tf.float32)) for name, value in outputs.items()}

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of ``predict`` in what is read of the contexts."""
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
