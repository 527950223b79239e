"""Tagging: a label for every word, read from its first piece (Devlin et al. 2018, section 5.3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from bert_keras.errors import InputError
from bert_keras.modeling import BertForTokenClassification
from bert_keras.modeling.finetuning import IGNORED_LABEL
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import entity_scores, entity_spans
from bert_keras.tasks.reading import (
    TaggedExample,
    has_words,
    read_tagged_examples,
    read_text_examples,
)
from bert_keras.tasks.running import Outputs
from bert_keras.tasks.task import Confusion, Mistake, Prediction, Task
from bert_keras.tasks.windows import best_windows, cut_windows, overlapping
from bert_keras.tokenization import BertTokenizer, Encoding

OUTSIDE = "O"
_PREFIXED = re.compile("O|[BIES]-.+")
_SHOWN_AROUND = 5  # words on either side of a mistake


class _Origin(NamedTuple):
    """The words that a feature answers for, and where their first pieces stand in it."""

    words: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Tagging(Task):
    """A tag for each word, and with them entities.

    Answers are ``{"entities": [{"label", "start", "end", "text", "score"}], "words", "tags",
    "scores"}``: an entity with its half-open range of characters and the mean probability of its
    tags; and tag and probability of every word. Texts longer than ``max_seq_length`` are cut into
    windows that overlap by a quarter; a word is answered where it has the most context, and
    trained on there alone.
    """

    name = "tagging"
    model_class = BertForTokenClassification
    columns = ("text", "entities")
    best_metric = "f1"

    def from_text(self, text: str, text_pair: str | None = None) -> TaggedExample:
        """The words of a text.

        Raises:
            InputError: When there is a second text.
        """
        if text_pair is not None:
            raise InputError(f"tagging takes single texts, no pairs. Received: {text_pair!r:.80}")
        return TaggedExample.from_text(text, "the text")

    def read(self, source: str) -> list[TaggedExample]:
        """The sentences of a file or data set; see ``read_tagged_examples``."""
        return read_tagged_examples(source)

    def read_texts(self, source: str) -> list[TaggedExample]:
        """Raw texts, a line or a row each, or the words of a source that has them parted."""
        if has_words(source):
            return read_tagged_examples(source, labelled=False)
        texts = read_text_examples(source, labelled=False)
        return [TaggedExample.from_text(example.text, example.where) for example in texts]

    def key(self, example: TaggedExample) -> str:
        """The text."""
        return example.text

    def labels_of(self, examples: Sequence[TaggedExample]) -> tuple[str, ...]:
        """O, then B and I of every type that is found, by the alphabet."""
        types = {_type(tag) for example in examples for tag in _tags(example)} - {OUTSIDE}
        return (OUTSIDE, *(f"{prefix}-{name}" for name in sorted(types) for prefix in "BI"))

    def features(
        self, examples: Sequence[TaggedExample], tokenizer: BertTokenizer
    ) -> list[Feature]:
        """The windows of each sentence, most often one."""
        encodings = tokenizer.encode_batch([example.text for example in examples])
        numbers = None
        if all(example.tags is not None for example in examples):
            numbers = {label: number for number, label in enumerate(self.labels)}
        features = []
        for index, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
            targets = None if numbers is None else _targets(example, numbers)
            features += _features(index, example, encoding, self.max_seq_length, targets)
        return features

    def decode(
        self,
        examples: Sequence[TaggedExample],
        features: Sequence[Feature],
        outputs: Sequence[Outputs],
    ) -> list[Prediction]:
        """Tags and entities; a word without a piece goes on with the entity around it."""
        best = [np.full(len(example.words), -1) for example in examples]
        scores = [np.zeros(len(example.words)) for example in examples]
        for feature, output in zip(features, outputs, strict=True):
            words, positions = feature.origin
            rows = softmax(output["logits"][positions].astype(np.float64), axis=-1)
            best[feature.example][words] = rows.argmax(axis=-1)
            scores[feature.example][words] = rows.max(axis=-1)
        return [self._prediction(*parts) for parts in zip(examples, best, scores, strict=True)]

    def _prediction(
        self, example: TaggedExample, best: np.ndarray, scores: np.ndarray
    ) -> Prediction:
        tags = _filled([self.labels[number] if number >= 0 else None for number in best])
        entities = []
        for label, first, end in entity_spans([prefixed(tag) for tag in tags]):
            start = example.starts[first]
            stop = example.starts[end - 1] + len(example.words[end - 1])
            score = scores[first:end][best[first:end] >= 0].mean()
            entities.append(
                {
                    "label": label,
                    "start": start,
                    "end": stop,
                    "text": example.text[start:stop],
                    "score": float(score),
                }
            )
        words = list(example.words)
        return {"entities": entities, "words": words, "tags": tags, "scores": scores.tolist()}

    def score(
        self, examples: Sequence[TaggedExample], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Precision, recall and F1 of the entities, and the accuracy of the tags."""
        return entity_scores([_tags(e) for e in examples], [p["tags"] for p in predictions])

    def confusion(
        self, examples: Sequence[TaggedExample], predictions: Sequence[Prediction]
    ) -> Confusion:
        """The types of the words' right tags against those of the given ones."""
        expected = [_type(tag) for example in examples for tag in _tags(example)]
        given = [_type(tag) for prediction in predictions for tag in prediction["tags"]]
        types = tuple(dict.fromkeys((OUTSIDE, *map(_type, self.labels))))
        return Confusion(types, confusion_matrix(expected, given, labels=list(types)))

    def texts_of(self, example: TaggedExample) -> dict[str, str]:
        """The text, or the words joined by spaces."""
        return {"text": example.text}

    def row(self, example: TaggedExample, prediction: Prediction) -> list[str]:
        """The text and its entities."""
        entities = (f"{e['text']} ({e['label']} {e['score']:.2f})" for e in prediction["entities"])
        return [" ".join(example.text.split()), ", ".join(entities)]

    def mistake(self, example: TaggedExample, prediction: Prediction) -> Mistake | None:
        """The wrong tag that the model was surest of, with the words around."""
        tags, given, scores = _tags(example), prediction["tags"], prediction["scores"]
        wrong = [n for n, (tag, other) in enumerate(zip(tags, given, strict=True)) if tag != other]
        if not wrong:
            return None
        word = max(wrong, key=lambda n: scores[n])
        around = range(max(0, word - _SHOWN_AROUND), min(len(tags), word + _SHOWN_AROUND + 1))
        shown = (f"[{example.words[n]}]" if n == word else example.words[n] for n in around)
        return Mistake(scores[word], tags[word], given[word], " ".join(shown))


