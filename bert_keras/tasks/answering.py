"""A task that gives an answer to each text: how it is decoded, scored and shown."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bert_keras.modeling.model import BertModel
from bert_keras.objectives.means import LOSS
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.running import Outputs, run_model
from bert_keras.tasks.task import Prediction, Task

_LOWER_IS_BETTER = ("_error", "_threshold")  # or neither is


class Mistake(NamedTuple):
    """An answer that was wrong, and how sure the model was of it, or how far off."""

    confidence: float
    expected: str
    predicted: str
    text: str


class Confusion(NamedTuple):
    """How often each label (rows) was given each label (columns); ``counts`` [n, n]."""

    labels: tuple[str, ...]
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True)
class AnsweringTask(Task):
    """A task whose model answers texts: what ``predict`` and exports ask of it.

    Attributes:
        confidence: What orders the mistakes.
        answers_questions: Whether an answer belongs to a question, by whose id SQuAD's official
            scorers read it.
    """

    confidence: ClassVar[str] = "confidence"
    answers_questions: ClassVar[bool] = False

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of ``row``."""

    def metrics(self) -> list[str]:
        """Those of ``score`` of which higher is better."""
        return [name for name in self.score([], []) if not name.endswith(_LOWER_IS_BETTER)]

    @abstractmethod
    def from_text(self, text: str, text_pair: str | None = None) -> Any:
        """The example of a text, or of a pair, that is to be answered."""

    @abstractmethod
    def read_texts(self, source: str) -> list[Any]:
        """The examples of a file that are to be answered, one for every row.

        Labels are passed over; a text may be empty.
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
    def texts_of(self, example: Any) -> dict[str, str]:
        """The texts of an example, by their names in files of answers."""

    @abstractmethod
    def row(self, example: Any, prediction: Prediction) -> list[str]:
        """The answer as a row of a table, under ``columns``."""

    @abstractmethod
    def mistake(self, example: Any, prediction: Prediction) -> Mistake | None:
        """What was wrong with an answer; None when it was right."""

    def confusion(
        self, examples: Sequence[Any], predictions: Sequence[Prediction]
    ) -> Confusion | None:
        """The confusion matrix; None where the task has none."""
        return None

    @abstractmethod
    def is_labelled(self, example: Any) -> bool:
        """Tell whether an example has what answers are scored by."""

    def counted(self, examples: Sequence[Any], labelled: bool) -> tuple[int, str]:
        """How many answers a metric counts, and what they are called.

        Args:
            examples: The examples.
            labelled: Whether they have labels.
        """
        return len(examples), "texts"

    @abstractmethod
    def decisions(self, prediction: Prediction) -> list[Any] | None:
        """What an answer comes down to; None where it is a measurement.

        Answers to one example come down to as many values, whichever model gives them.
        """

    def measure(
        self,
        model: BertModel,
        examples: Sequence[Any],
        features: Sequence[Feature],
        batch_size: int = 32,
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The model's losses and metrics on labelled examples, and its answers to them."""
        outputs, means = run_model(model, features, batch_size)
        predictions = self.decode(examples, features, outputs)
        losses = {name: value for name, value in means.items() if name.endswith(LOSS)}
        return losses | self.score(examples, predictions), predictions
