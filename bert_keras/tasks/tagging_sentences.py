"""A tagged sentence: its windows for the model, and its answer from the tags of its parts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from bert_keras.modeling import Decision
from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.answering import Mistake, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TaggedExample
from bert_keras.tasks.schemes import OUTSIDE, UNNAMED, Scheme, Span
from bert_keras.tasks.task import Prediction
from bert_keras.tasks.windows import best_windows, cut_windows, overlapping
from bert_keras.tokenization import Encoding, SequenceTemplate

Ranges = Sequence[tuple[int, int]]

_SHOWN_AROUND = 5  # words on either side of a mistake


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


def part_labels(
    examples: Sequence[TaggedExample],
    features: Sequence[Feature],
    outputs: Sequence[Outputs],
    decision: Decision,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The likeliest label of each part of the words, and its probability, for each sentence.

    The label of a part without a piece is -1, and its probability 0.
    """
    counts = [sum(map(len, example.parts)) for example in examples]
    best = [np.full(count, -1) for count in counts]
    scores = [np.zeros(count) for count in counts]
    for feature, output in zip(features, outputs, strict=True):
        parts, positions = feature.origin
        logits = output["logits"][positions].astype(np.float64)
        rows = softmax(decision.scaled(logits), axis=-1)
        best[feature.example][parts] = rows.argmax(axis=-1)
        scores[feature.example][parts] = rows.max(axis=-1)
    return best, scores


def sentence_answer(
    example: TaggedExample, scheme: Scheme, tags: Sequence[str | None], scores: np.ndarray
) -> Prediction:
    """The answer for one sentence.

    Args:
        example: The sentence.
        scheme: The scheme of the tags.
        tags: A tag for each part of its words, one after another; None where no piece was its own.
        scores: Their probabilities.
    """
    parts = example.parts
    filled = _filled(tags, scheme)
    spans = scheme.spans(filled)
    answer: Prediction = {}
    if scheme.has_entities:
        has_piece = np.array([tag is not None for tag in tags], bool)
        ranges = [part for word in parts for part in word]
        answer["entities"] = [
            _entity(example.text, span, ranges, scores, has_piece) for span in spans
        ]
    counts = np.array([len(word) for word in parts], int)
    sums = np.add.reduceat(scores, np.cumsum(counts) - counts) if len(counts) else scores
    return answer | {
        "words": list(example.words),
        "tags": _word_tags(parts, scheme, filled, spans),
        "starts": list(example.starts),
        "ends": [s + len(word) for s, word in zip(example.starts, example.words, strict=True)],
        "scores": (sums / counts).tolist(),
    }


def shown_answer(answer: Prediction) -> str:
    """An answer as a line: its entities, or its words with their tags."""
    if "entities" in answer:
        return ", ".join(
            e["text"] + (f" ({e['label']} {e['score']:.2f})" if e["label"] != UNNAMED else "")
            for e in answer["entities"]
        )
    return " ".join("/".join(pair) for pair in zip(answer["words"], answer["tags"], strict=True))


def surest_mistake(words: Sequence[str], tags: Sequence[str], answer: Prediction) -> Mistake | None:
    """The wrong tag of an answer that the model was surest of, with the words around."""
    given, scores = answer["tags"], answer["scores"]
    wrong = [n for n, (tag, other) in enumerate(zip(tags, given, strict=True)) if tag != other]
    if not wrong:
        return None
    word = max(wrong, key=lambda n: scores[n])
    around = range(max(0, word - _SHOWN_AROUND), min(len(tags), word + _SHOWN_AROUND + 1))
    shown = (f"[{words[n]}]" if n == word else words[n] for n in around)
    return Mistake(scores[word], tags[word], given[word], " ".join(shown))


def _entity(
    text: str, span: Span, ranges: Ranges, scores: np.ndarray, has_piece: np.ndarray
) -> Prediction:
    start, end = ranges[span.start][0], ranges[span.end - 1][1]
    own = slice(span.start, span.end)
    return {
        "label": span.label,
        "start": start,
        "end": end,
        "text": text[start:end],
        "score": float(scores[own][has_piece[own]].mean()),
    }


def _filled(tags: Sequence[str | None], scheme: Scheme) -> list[str]:
    """The tags, of parts without a piece too: inside where an entity continues around them."""
    filled: list[str] = []
    left, gap = OUTSIDE, 0
    for tag in [*tags, OUTSIDE]:
        if tag is None:
            gap += 1
            continue
        filled += [scheme.inside(left, tag)] * gap + [tag]
        left, gap = tag, 0
    return filled[:-1]


def _word_tags(
    words: Sequence[Ranges], scheme: Scheme, tags: list[str], spans: list[Span]
) -> list[str]:
    """The tags of the words; those of words with one part as they are.

    A word of several parts is in the entity that its first part is in.
    """
    if len(tags) == len(words):
        return tags
    span_of = {part: span for span in spans for part in range(span.start, span.end)}
    result, start = [], 0
    for parts in words:
        end = start + len(parts)
        span = span_of.get(start)
        if len(parts) == 1 or not scheme.letters:
            result.append(tags[start])
        elif span is None:
            result.append(OUTSIDE)
        else:
            before, after = span_of.get(span.start - 1), span_of.get(span.end)
            tag = scheme.tag_of(span, start, end, before, after)
            # Tags may be out of order, and seqeval's strict mode must see them so.
            whole = (tag, *scheme.labels({tag}))
            spread = (x for x in whole if scheme.spread(x, len(parts)) == tags[start:end])
            result.append(next(spread, tag))
        start = end
    return result
