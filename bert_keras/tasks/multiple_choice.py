"""Multiple choice: which of several texts goes with a context (Devlin et al. 2019, section 4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import softmax

from bert_keras.config.checks import one_of
from bert_keras.errors import InputError
from bert_keras.modeling import BertForMultipleChoice
from bert_keras.tasks.answering import AnsweringTask, Mistake, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import accuracy
from bert_keras.tasks.reading import ChoiceExample, read_choice_examples
from bert_keras.tasks.reading.choices import LEAST_CHOICES
from bert_keras.tasks.registry import register
from bert_keras.tasks.task import Prediction, Predictions
from bert_keras.tokenization import Encoding, Tokenizer
from bert_keras.tokenization.template import TRUNCATIONS

Examples = Sequence[ChoiceExample]


@register
@dataclass(frozen=True, kw_only=True)
class MultipleChoice(AnsweringTask):
    """One of several texts; answers are ``{"choice", "text", "score", "scores"}``.

    That is the place of the likeliest choice, from 0; its text; its probability; and the
    probability of each. Every choice is read as a pair, as in transformers' example for SWAG: the
    context is the first text; the second is the choice, behind ``start`` and a space where there
    is one. A pair that is too long is cut, the longer text first. Examples may have different
    numbers of choices.

    Data are a table (``.csv``, ``.tsv``), JSON lines or a TFDS data set. A row has ``context``;
    ``start`` or ``question``, or neither; ``choices`` or ``endings``, a list, or in a table
    ``ending0``, ``ending1`` and so on; and ``label``, the place of the right one. SWAG's and
    HellaSwag's own files are read as they are.

    Attributes:
        truncation: Which part of a longer text is read: ``"head"``, its beginning; ``"tail"``, its
            end; ``"head_tail"``, a quarter from its beginning and the rest from its end.
        ignore_columns: Columns or fields of the data that are passed over, besides those that
            SWAG and HellaSwag have; any other is refused by its name.

    Example:
        >>> task = MultipleChoice(max_seq_length=32)
        >>> example = task.from_text("She sat down to watch.", "The film was")
        >>> example = task.with_choices(example, ["fine", "a dog"])
        >>> (feature,) = task.features([example], tokenizer)
        >>> len(feature.windows())
        2
    """

    truncation: str = "head"
    ignore_columns: tuple[str, ...] = ()

    name = "multiple_choice"
    title = "Choices"
    pipeline_tag = "multiple-choice"
    objective = "choice"
    curves = ("accuracy",)
    model_class = BertForMultipleChoice
    columns = ("text", "choice", "score")
    best_metric = "accuracy"
    remembers = ("max_seq_length", "truncation")
    reads_choices = True

    def __post_init__(self) -> None:
        one_of("data.truncation", self.truncation, TRUNCATIONS)

    def from_text(self, text: str, text_pair: str | None = None) -> ChoiceExample:
        """A context and what stands before its choices, if anything; the choices are to follow."""
        return ChoiceExample(text, text_pair or "", (), None, "the text")

    def usage(self, is_pair: bool) -> str:
        """The choice for a text."""
        return 'print(bert_keras.predict(model, "A text.", choices=["One end.", "Another end."]))'

    def with_choices(self, example: ChoiceExample, choices: Sequence[str]) -> ChoiceExample:
        """The example with these choices."""
        return replace(example, choices=tuple(choices))

    def read(self, source: str) -> list[ChoiceExample]:
        """The examples of a file or data set; see ``read_choice_examples``."""
        return read_choice_examples(source, ignored=self.ignore_columns)

    def read_texts(self, source: str) -> list[ChoiceExample]:
        """The examples without their labels."""
        return read_choice_examples(source, labeled=False, ignored=self.ignore_columns)

    def key(self, example: ChoiceExample) -> str:
        """The context, so that all examples on it are held out together."""
        return example.context

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """No labels: they are places. An example without one is refused."""
        for example in examples:
            if example.label is None:
                raise InputError(
                    f"{example.where} has no label, which training and scoring need: the place of "
                    "the right choice, from 0"
                )
        return ()

    def cut_by(self, pairs: bool = False) -> str:
        """The length, and which part of longer texts is read."""
        return f"{super().cut_by()}, truncation = {self.truncation!r}"

    def features(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        """One feature each, with a sequence for every choice.

        Raises:
            InputError: When an example has fewer than two choices.
        """
        for example in examples:
            if len(example.choices) < LEAST_CHOICES:
                raise InputError(
                    f"{example.where} needs two choices or more: predict(model, texts, "
                    f"choices=[[...], ...]) (--choice). Received: {len(example.choices)}"
                )
        encodings = iter(
            tokenizer.encode_batch(
                [example.context for example in examples for _ in example.choices],
                [text for example in examples for text in _seconds(example)],
                self.max_seq_length,
                self.truncation,
            )
        )
        is_labeled = all(map(self.is_labeled, examples))
        return [
            _feature(number, example, [next(encodings) for _ in example.choices], is_labeled)
            for number, example in enumerate(examples)
        ]

    def decode(
        self, examples: Examples, features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The likeliest choice; where each is a feature of its own, among those of its example."""
        logits: list[list[float]] = [[] for _ in examples]
        for feature, output in zip(features, outputs, strict=True):
            logits[feature.example] += np.ravel(output["logits"]).tolist()
        return [_answer(*pair) for pair in zip(examples, logits, strict=True)]

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """The share of examples whose right choice was chosen."""
        right = [example.label for example in examples if example.label is not None]
        return {"accuracy": accuracy(right, [prediction["choice"] for prediction in predictions])}

    def texts_of(self, example: ChoiceExample) -> dict[str, str]:
        """The context and the start; the choices stand in the data."""
        start = {"start": example.start} if example.start else {}
        return {"context": example.context} | start

    def is_labeled(self, example: ChoiceExample) -> bool:
        """Tell whether the example says which choice is right."""
        return example.label is not None

    def decisions(self, prediction: Prediction) -> list[Any]:
        """The chosen place."""
        return [prediction["choice"]]

    def row(self, example: ChoiceExample, prediction: Prediction) -> list[str]:
        """Context and start, the place and the text of the choice, its probability."""
        chosen = _shown(example, prediction["choice"])
        return [_line(example.context, example.start), chosen, f"{prediction['score']:.3f}"]

    def mistake(self, example: ChoiceExample, prediction: Prediction) -> Mistake | None:
        """The wrong choice, with its probability."""
        if example.label is None or example.label == prediction["choice"]:
            return None
        right, given = (_shown(example, n) for n in (example.label, prediction["choice"]))
        return Mistake(prediction["score"], right, given, _line(example.context, example.start))


