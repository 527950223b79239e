"""The texts that a file is measured on, and those that its integer ranges are taken from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bert_keras.export.samples import SENTENCES, prose
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
)
from bert_keras.tasks import Span, task_of
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import read_text_examples
from bert_keras.tasks.task import Task
from bert_keras.tokenization import BertTokenizer

_MOST = 2000  # examples that are measured
_CALIBRATION = 200  # sequences that ranges are taken from
_PARAGRAPHS = 60  # of built-in prose
_QUESTION = "What is said about it?"
_WITHOUT_TASK = (BertEncoder, BertForSentenceEmbedding, BertForNextSentencePrediction)
_TAKES_PAIRS = (BertEncoder, BertForNextSentencePrediction, BertForSequenceClassification)
_Texts = Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Examples:
    """What is measured.

    Attributes:
        task: The model's task, where the examples have labels.
        examples: Those examples; empty where there is no task.
        features: Their sequences, or those of built-in text.
        calibration: Sequences of other text, for ranges.
        source: Where they are from, in words.
        masked: Masked LM: the word piece that [MASK] hides in each sequence.
    """

    task: Task | None
    examples: list[Any]
    features: list[Feature]
    calibration: list[Feature]
    source: str
    masked: tuple[int, ...] = ()


def make_examples(model: Any, tokenizer: BertTokenizer, length: int, data: str | None) -> Examples:
    """The examples for a model.

    Of a file one example in four, at most 200, is for the ranges and not measured; of the rest at
    most 2000 are. Both are spread over the whole file, which may be sorted by label.

    Args:
        model: One of our models, with its tokenizer.
        tokenizer: What its text is read with.
        length: Longest sequence in tokens.
        data: A file that the model's task reads; None takes built-in text.

    Raises:
        InputError: When the file cannot be read.
    """
    result = _from_file(model, tokenizer, length, data) if data else None
    result = result or _built_in(model, tokenizer, length)
    if isinstance(model, BertForMaskedLM | BertForPreTraining):
        features, masked = _mask_one([*result.features], tokenizer)
        calibration, _ = _mask_one(result.calibration, tokenizer)
        result = replace(result, features=features, calibration=calibration, masked=masked)
    return result


def _from_file(model: Any, tokenizer: BertTokenizer, length: int, data: str) -> Examples:
    if isinstance(model, _WITHOUT_TASK):
        texts = [(example.text, example.text_pair) for example in read_text_examples(data)]
        measured, rest = _parted(texts)
        return Examples(
            None, [], _features(tokenizer, measured, length),
            _features(tokenizer, rest, length), data,
        )  # fmt: skip
    task = task_of(model, max_seq_length=length)
    measured, rest = _parted(task.read(data))
    features = _windows(task.features(measured, tokenizer))
    calibration = _spread(_windows(task.features(rest, tokenizer)), _CALIBRATION)
    is_labelled = bool(features[0].targets or features[0].token_targets)
    if not is_labelled:
        return Examples(None, [], features, calibration, data)
    return Examples(task, measured, features, calibration, data)


def _windows(features: list[Feature]) -> list[Feature]:
    """Sequences one by one, as a phone asks."""
    return [window for feature in features for window in feature.windows()]


def _parted(examples: list[Any]) -> tuple[list[Any], list[Any]]:
    """Those that are measured, and those for the ranges."""
    rest = _spread_places(len(examples), min(len(examples) // 4, _CALIBRATION))
    taken = set(rest)
    kept = [example for number, example in enumerate(examples) if number not in taken]
    return _spread(kept, _MOST), [examples[number] for number in rest] or examples


def _spread(items: list[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly from all of them."""
    return [items[number] for number in _spread_places(len(items), min(len(items), most))]


def _spread_places(total: int, count: int) -> list[int]:
    """The last place of each of ``count`` parts that a list is divided into, as equal as can be."""
    return [(number + 1) * total // count - 1 for number in range(count)]


def _built_in(model: Any, tokenizer: BertTokenizer, length: int) -> Examples:
    paragraphs = prose(_PARAGRAPHS)
    rest = paragraphs[_PARAGRAPHS // 2 :]
    measured = [*SENTENCES, *paragraphs[: _PARAGRAPHS // 2]]
    if isinstance(model, BertForQuestionAnswering):
        task = Span(max_seq_length=length, doc_stride=max(1, length // 3))
        both = [
            task.features([task.from_text(_QUESTION, text) for text in texts], tokenizer)
            for texts in (measured, rest)
        ]
        return Examples(None, [], both[0], _spread(both[1], _CALIBRATION), "built-in text")
    every = 3 if isinstance(model, _TAKES_PAIRS) else 0
    both = [_features(tokenizer, _pairs(texts, every), length) for texts in (measured, rest)]
    return Examples(None, [], both[0], both[1], "built-in text")


def _pairs(texts: Sequence[str], every: int) -> _Texts:
    """Texts, one in ``every`` with its neighbour; 0 leaves all alone."""
    return [
        (text, texts[number - 1] if every and number % every == 0 else None)
        for number, text in enumerate(texts)
    ]


def _features(tokenizer: BertTokenizer, texts: _Texts, length: int) -> list[Feature]:
    encodings = tokenizer.encode_batch(
        [text for text, _ in texts], [pair for _, pair in texts], length
    )
    return [Feature(n, e.input_ids, e.token_type_ids) for n, e in enumerate(encodings)]


def _mask_one(
    features: Sequence[Feature], tokenizer: BertTokenizer
) -> tuple[list[Feature], tuple[int, ...]]:
    """Sequences with [MASK] for the piece in the middle, and those pieces."""
    masked, pieces = [], []
    for feature in features:
        ids = list(feature.input_ids)
        if len(ids) < 3:
            continue  # [CLS] [SEP]: nothing to hide
        place = len(ids) // 2
        pieces.append(ids[place])
        ids[place] = tokenizer.mask_id
        masked.append(replace(feature, input_ids=ids, targets={}, token_targets={}))
    return masked, tuple(pieces)
