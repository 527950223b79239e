"""The likeliest words for each [MASK] (Devlin et al. 2019, section 3.1, task 1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.export.answers.base import Answers, Arrays, Tensors, Texts, served
from bert_keras.export.outputs import CANDIDATES
from bert_keras.export.sequences import most_of, numbers_in_rows
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import MaskedLM, fill_mask

# Masked positions that are scored at a time: a row of the vocabulary each is much memory.
_ROWS_AT_A_TIME = 256


@served.register(MaskedLM)
class MaskedLMAnswers(Answers):
    """The likeliest word pieces for each [MASK], likeliest first."""

    outputs = CANDIDATES

    def from_ids(self, batch: Tensors) -> Tensors:
        """The candidates at every [MASK] that is not padding."""
        ids, real = batch["input_ids"], batch["attention_mask"]
        is_mask = (ids == self.tokenizer.mask_id) & (real > 0)
        places = tf.cast(tf.where(is_mask), tf.int32)
        counts = tf.reduce_sum(tf.cast(is_mask, tf.int32), axis=1)
        encoder = self.model.encoder
        tokens, layout, _ = encoder.encode(batch)
        rows = layout.rows(tf.tile(tf.range(tf.shape(ids)[1])[None], [tf.shape(ids)[0], 1]))
        masked = tf.gather(tokens, tf.gather_nd(rows, places))
        scores, pieces = self._best(masked)
        words = tf.gather(tf.constant(self.tokenizer.vocab), pieces)
        # Row m of the result is the m-th [MASK] of its text.
        cells = tf.stack([places[:, 0], numbers_in_rows(places[:, 0], counts)], axis=1)
        shape = [tf.shape(ids)[0], most_of(counts)]
        empty = tf.fill([*shape, pieces.shape[1]], "")
        return {
            "tokens": tf.tensor_scatter_nd_update(empty, cells, words),
            "scores": tf.scatter_nd(cells, scores, [*shape, pieces.shape[1]]),
            "positions": tf.scatter_nd(cells, places[:, 1] + 1, shape) - 1,
        }

    def _best(self, masked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The probabilities and numbers [M, K] of the likeliest pieces at the positions [M, H]."""
        top = min(self.config.top, self.tokenizer.vocab_size)

        def score(start: tf.Tensor, found: Any, pieces: Any, number: tf.Tensor) -> tuple:
            some = masked[start : start + _ROWS_AT_A_TIME]
            table = self.model.encoder.embeddings.word_embeddings
            logits = tf.cast(self.model.masked_lm_head(some, table), tf.float32)
            # A model may have rows for more word pieces than its vocabulary names.
            values, indices = tf.math.top_k(
                tf.nn.softmax(logits[:, : self.tokenizer.vocab_size]), top
            )
            found, pieces = found.write(number, values), pieces.write(number, indices)
            return start + _ROWS_AT_A_TIME, found, pieces, number + 1

        arrays = (
            tf.TensorArray(dtype, 0, True, infer_shape=False, element_shape=[None, top])
            for dtype in (tf.float32, tf.int32)
        )
        _, found, pieces, _ = tf.while_loop(
            # Once even without any, since no array can be joined of nothing.
            lambda start, found, pieces, number: (start < tf.shape(masked)[0]) | (number < 1),
            score,
            (tf.constant(0), *arrays, tf.constant(0)),
            parallel_iterations=1,
        )
        return tf.reshape(found.concat(), [-1, top]), tf.reshape(pieces.concat(), [-1, top])

    def columns(self, texts: Sequence[str]) -> list[list[str]]:
        """The texts with a word or two masked, where they are short enough to be filled."""
        most = self.length - 4
        mask = self.tokenizer.vocab[self.tokenizer.mask_id]
        return [[_masked(t, mask) if len(self.tokenizer.encode(t).input_ids) <= most else t
                 for t in texts]]  # fmt: skip

    def own_settings(self) -> dict[str, Any]:
        """The number of candidates."""
        return {"top": self.config.top}

    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of ``fill_mask``."""
        mask_id = self.tokenizer.mask_id
        top = min(self.config.top, self.tokenizer.vocab_size)
        batch = self.host_batch(texts)
        is_mask = batch["input_ids"] == mask_id
        most = int(is_mask.sum(axis=1).max(initial=0))
        answers = {
            "tokens": np.full((len(is_mask), most, top), "", object),
            "scores": np.zeros((len(is_mask), most, top)),
            "positions": np.full((len(is_mask), most), -1),
        }
        for row, (text, places) in enumerate(zip(texts[0], is_mask, strict=True)):
            positions = np.flatnonzero(places)
            masks = fill_mask(model, text, top, self.tokenizer) if len(positions) else []
            for number, candidates in enumerate(masks):
                answers["tokens"][row, number] = [c.token for c in candidates]
                answers["scores"][row, number] = [c.score for c in candidates]
            answers["positions"][row, : len(positions)] = positions
        return answers

    def is_other(self, name: str, given: Arrays, expected: Arrays, tolerance: float) -> np.ndarray:
        """Tell where another token stands that is not as likely, by the tolerance.

        Far down a long list neighbors are nearer to each other than rounding is small, so what
        counts is whether each token is as likely as Keras finds it. The logarithms are compared,
        as logits would be: among a thousand candidates most probabilities are below the tolerance.
        """
        other = super().is_other(name, given, expected, tolerance)
        if name != "tokens":
            return other
        for row, number in np.argwhere(other.any(axis=-1)):
            tokens, scores = (expected[key][row, number] for key in ("tokens", "scores"))
            logs = _logs(scores)
            log_of = dict(zip(tokens, logs, strict=True))
            # What Keras leaves out is at most as likely as its last.
            found = np.array([log_of.get(token, logs[-1]) for token in given[name][row, number]])
            differences = np.abs(_logs(given["scores"][row, number]) - found)
            other[row, number] &= differences > tolerance * np.maximum(np.abs(found), 1.0)
        return other


def _logs(probabilities: np.ndarray) -> np.ndarray:
    tiny = np.finfo(np.float32).tiny
    return np.log(np.maximum(probabilities.astype(np.float64), tiny))


def _masked(text: str, mask: str) -> str:
    """The text with its second word and its last but one masked."""
    words = text.split()
    for place in {1, len(words) - 2}:
        if 0 < place < len(words):
            words[place] = mask
    return " ".join(words)