def _seconds(example: ChoiceExample) -> list[str]:
    """The second text of each pair."""
    before = f"{example.start} " if example.start else ""
    return [before + choice for choice in example.choices]


def _feature(
    number: int, example: ChoiceExample, encodings: Sequence[Encoding], is_labeled: bool
) -> Feature:
    """The sequences of an example's choices, one after another."""
    # One that is blank is without text even where something stands before it.
    lengths = [
        (encoding.lengths[0], encoding.lengths[1] if choice.strip() else 0)
        for encoding, choice in zip(encodings, example.choices, strict=True)
    ]
    targets = {"labels": example.label} if is_labeled else {}
    return Feature.of_several(number, encodings, tuple(chain.from_iterable(lengths)), targets)


def _answer(example: ChoiceExample, logits: Sequence[float]) -> Prediction:
    """The answer by the logits of the choices; those behind are of choices that are missing."""
    scores = softmax(np.array(logits[: len(example.choices)], np.float64))
    best = int(scores.argmax())
    return {
        "choice": best,
        "text": example.choices[best],
        "score": float(scores[best]),
        "scores": scores.tolist(),
    }


def _shown(example: ChoiceExample, place: int) -> str:
    return f"{place}: {_line(example.choices[place])}"


def _line(*texts: str) -> str:
    """Texts as one line."""
    return " ".join(" ".join(texts).split())
