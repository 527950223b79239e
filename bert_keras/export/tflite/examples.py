"""The examples to measure a file on, and those that give its integer ranges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bert_keras.errors import InputError
from bert_keras.export.registry import trained_on
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import AnsweringTask, Feature, answering, task_of
from bert_keras.tasks.reading import TextExample, read_text_examples
from bert_keras.tasks.reading.texts import check_pairs
from bert_keras.tasks.registry import has_task
from bert_keras.tokenization import Tokenizer

BUILT_IN = "built-in text"
_MOST = 2000  # examples that are measured
_CALIBRATION = 200  # sequences that give the ranges
_QUESTION = "What is said about it?"
_NO_PIECE = -1  # where the sequence is cut before its [MASK]


@dataclass(frozen=True)
class Examples:
    """The examples for a model.

    Attributes:
        model: The model that reads them.
        measured: Examples of its task that are measured; of a model without one texts and pairs.
        rest: The examples that give the ranges.
        source: The name of their source.
        is_labeled: Whether they have labels.
    """

    model: BertModel
    measured: list[Any]
    rest: list[Any]
    source: str
    is_labeled: bool = False

    @property
    def ranges_of_measured(self) -> bool:
        """Tell whether the measured examples give the ranges too."""
        return self.rest == self.measured


@dataclass(frozen=True)
class Sequences:
    """The measured examples as the model reads them at one length.

    Attributes:
        examples: The examples.
        features: Their sequences, one by one as a phone asks; some have several.
        task: The model's task, at that length; None where the answers are compared as they are.
        masked: Masked LM: the word piece that [MASK] hides in each sequence.
    """

    examples: Examples
    features: list[Feature]
    task: AnsweringTask | None = None
    masked: tuple[int, ...] = ()

    def inputs(self) -> list[tuple[list[int], list[int]]]:
        """The ids and types of each sequence."""
        return [(list(f.input_ids), list(f.token_type_ids)) for f in self.features]

    @cached_property
    def cut(self) -> dict[str, int]:
        """The number of texts that are cut and of tokens that are not read, of how many."""
        whole = {feature.example: feature for feature in self.features}.values()
        return {
            "texts": sum(feature.left_out > 0 for feature in whole),
            "of_texts": len(whole),
            "tokens": sum(feature.left_out for feature in whole),
            "of_tokens": sum(feature.tokens for feature in whole),
        }


def read_examples(model: BertModel, data: str | None) -> Examples:
    """The examples for a model.

    Of a file one example in four, at most 200, is for the ranges and not measured; of the rest at
    most 2000 are. Both are spread over the whole file, which may be sorted by label.

    Args:
        model: One of our models.
        data: A file that the model's task reads; None takes built-in text.

    Raises:
        InputError: When the file cannot be read, is empty, or has pairs and the model reads single
            texts, or the other way round.
    """
    if data is None:
        return _built_in(model)
    task = task_of(model) if has_task(model) else None
    rows = task.read(data) if task else read_text_examples(data, labels=None)
    if not rows:
        raise InputError(f"{data} has no examples")
    _check_pairs(model, rows)
    if _is_masked(model):  # which reads both texts of a pair by themselves
        rows = [replace(row, text=t, text_pair=None) for row in rows for t in _texts_of(row)]
    if task is None or _is_masked(model):
        measured, rest = _split([(row.text, row.text_pair) for row in rows])
        return Examples(model, measured, rest, data)
    measured, rest = _split(rows)
    return Examples(model, measured, rest, data, all(map(answering(task).is_labeled, rows)))


def own_length(model: BertModel) -> int:
    """The length that the model was trained at, where it is known, otherwise its default."""
    return task_of(model).max_seq_length if has_task(model) else int(model.default_length)


def as_keras_reads(examples: Examples, tokenizer: Tokenizer) -> Sequences:
    """The measured examples at the model's own length, in windows where it reads such."""
    return _sequences(examples, tokenizer, own_length(examples.model))


def as_file_reads(examples: Examples, tokenizer: Tokenizer, length: int) -> Sequences:
    """The measured examples at a file's length: one sequence each, longer ones cut.

    Only a classifier that was trained on windows is asked for each window.
    """
    model = examples.model
    if _is_masked(model):
        whole = as_keras_reads(examples, tokenizer)
        cut = [_cut(feature, length, tokenizer) for feature in whole.features]
        pieces = (
            piece if tokenizer.mask_id in feature.input_ids else _NO_PIECE
            for feature, piece in zip(cut, whole.masked, strict=True)
        )
        return Sequences(examples, cut, masked=tuple(pieces))
    reads_windows = has_task(model) and hasattr(task_of(model), "one_window")  # where Keras does
    settings = {"one_window": True} if reads_windows else {}
    return _sequences(examples, tokenizer, length, **settings)


def for_ranges(examples: Examples, tokenizer: Tokenizer, length: int) -> list[Feature]:
    """The sequences that give integer ranges, at most 200, spread over the file."""
    given = replace(examples, measured=examples.rest)
    return _spread(_sequences(given, tokenizer, length).features, _CALIBRATION)


