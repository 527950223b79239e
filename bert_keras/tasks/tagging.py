"""Tagging: a label for every word, read from its first piece (Devlin et al. 2019, section 5.3)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from sklearn.metrics import confusion_matrix

from bert_keras.config.checks import one_of, require
from bert_keras.errors import InputError
from bert_keras.modeling import BertForTokenClassification
from bert_keras.tasks.answering import Confusion, Mistake, Outputs
from bert_keras.tasks.deciding import Choices, DecidingTask
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import entity_scores, label_scores
from bert_keras.tasks.reading import (
    TaggedExample,
    has_words,
    note_on_raw_text,
    read_tagged_examples,
    read_text_examples,
    shown_name,
)
from bert_keras.tasks.recognition import (
    describe,
    in_scheme,
    note_on_breaches,
    scheme_of_data,
    scheme_of_labels,
)
from bert_keras.tasks.registry import register
from bert_keras.tasks.schemes import OUTSIDE, SCHEMES, Scheme, is_typed, type_of
from bert_keras.tasks.tagging_sentences import (
    part_labels,
    sentence_answer,
    sentence_features,
    shown_answer,
    surest_mistake,
)
from bert_keras.tasks.task import Prediction, Predictions, Task
from bert_keras.tokenization import Tokenizer, encode_words

Examples = Sequence[TaggedExample]
_logger = logging.getLogger("bert_keras")


@register
@dataclass(frozen=True, kw_only=True)
class Tagging(DecidingTask):
    """A tag for each word, and with them entities where the tags mark some.

    Answers are ``{"entities": [{"label", "start", "end", "text", "score"}], "words", "tags",
    "starts", "ends", "scores"}``: an entity with its half-open range of characters and the mean
    probability of its tags; and of every word tag, range and probability. Tags of the scheme
    ``plain`` mark no entities, and the answer has none.

    A word with CJK characters is learned and answered character by character, as raw text is, so
    that words and raw text have the same entities; tags and scores are of the whole words.

    Texts longer than ``max_seq_length`` are cut into windows that overlap by a quarter; a word is
    answered where it has the most context, and trained on there alone.

    Attributes:
        word_column: The column of the words: its number from 1, or its name in CoNLL-U
            (``"FORM"``) or a header; of JSON lines and data sets the field. Left out, it is found.
        tag_column: The same for the tags, by default the last column or UPOS; ``"MISC:NER"`` is a
            key in CoNLL-U's MISC.
        text_column: The column of raw text, for prediction alone.
        header: Whether the first row of a table of raw text is its header.
        tag_scheme: How the model's tags mark entities, one of ``SCHEMES``: ``"IOB1"``, ``"IOB2"``,
            ``"IOE1"``, ``"IOE2"``, ``"BIOES"``, ``"BMES"``, ``"BIOS"``, ``"BILOU"``, ``"IO"`` (a
            run of one label is an entity) or ``"plain"`` (a label for each word, no entities).
            Left out, the training data decide, or the labels; data in another scheme are converted.
        strict_entities: Whether entities are scored by seqeval's strict mode, in which tags that do
            not follow the scheme mark none.
        one_window: Whether the first window of a text alone is read, as a file for phones does.

    Example:
        >>> examples = Tagging().read("names.conll")
        >>> task = Tagging().adapted_to(examples)  # finds the scheme
        >>> task.tag_scheme, task.labels_of(examples)
        ('IOB2', ('O', 'B-PER', 'I-PER'))
    """

    word_column: str = ""
    tag_column: str = ""
    text_column: str = ""
    header: bool | None = None
    tag_scheme: str = ""
    strict_entities: bool = False
    one_window: bool = False

    name = "tagging"
    title = "Tagging"
    pipeline_tag = "token-classification"
    objective = "tagging"
    curves = ("accuracy", "f1", "macro_f1")
    model_class = BertForTokenClassification
    remembers = ("max_seq_length", "tag_scheme", "strict_entities")
    not_in_recipes = (*Task.not_in_recipes, "one_window", "decision")

    def __post_init__(self) -> None:
        if self.tag_scheme:
            one_of("data.tag_scheme", self.tag_scheme, tuple(SCHEMES))
        columns = self.text_column, self.word_column
        rule = "data.text_column names raw text and data.word_column words: only one may be given"
        require(rule, not all(columns), columns)

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme of the labels."""
        return SCHEMES[self.tag_scheme] if self.tag_scheme else scheme_of_labels(self.labels)

    @property
    def columns(self) -> tuple[str, ...]:
        """Text and entities, or text and labels."""
        return ("text", "entities" if self.scheme.has_entities else "labels")

    @property
    def best_metric(self) -> str:
        """F1 of the entities; without any the accuracy of the labels."""
        return "f1" if self.scheme.has_entities else "accuracy"

    def from_text(self, text: str, text_pair: str | None = None) -> TaggedExample:
        """The words of a text.

        Raises:
            InputError: When there is a second text.
        """
        if text_pair is not None:
            raise InputError(f"tagging takes single texts, no pairs. Received: {text_pair!r:.80}")
        return TaggedExample.from_text(text, "the text")

    def read(self, source: str) -> list[TaggedExample]:
        """The sentences of a file or data set, with tags in the scheme of the task's labels."""
        if self.text_column:
            raise InputError(
                f"text_column = {self.text_column!r} names raw text, which has no tags; "
                "word_column names the words and tag_column their tags"
            )
        examples = read_tagged_examples(source, self.word_column, self.tag_column)
        if not (self.tag_scheme or self.labels):
            return examples
        self._check_strict(self.scheme)
        return in_scheme(self.scheme, examples, source, is_certain=bool(self.tag_scheme))

    def _check_strict(self, scheme: Scheme) -> None:
        if self.strict_entities and scheme.strict is None:
            raise InputError(
                f"strict_entities is seqeval's strict mode, which it does not have for the scheme "
                f"{scheme.name} of the tags"
            )

    def adapted_to(self, examples: Examples) -> Self:
        """The task in the scheme of the data it learns from."""
        if {tag for example in examples for tag in _tags(example)} <= {OUTSIDE}:
            raise InputError(
                f"{examples[0].where}: there is nothing to learn, as every tag is O; name the "
                "column or field of the tags: data.tag_column"
            )
        scheme = SCHEMES[self.tag_scheme] if self.tag_scheme else scheme_of_data(examples)
        self._check_strict(scheme)
        _logger.info("%s", describe(scheme, examples))
        note_on_breaches(scheme, examples)
        note_on_raw_text(examples)
        return replace(self, tag_scheme=scheme.name)

    def read_texts(self, source: str) -> list[TaggedExample]:
        """Raw texts, one a line or row, or the words of a source that has them split."""
        if not self.text_column and has_words(source, self.word_column):
            return read_tagged_examples(source, self.word_column, labeled=False)
        _logger.info(
            "%s: raw text, whose words are split at spaces and punctuation", shown_name(source)
        )
        texts = read_text_examples(
            source, self.text_column, header=self.header, labels=None, labeled=False
        )
        return [TaggedExample.from_text(example.text, example.where) for example in texts]

    def key(self, example: TaggedExample) -> str:
        """The text."""
        return example.text

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """The scheme's letters with every type that is found, by the alphabet, O before them."""
        is_known = self.tag_scheme or self.labels
        scheme = self.scheme if is_known else scheme_of_data(examples)
        return scheme.labels({tag for example in examples for tag in _tags(example)})

    def features(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        """The windows of each sentence, most often one."""
        encodings = encode_words(
            tokenizer,
            [example.text for example in examples],
            self.max_seq_length if self.one_window else None,
        )
        is_labeled = all(example.tags is not None for example in examples)
        features = []
        for index, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
            targets = self._targets(example) if is_labeled else None
            parts = [part for word in example.parts for part in word]
            features += sentence_features(
                index, parts, encoding, tokenizer.template, self.max_seq_length, targets
            )
        return features

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def _targets(self, example: TaggedExample) -> np.ndarray:
        """The number of the tag of each part of the words."""
        targets = []
        for word, tag, parts in zip(example.words, _tags(example), example.parts, strict=True):
            for part_tag in self.scheme.spread(tag, len(parts)):
                if part_tag not in self._numbers:
                    raise InputError(
                        f"{example.where}: the tag {part_tag!r} of {word!r:.40} is none of the "
                        f"model's: {', '.join(self.labels)}"
                    )
                targets.append(self._numbers[part_tag])
        return np.array(targets, np.int32)

    def decode(
        self, examples: Examples, features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The tags and entities; a word without a piece continues the entity around it."""
        if self.scheme.name == "IO" and not self.tag_scheme:
            _logger.info("the labels have no letters; a run of the same label is read as an entity")
        best, scores = part_labels(examples, features, outputs, self.decision)
        tags = [[self.labels[n] if n >= 0 else None for n in numbers] for numbers in best]
        return [
            sentence_answer(example, self.scheme, *answer)
            for example, answer in zip(examples, zip(tags, scores, strict=True), strict=True)
        ]

    def choices(self, features: Sequence[Feature], outputs: Sequence[Outputs]) -> Choices:
        """The choice between the tags for each part of a word, at its first piece."""
        return Choices.of_tokens(features, outputs)

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """Precision, recall and F1 of the entities, and the accuracy of the tags.

        Where the tags mark none, accuracy and macro-F1 of the labels.
        """
        expected, given = [_tags(e) for e in examples], [p["tags"] for p in predictions]
        if not self.scheme.has_entities:
            return label_scores(expected, given)
        scheme = self.scheme
        if self.strict_entities and not self.tag_scheme and scheme.letters == "BI":
            scheme = scheme_of_data(examples)  # IOB1 or IOB2: the labels do not say
        return entity_scores(expected, given, scheme, self.strict_entities)

    def confusion(self, examples: Examples, predictions: Predictions) -> Confusion:
        """The types of the words' right tags against those of the given ones."""
        expected = [self._shown(tag) for example in examples for tag in _tags(example)]
        given = [self._shown(tag) for prediction in predictions for tag in prediction["tags"]]
        first = (OUTSIDE,) if OUTSIDE in (*self.labels, *given) else ()
        types = tuple(dict.fromkeys((*first, *map(self._shown, self.labels))))
        return Confusion(types, confusion_matrix(expected, given, labels=list(types)))

    def _shown(self, tag: str) -> str:
        """The type of a tag, or the tag itself where it has none."""
        return type_of(tag) if self.scheme.letters and is_typed(tag) else tag

    def texts_of(self, example: TaggedExample) -> dict[str, str]:
        """The text, or the words joined by spaces."""
        return {"text": example.text}

    def is_labeled(self, example: TaggedExample) -> bool:
        """Tell whether the words have tags."""
        return example.tags is not None

    def counted(self, examples: Examples, labeled: bool) -> tuple[int, str]:
        """The entities that the tags mark, else the words."""
        if labeled and self.scheme.has_entities:
            return sum(len(self.scheme.spans(_tags(example))) for example in examples), "entities"
        return sum(len(example.words) for example in examples), "words"

    def decisions(self, prediction: Prediction) -> list[Any]:
        """The tag of each word; None of one that was not read, which has no score."""
        pairs = zip(prediction["tags"], prediction["scores"], strict=True)
        return [tag if score else None for tag, score in pairs]

    def row(self, example: TaggedExample, prediction: Prediction) -> list[str]:
        """The text and its entities, or its words with their labels."""
        return [" ".join(example.text.split()), shown_answer(prediction)]

    def mistake(self, example: TaggedExample, prediction: Prediction) -> Mistake | None:
        """The wrong tag that the model was surest of, with the words around it."""
        return surest_mistake(example.words, _tags(example), prediction)


def _tags(example: TaggedExample) -> tuple[str, ...]:
    if example.tags is None:
        raise InputError(f"{example.where} has no tags, which training and scoring need")
    return example.tags
