"""What every fine-tuning task is: from rows of data to the model's answers and their score."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from bert_keras.config import BertConfig
from bert_keras.tokenization import BertTokenizer

Prediction = dict[str, Any]
Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Feature:
    """One sequence as the model reads it; a long example may give several.

    Attributes:
        example: The number of the example it comes from.
        input_ids: Ids with the special tokens, not padded.
        token_type_ids: The segment of each token.
        targets: What is to be predicted for the sequence: a number, or a vector of one length.
        token_targets: What is to be predicted for each token; padded with ``IGNORED_LABEL``.
        origin: What the task needs to turn the answer back into text.
    """

    example: int
    input_ids: Sequence[int]
    token_type_ids: Sequence[int]
    targets: dict[str, Any] = field(default_factory=dict)
    token_targets: dict[str, Sequence[int]] = field(default_factory=dict)
    origin: Any = None


class Mistake(NamedTuple):
    """An answer that was wrong, and how sure the model was of it."""

    confidence: float
    expected: str
    predicted: str
    text: str


class Confusion(NamedTuple):
    """How often each label (rows) was given each label (columns); ``counts`` [n, n]."""

    labels: tuple[str, ...]
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A kind of question that a fine-tuned BERT answers (Devlin et al. 2018, section 3.2).

    Attributes:
        labels: The labels' names in the order of their numbers; empty where there are none.
        max_seq_length: Longest sequence of a feature, in tokens with the special ones.
    """

    labels: tuple[str, ...] = ()
    max_seq_length: int = 128

    name: ClassVar[str]
    best_metric: ClassVar[str]  # the metric that chooses the best model; higher is better

    def with_labels(self, labels: Sequence[str]) -> Self:
        """The task over these labels."""
        return replace(self, labels=tuple(labels))

    @abstractmethod
    def read(self, source: str) -> list[Any]:
        """The examples of a file or data set, with labels where it has them.

        Raises:
            InputError: When it cannot be read; names the row.
        """

    @abstractmethod
    def labels_of(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """The labels found in examples, in their order; empty where the task has none."""

    @abstractmethod
    def model(self, config: BertConfig, **arguments: Any) -> Any:
        """A model for the task; ``arguments`` are those of every BERT model."""

    @abstractmethod
    def features(self, examples: Sequence[Any], tokenizer: BertTokenizer) -> list[Feature]:
        """The sequences of examples; without targets where an example has no label.

        Raises:
            InputError: When a label is not one of the task's; names the row.
        """

    @abstractmethod
    def decode(
        self, examples: Sequence[Any], features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The answer to each example, of plain Python values.

        Args:
            examples: The examples.
            features: Their features.
            outputs: The model's outputs for each feature, as float32; those for tokens [L, ...]
                without padding.
        """

    @abstractmethod
    def score(self, examples: Sequence[Any], predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics, by their names in the field; shares are fractions."""

    @abstractmethod
    def mistake(self, example: Any, prediction: Prediction) -> Mistake | None:
        """What was wrong with an answer; None when it was right."""

    def confusion(
        self, examples: Sequence[Any], predictions: Sequence[Prediction]
    ) -> Confusion | None:
        """The confusion matrix; None where the task has none."""
        return None
