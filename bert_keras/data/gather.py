"""From rows of the plan to the arrays a model reads."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bert_keras.data.pairs import PairPlan
from bert_keras.data.protocol import PretrainingCorpus

Int32 = npt.NDArray[np.int32]


class Examples(NamedTuple):
    """Whole texts, nothing masked yet.

    Attributes:
        input_ids: int32 [B, L], [CLS] A [SEP] B [SEP] and [PAD] to the end.
        token_type_ids: int32 [B, L], 1 on B and its [SEP], else 0.
        attention_mask: int32 [B, L], 1 up to the last [SEP], then 0.
        next_sentence_labels: int32 [B], 1 where B is a random text.
    """

    input_ids: Int32
    token_type_ids: Int32
    attention_mask: Int32
    next_sentence_labels: Int32


def gather_examples(rows: PairPlan, corpus: PretrainingCorpus, max_seq_length: int) -> Examples:
    """Reads the text of every row out of the corpus at once.

    Args:
        rows: B rows of a plan made for ``max_seq_length`` and this corpus.
        corpus: Where the tokens are.
        max_seq_length: L.
    """
    position = np.arange(max_seq_length)
    first_sep = rows.a_length[:, np.newaxis] + 1
    last_sep = first_sep + rows.b_length[:, np.newaxis] + 1
    in_b = position > first_sep
    is_text = position <= last_sep
    # A begins at position 1, B after the first [SEP]. Positions that are no text read something
    # ("clip": whatever is there) and are overwritten.
    source = position + np.where(
        in_b,
        rows.b_start[:, np.newaxis] - first_sep - 1,
        rows.a_start[:, np.newaxis] - 1,
    )
    input_ids = np.asarray(corpus.tokens).take(source, mode="clip").astype(np.int32)
    input_ids[~is_text] = corpus.pad_id
    input_ids[:, 0] = corpus.cls_id
    np.put_along_axis(input_ids, first_sep, corpus.sep_id, axis=1)
    np.put_along_axis(input_ids, last_sep, corpus.sep_id, axis=1)
    return Examples(
        input_ids,
        (in_b & is_text).astype(np.int32),
        is_text.astype(np.int32),
        rows.is_random.astype(np.int32),
    )
