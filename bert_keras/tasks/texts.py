"""The base of the tasks that give a text, or a pair of texts, one answer."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any, ClassVar, Literal, Self

import numpy as np

from bert_keras.config.checks import at_least, one_of, require
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.tasks.answering import AnsweringTask, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import LABEL_SEPARATOR, LabelRules, TextExample, read_text_examples
from bert_keras.tasks.reading.texts import check_pairs
from bert_keras.tasks.task import Prediction, Task
from bert_keras.tasks.windows import cut_windows, overlapping
from bert_keras.tokenization import Tokenizer
from bert_keras.tokenization.template import TRUNCATIONS

Examples = Sequence[TextExample]
_SHOWN = 20  # labels in a message


@dataclass(frozen=True, kw_only=True)
class TextReader(Task):
    """A task whose examples are texts or pairs, from the columns of a table or data set.

    Attributes:
        text_column: The column of the text, where its name is not one of the known ones.
        text_pair_column: The same for the second text of a pair.
        label_column: The same for the label. Columns of a table without a header are named by
            their number: ``"1"`` is the first.
        header: Whether a table's first row is its header; None where its names are to tell.
    """

    text_column: str = ""
    text_pair_column: str = ""
    label_column: str = ""
    header: bool | None = None

    def from_text(self, text: str, text_pair: str | None = None) -> TextExample:
        """The example of a text or pair."""
        return TextExample(text=text, text_pair=text_pair, label=None, where="the text")

    def read(self, source: str) -> list[TextExample]:
        """The rows of a table or data set, without labels; see ``read_text_examples``."""
        return self._read(source, None, labeled=True)

    def _read(
        self,
        source: str,
        labels: LabelRules | None,
        labeled: bool,
        label_columns: tuple[str, ...] = (),
    ) -> list[TextExample]:
        return read_text_examples(
            source,
            self.text_column,
            self.text_pair_column,
            self.label_column,
            label_columns,
            self.header,
            labels,
            labeled,
        )

    def key(self, example: TextExample) -> str:
        """The text, or both of a pair."""
        return "\t".join([example.text, example.text_pair or ""])


@dataclass(frozen=True, kw_only=True)
class TextTask(TextReader, AnsweringTask):
    """A task that gives a text or a pair of texts one answer.

    Longer ones are cut, the longer of the two first (Devlin et al. 2019, figure 4 a and b), or
    read in windows whose logits are averaged, in training as in prediction.

    Attributes:
        labels: The labels in the order of their numbers; by default those in the data, sorted.
            Lists of 0 and 1, transformers' multi-label format, are read in this order.
        label_columns: The columns of a table that has one of 0 and 1 for each label. They name the
            labels, in this order.
        label_separator: What stands between several labels in a cell.
        ignore_labels: Labels whose rows are left out, of the training and the dev examples:
            ``["-"]`` for SNLI; ``""`` is an empty cell, ``"null"`` and ``"NaN"`` are JSON's.
        truncation: Which part of a longer text is read: ``"head"``, its beginning;
            ``"tail"``, its end; ``"head_tail"``, a quarter from its beginning and the rest from its
            end (Sun et al. 2019, section 5.3.1).
        windows: Whether a longer text is read in several windows instead, each overlapping the one
            before by a quarter; its logits are the mean over them. For single texts. A step's
            memory grows with the windows of its texts.
        max_windows: The most windows of a text.
        trained_on: ``"texts"``, ``"pairs"`` or ``"both"``; empty where a model does not say.
    """

    label_columns: tuple[str, ...] = ()
    label_separator: str = LABEL_SEPARATOR
    ignore_labels: tuple[str, ...] = ()
    truncation: str = "head"
    windows: bool = False
    max_windows: int = 16
    trained_on: str = ""

    objective = "classification"
    model_class: ClassVar[type[SupervisedModel]] = BertForSequenceClassification
    remembers: ClassVar[tuple[str, ...]] = (
        "max_seq_length", "truncation", "windows", "max_windows", "trained_on",
    )  # fmt: skip
    not_in_recipes = (*Task.not_in_recipes, "label_columns", "label_separator", "trained_on")
    problem_type: ClassVar[str]
    label_kind: ClassVar[Literal["one", "several", "number"]]

    def __post_init__(self) -> None:
        one_of("data.truncation", self.truncation, TRUNCATIONS)
        at_least("data.max_windows", self.max_windows, 1)
        require("data.label_separator must not be empty", self.label_separator != "", "")
        is_read = self.label_kind == "several" or self.label_separator == LABEL_SEPARATOR
        require("data.label_separator is for multi_label alone", is_read, self.label_separator)
        if self.windows and self.truncation != "head":
            raise InputError(
                "data.windows = true reads the whole of a long text, and data.truncation = "
                f"{self.truncation!r} cuts it: choose one of them"
            )
        for name in ("labels", "label_columns"):
            values = getattr(self, name)
            is_good = len(set(values)) == len(values)
            require(f"data.{name} must be different names", is_good, values)
        given = self.labels, self.label_columns
        require(
            "data.labels and data.label_columns must have the same names where both are given",
            not all(given) or set(self.labels) == set(self.label_columns),
            given,
        )

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """Tell whether a model has a head for the whole text, of this problem type."""
        return super().is_of(model) and model.problem_type == cls.problem_type

    def adapted_to(self, examples: Examples) -> Self:
        """The task that knows whether its examples are pairs, and the columns that are labels."""
        pairs = sum(example.text_pair is not None for example in examples)
        some = "both" if pairs < len(examples) else "pairs"
        labels = self.labels or self.label_columns
        return replace(self, labels=labels, trained_on=some if pairs else "texts")

    def cut_by(self, pairs: bool = False) -> str:
        """The length, and how longer texts are read; windows are for single texts."""
        if self.windows:
            return f"{super().cut_by()}, max_windows = {self.max_windows}"
        way_out = "" if pairs else "; data.windows = true reads texts in windows"
        return f"{super().cut_by()}, truncation = {self.truncation!r}{way_out}"

    def model_arguments(self) -> dict[str, Any]:
        """The labels and the problem type."""
        return super().model_arguments() | {"problem_type": self.problem_type}

    def read(self, source: str) -> list[TextExample]:
        """The rows of a table or data set, with their labels; see ``read_text_examples``."""
        rules = LabelRules(
            kind=self.label_kind,
            names=self.labels or self.label_columns,
            separator=self.label_separator,
            ignored=self.ignore_labels,
        )
        return self._read(source, rules, labeled=True, label_columns=self.label_columns)

    def read_texts(self, source: str) -> list[TextExample]:
        """The rows without their labels."""
        return self._read(source, None, labeled=False, label_columns=self.label_columns)

    def is_labeled(self, example: TextExample) -> bool:
        """Tell whether the text has a label."""
        return example.label is not None

    def features(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        """One sequence each, or the windows of each; pairs if it was trained on pairs."""
        check_pairs(examples, self.trained_on)
        features = self._windows(examples, tokenizer) if self.windows else None
        features = features or self._sequences(examples, tokenizer)
        if any(example.label is None for example in examples):
            return features
        return [
            replace(feature, targets={"labels": self.target(example)})
            for example, feature in zip(examples, features, strict=True)
        ]

    def _sequences(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        encodings = tokenizer.encode_batch(
            [example.text for example in examples],
            [example.text_pair for example in examples],
            self.max_seq_length,
            self.truncation,
        )
        return [Feature.of(number, encoding) for number, encoding in enumerate(encodings)]

    def texts_of(self, example: TextExample) -> dict[str, str]:
        """The text, or both of a pair."""
        texts = {"text": example.text}
        return texts if example.text_pair is None else texts | {"text_pair": example.text_pair}

    def _windows(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        pair = next((example for example in examples if example.text_pair is not None), None)
        if pair:
            raise InputError(
                f"{pair.where}: data.windows is for single texts, and this is a pair; set "
                "data.truncation to choose what is read of a long one"
            )
        features = []
        template = tokenizer.template
        room = self.max_seq_length - template.overhead(1)
        for number, encoding in enumerate(tokenizer.encode_batch([e.text for e in examples])):
            inner = template.inner(encoding.input_ids)
            windows = cut_windows(len(inner), room, overlapping(room))[: self.max_windows]
            sequences = [template.build(inner[start:end]) for start, end in windows]
            ids, types = zip(*sequences, strict=True)
            features.append(
                Feature(
                    number,
                    [*chain.from_iterable(ids)],
                    [*chain.from_iterable(types)],
                    window_ends=tuple(accumulate(map(len, ids))),
                    lengths=encoding.lengths,
                    tokens=len(inner),
                    left_out=len(inner) - windows[-1][1],
                )
            )
        return features

    @abstractmethod
    def target(self, example: TextExample) -> Any:
        """The target of a labeled example."""

    def decode(
        self, examples: Examples, features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The answer to each text; where its windows are features of their own, from their mean."""
        logits = np.array([output["logits"] for output in outputs], np.float64)
        numbers = [feature.example for feature in features]
        counts = np.bincount(numbers)
        sums = np.zeros((len(counts), *logits.shape[1:]))
        np.add.at(sums, numbers, logits)
        return self.answers(sums / counts[:, None])

    @abstractmethod
    def answers(self, logits: np.ndarray) -> list[Prediction]:
        """The answer to each text from its logits, float64 [N, labels]."""

    def label_number(self, label: str, where: str) -> int:
        """The number of a label.

        Raises:
            InputError: When the task does not have it.
        """
        if label not in self.labels:
            more = f", … ({len(self.labels)})" if len(self.labels) > _SHOWN else ""
            raise InputError(
                f"{where}: the label {label!r} is none of the model's: "
                f"{', '.join(self.labels[:_SHOWN])}{more}; data.ignore_labels = [{label!r}] "
                f"(--ignore-label) leaves such rows out"
            )
        return self.labels.index(label)


def label_of(example: TextExample) -> str:
    """The example's label.

    Raises:
        InputError: When it has none.
    """
    if example.label is None:
        raise InputError(
            f"{example.where} has no label, which training and scoring need: data.label_column "
            "(--label-column) names the column, data.label_columns those of a table with one for "
            "each label; data.ignore_labels = ['null', 'NaN'] (--ignore-label) leaves out rows of "
            "JSON without a label"
        )
    return example.label


def in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """The different labels in order: numbers by value, other names by the alphabet."""
    names = set(labels)
    if all(name.removeprefix("-").isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))  # 1 and 01 are two
    return tuple(sorted(names))


def shown(example: TextExample) -> str:
    """The text as one line, a pair as two."""
    parts = [example.text] + ([example.text_pair] if example.text_pair else [])
    return "\n".join(" ".join(part.split()) for part in parts)
