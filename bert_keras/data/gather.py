"""From rows of the plan to the arrays a model reads."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bert_keras.data.plan import ExamplePlan
from bert_keras.data.protocol import PretrainingCorpus

Int32 = npt.NDArray[np.int32]


class Examples(NamedTuple):
    """Whole texts, nothing masked yet.

    Attributes:
        input_ids: int32 [B, L], [CLS] A [SEP] B [SEP] and [PAD] to the end; without B, [CLS] A
            [SEP].
        token_type_ids: int32 [B, L], 1 on B and its [SEP], else 0.
        attention_mask: int32 [B, L], 1 up to the last [SEP], then 0.
        next_sentence_labels: int32 [B], the plan's ``label``.
    """

    input_ids: Int32
    token_type_ids: Int32
    attention_mask: Int32
    next_sentence_labels: Int32


def gather_examples(rows: ExamplePlan, corpus: PretrainingCorpus, max_seq_length: int) -> Examples:
    """Reads the text of every row out of the corpus at once.

    Args:
        rows: B rows of a plan made for ``max_seq_length`` and this corpus.
        corpus: Where the tokens are.
        max_seq_length: L.
    """
    position = np.arange(max_seq_length)
    first_sep, last_sep = _separators(rows)
    in_b = position > first_sep
    is_text = position <= last_sep
    input_ids = _read(corpus.tokens, rows, max_seq_length).astype(np.int32)
    input_ids[~is_text] = corpus.pad_id
    input_ids[:, 0] = corpus.cls_id
    np.put_along_axis(input_ids, first_sep, corpus.sep_id, axis=1)
    np.put_along_axis(input_ids, last_sep, corpus.sep_id, axis=1)
    return Examples(
        input_ids,
        (in_b & is_text).astype(np.int32),
        is_text.astype(np.int32),
        rows.label.astype(np.int32),
    )


def gather_word_starts(
    rows: ExamplePlan, corpus: PretrainingCorpus, input_ids: Int32
) -> npt.NDArray[np.bool_]:
    """Returns which tokens of the examples begin a word, bool [B, L]; means nothing off the text.

    Args:
        rows: The rows that ``input_ids`` were gathered from.
        corpus: Where the tokens are.
        input_ids: int32 [B, L].
    """
    if corpus.word_starts is None:
        return ~corpus.continues_word[input_ids]
    return _read(corpus.word_starts, rows, input_ids.shape[1])


def _separators(rows: ExamplePlan) -> tuple[Int32, Int32]:
    """Returns the positions of the first and the last [SEP], [B, 1]; without B there is but one."""
    first = rows.a_length[:, np.newaxis] + 1
    b_length = rows.b_length[:, np.newaxis]
    return first, first + np.where(b_length > 0, b_length + 1, 0)


def _read(values: npt.NDArray, rows: ExamplePlan, max_seq_length: int) -> npt.NDArray:
    """Reads ``values`` [T] where the texts of the rows are: [B, L].

    A begins at position 1, B after the first [SEP]. Positions that are no text read something
    ("clip": whatever is there).
    """
    position = np.arange(max_seq_length)
    first_sep, _ = _separators(rows)
    source = position + np.where(
        position > first_sep,
        rows.b_start[:, np.newaxis] - first_sep - 1,
        rows.a_start[:, np.newaxis] - 1,
    )
    return np.asarray(values).take(source, mode="clip")