def _features(
    index: int,
    example: TaggedExample,
    encoding: Encoding,
    max_seq_length: int,
    targets: np.ndarray | None,
) -> list[Feature]:
    """The windows of one sentence.

    Args:
        index: The example's number.
        example: The sentence.
        encoding: That of its text, with the special tokens.
        max_seq_length: Longest sequence with the special tokens.
        targets: The numbers of the words' tags, or None.
    """
    (first_id, *ids, last_id) = encoding.input_ids
    pieces = _first_pieces(example, encoding.offsets[1:-1])
    room = max_seq_length - 2
    windows = cut_windows(len(ids), room, overlapping(room))
    owners = best_windows(len(ids), windows)
    with_piece = np.flatnonzero(pieces >= 0)
    window_of_word = owners[pieces[with_piece]]
    features = []
    for number, (start, end) in enumerate(windows):
        words = with_piece[window_of_word == number]
        positions = pieces[words] - start + 1
        token_targets: dict[str, Sequence[int]] = {}
        if targets is not None:
            labels = np.full(end - start + 2, IGNORED_LABEL, np.int32)
            labels[positions] = targets[words]
            token_targets["labels"] = labels.tolist()
        features.append(
            Feature(
                example=index,
                input_ids=[first_id, *ids[start:end], last_id],
                token_type_ids=[0] * (end - start + 2),
                token_targets=token_targets,
                origin=_Origin(words, positions),
            )
        )
    return features


def _first_pieces(example: TaggedExample, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """The number of each word's first piece; -1 for a word that has none of its own."""
    if not offsets:
        return np.full(len(example.words), -1)
    # A piece belongs to the word in which it starts.
    starts = np.maximum.accumulate([start for start, _ in offsets])
    word_starts = np.array(example.starts, np.int64)
    word_ends = word_starts + [len(word) for word in example.words]
    pieces = np.searchsorted(starts, word_starts)
    found = starts[np.minimum(pieces, len(starts) - 1)]
    return np.where((pieces < len(starts)) & (found < word_ends), pieces, -1)


def _targets(example: TaggedExample, numbers: dict[str, int]) -> np.ndarray:
    for word, tag in zip(example.words, _tags(example), strict=True):
        if tag not in numbers:
            raise InputError(
                f"{example.where}: the tag {tag!r} of {word!r:.40} is none of the model's: "
                f"{', '.join(numbers)}"
            )
    return np.array([numbers[tag] for tag in _tags(example)], np.int32)


def _tags(example: TaggedExample) -> tuple[str, ...]:
    if example.tags is None:
        raise InputError(f"{example.where} has no tags, which training and scoring need")
    return example.tags


def _type(tag: str) -> str:
    """The entity type of a tag, or O."""
    return tag if tag == OUTSIDE else prefixed(tag)[2:]


def prefixed(tag: str) -> str:
    """A tag of a published model that marks no beginnings ("PER") as one inside."""
    return tag if _PREFIXED.fullmatch(tag) else f"I-{tag}"


def _filled(tags: Sequence[str | None]) -> list[str]:
    """The tags, those of words without a piece too: inside when an entity goes on around them."""
    filled: list[str] = []
    left, gap = OUTSIDE, 0
    for tag in [*tags, OUTSIDE]:
        if tag is None:
            gap += 1
            continue
        filled += [tag if goes_on(left, tag) else OUTSIDE] * gap + [tag]
        left, gap = tag, 0
    return filled[:-1]


def goes_on(left: str, tag: str) -> bool:
    """Whether a tag goes on with the entity of the one before it."""
    return tag.startswith("I-") and left[1:] == tag[1:]
