"""The way from rows of the plan to the arrays that a model reads."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bert_keras.data.plan import ExamplePlan, Sentences
from bert_keras.tokenization import SequenceTemplate

Int32 = npt.NDArray[np.int32]


class PretrainingCorpus(Sentences, Protocol):
    """Documents of sentences of ids; ``bert_keras.corpus.Corpus`` is one.

    Attributes:
        tokens: An integer array [T], all sentences one after another; may be memory-mapped.
        word_starts: bool [T], whether a token is the first of a word, where the corpus knows more
            than the tokenizer's ``starts_word`` says (Chinese words of several characters); else
            None.
    """

    @property
    def tokens(self) -> npt.NDArray[Any]: ...  # noqa: D102
    @property
    def word_starts(self) -> npt.NDArray[np.bool_] | None: ...  # noqa: D102


class Examples(NamedTuple):
    """Whole texts, nothing masked yet.

    Attributes:
        input_ids: int32 [B, L], A and B with the special tokens of the template and padding to the
            end; without B, A alone.
        token_type_ids: int32 [B, L], the template's; BERT's is 1 on B and its [SEP], else 0.
        attention_mask: int32 [B, L], 1 up to the last special token, then 0.
        next_sentence_labels: int32 [B], the plan's ``label``.
    """

    input_ids: Int32
    token_type_ids: Int32
    attention_mask: Int32
    next_sentence_labels: Int32


def gather_examples(rows: ExamplePlan, corpus: PretrainingCorpus, max_seq_length: int) -> Examples:
    """The text of every row, out of the corpus at once.

    Args:
        rows: B rows of a plan made for ``max_seq_length`` and this corpus.
        corpus: Where the tokens are.
        max_seq_length: L.
    """
    template = corpus.tokenizer.template
    position = np.arange(max_seq_length)
    a_end, b_start, text_end = _borders(rows, template)
    is_text = position < text_end + len(template.suffix)
    in_b = is_text & (position >= b_start) & (text_end > a_end)
    input_ids = _read(corpus.tokens, rows, template, max_seq_length).astype(np.int32)
    input_ids[:, : len(template.prefix)] = template.prefix
    # Without B the suffix is written over what belongs between the two, or padding is.
    for place, ids in ((a_end, template.between), (text_end, template.suffix)):
        for offset, number in enumerate(ids):
            at = np.minimum(place + offset, max_seq_length - 1)
            np.put_along_axis(input_ids, at, number, axis=1)
    input_ids[~is_text] = corpus.tokenizer.pad_id
    return Examples(
        input_ids,
        in_b.astype(np.int32) * template.second_type,
        is_text.astype(np.int32),
        rows.label.astype(np.int32),
    )


def gather_word_starts(
    rows: ExamplePlan, corpus: PretrainingCorpus, input_ids: Int32
) -> npt.NDArray[np.bool_]:
    """Tell of each token whether it begins a word, bool [B, L]; means nothing off the text.

    Args:
        rows: The rows that ``input_ids`` were gathered from.
        corpus: Where the tokens are.
        input_ids: int32 [B, L].
    """
    if corpus.word_starts is None:
        return corpus.tokenizer.starts_word[input_ids]
    return _read(corpus.word_starts, rows, corpus.tokenizer.template, input_ids.shape[1])


def _borders(rows: ExamplePlan, template: SequenceTemplate) -> tuple[Int32, Int32, Int32]:
    """The ends of A, the beginnings of B and the ends of the texts, int32 [B, 1] each.

    Without B the text ends with A.
    """
    a_end = len(template.prefix) + rows.a_length[:, np.newaxis]
    b_start = a_end + len(template.between)
    b_length = rows.b_length[:, np.newaxis]
    return a_end, b_start, np.where(b_length > 0, b_start + b_length, a_end)


def _read(
    values: npt.NDArray, rows: ExamplePlan, template: SequenceTemplate, max_seq_length: int
) -> npt.NDArray:
    """The ``values`` [T] where the texts of the rows are: [B, L].

    Positions that are no text read something ("clip": whatever is there).
    """
    position = np.arange(max_seq_length)
    _, b_start, _ = _borders(rows, template)
    source = position + np.where(
        position >= b_start,
        rows.b_start[:, np.newaxis] - b_start,
        rows.a_start[:, np.newaxis] - len(template.prefix),
    )
    return np.asarray(values).take(source, mode="clip")