def _sequences(examples: Examples, tokenizer: Tokenizer, length: int, **settings: Any) -> Sequences:
    model, measured = examples.model, examples.measured
    if not has_task(model):
        return Sequences(examples, _features(tokenizer, measured, length))
    if _is_masked(model):
        features, masked = _mask_one(_features(tokenizer, measured, length), tokenizer)
        if not features:
            raise InputError(f"none of the {len(measured)} texts has a token to mask")
        return Sequences(examples, features, masked=masked)
    task = answering(task_of(model, max_seq_length=length, **settings))
    features = task.features(measured, tokenizer)
    return Sequences(
        examples, [window for feature in features for window in feature.windows()], task
    )


def _check_pairs(model: BertModel, rows: Sequence[Any]) -> None:
    """Raise ``InputError`` when rows are pairs and the model reads single texts, or reversed."""
    check_pairs([row for row in rows if isinstance(row, TextExample)], trained_on(model))


def _is_masked(model: BertModel) -> bool:
    """Tell whether the model predicts masked words."""
    return hasattr(model, "masked_lm_head")


def _texts_of(row: TextExample) -> list[str]:
    return [row.text] if row.text_pair is None else [row.text, row.text_pair]


def _split(examples: list[Any]) -> tuple[list[Any], list[Any]]:
    """The examples that are measured, and those for the ranges."""
    rest = _spread_places(len(examples), min(len(examples) // 4, _CALIBRATION))
    places = set(rest)
    kept = [example for number, example in enumerate(examples) if number not in places]
    return _spread(kept, _MOST), [examples[number] for number in rest] or examples


def _spread(items: list[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly spread."""
    return [items[number] for number in _spread_places(len(items), min(len(items), most))]


def _spread_places(total: int, count: int) -> list[int]:
    """The last place in each of ``count`` nearly equal slices of a list."""
    return [(number + 1) * total // count - 1 for number in range(count)]


def _built_in(model: BertModel) -> Examples:
    half = len(PROSE) // 2
    measured, rest = [*SENTENCES, *PROSE[:half]], PROSE[half:]
    every = {"texts": 0, "pairs": 1}.get(trained_on(model), 3 if model.takes_pairs else 0)
    first, second = _pairs(measured, every), _pairs(rest, every)
    if not has_task(model) or _is_masked(model):
        return Examples(model, first, second, BUILT_IN)
    task = answering(task_of(model))
    if task.answers_questions:
        first, second = _asked(measured), _asked(rest)
    asked, others = ([_example(task, *row) for row in side] for side in (first, second))
    return Examples(model, asked, others, BUILT_IN)


def _example(task: AnsweringTask, text: str, pair: str | None) -> Any:
    """The example of a text or a pair; the choice between both, where the task asks for one."""
    if not task.reads_choices:
        return task.from_text(text, pair)
    return task.with_choices(task.from_text(text), [pair or "", text])


def _asked(texts: Sequence[str]) -> list[tuple[str, str | None]]:
    """The texts, each with a question that fits any of them."""
    return [(_QUESTION, text) for text in texts]


def _pairs(texts: Sequence[str], every: int) -> list[tuple[str, str | None]]:
    """The texts, one in ``every`` paired with the one before; 0 pairs none."""
    return [
        (text, texts[number - 1] if every and number % every == 0 else None)
        for number, text in enumerate(texts)
    ]


def _features(
    tokenizer: Tokenizer, texts: Sequence[tuple[str, str | None]], length: int
) -> list[Feature]:
    encodings = tokenizer.encode_batch(
        [text for text, _ in texts], [pair for _, pair in texts], length
    )
    return [Feature.of(number, encoding) for number, encoding in enumerate(encodings)]


def _cut(feature: Feature, length: int, tokenizer: Tokenizer) -> Feature:
    """A single text's sequence at a shorter length."""
    lost = max(0, len(feature.input_ids) - length)
    if not lost:
        return feature
    kept = tokenizer.template.inner(feature.input_ids)[: tokenizer.template.room(length, 1)]
    ids, types = tokenizer.template.build(kept)
    return replace(feature, input_ids=ids, token_type_ids=types, left_out=feature.left_out + lost)


def _mask_one(
    features: Sequence[Feature], tokenizer: Tokenizer
) -> tuple[list[Feature], tuple[int, ...]]:
    """The sequences with [MASK] for the piece in the middle, and those pieces."""
    masked, pieces = [], []
    for feature in features:
        ids = list(feature.input_ids)
        inner = len(ids) - tokenizer.template.overhead(1)
        if not inner:
            continue  # nothing to hide
        place = len(tokenizer.template.prefix) + inner // 2
        pieces.append(ids[place])
        ids[place] = tokenizer.mask_id
        masked.append(replace(feature, input_ids=ids))
    return masked, tuple(pieces)
