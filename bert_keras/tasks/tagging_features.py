"""Sentences of words as windows that the model reads."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.windows import best_windows, cut_windows, overlapping
from bert_keras.tokenization import Encoding, SequenceTemplate

Ranges = Sequence[tuple[int, int]]


class Origin(NamedTuple):
    """The parts that a feature answers for, and where their first pieces stand in it."""

    parts: np.ndarray
    positions: np.ndarray


def sentence_features(
    index: int,
    parts: Ranges,
    encoding: Encoding,
    template: SequenceTemplate,
    max_seq_length: int,
    targets: np.ndarray | None,
) -> list[Feature]:
    """The windows of one sentence.

    Args:
        index: The example's number.
        parts: The parts of its words, in characters of its text.
        encoding: That of its text, with the special tokens.
        template: The special tokens around it.
        max_seq_length: Longest sequence with the special tokens.
        targets: The numbers of the parts' tags, or None.
    """
    ids = template.inner(encoding.input_ids)
    pieces = _first_pieces(parts, template.inner(encoding.offsets))
    room = max_seq_length - template.overhead(1)
    stride = overlapping(room)
    windows = cut_windows(len(ids), room, stride)
    owners = best_windows(np.arange(len(ids)), len(ids), room, stride)
    with_piece = np.flatnonzero(pieces >= 0)
    window_of_part = owners[pieces[with_piece]]
    features = []
    for number, (start, end) in enumerate(windows):
        own = with_piece[window_of_part == number]
        input_ids, types = template.build(ids[start:end])
        positions = pieces[own] - start + len(template.prefix)
        token_targets: dict[str, Sequence[int]] = {}
        if targets is not None:
            labels = np.full(len(input_ids), IGNORED_LABEL, np.int32)
            labels[positions] = targets[own]
            token_targets["labels"] = labels.tolist()
        features.append(
            Feature(
                example=index,
                input_ids=input_ids,
                token_type_ids=types,
                token_targets=token_targets,
                lengths=(end - start,),
                tokens=len(ids) + encoding.left_out,
                left_out=encoding.left_out,
                origin=Origin(own, positions),
            )
        )
    return features


def _first_pieces(parts: Ranges, offsets: Ranges) -> np.ndarray:
    """The number of each part's first piece; -1 for one that has none of its own."""
    if not offsets:
        return np.full(len(parts), -1)
    # A piece belongs to the part in which it starts.
    starts = np.maximum.accumulate([start for start, _ in offsets])
    part_starts, part_ends = np.array(parts, np.int64).reshape(-1, 2).T
    pieces = np.searchsorted(starts, part_starts)
    found = starts[np.minimum(pieces, len(starts) - 1)]
    return np.where((pieces < len(starts)) & (found < part_ends), pieces, -1)
