"""A task that gives an answer to each text: how it is computed, decoded, scored and shown."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling.forward import lies_on_tpu
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import Means, mean_values
from bert_keras.objectives.means import LOSS
from bert_keras.retrieval.exact import Advance
from bert_keras.tasks.batches import ordered_batches
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.task import Prediction, Predictions, Task

Outputs = dict[str, np.ndarray]

_LOWER_IS_BETTER = ("_error", "_threshold")  # or neither is
_LENGTH_STEP = 64  # a TPU reads lengths that are its multiples


class Mistake(NamedTuple):
    """A wrong answer, and how sure the model was of it, or how far off it is."""

    confidence: float
    expected: str
    predicted: str
    text: str


class Confusion(NamedTuple):
    """A confusion matrix: ``counts`` [n, n] of right labels (rows) and given ones (columns)."""

    labels: tuple[str, ...]
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True)
class AnsweringTask(Task):
    """A task whose model answers texts: what ``predict`` and exports need of it.

    Attributes:
        confidence: The name of the value that orders the mistakes.
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
        """The metrics of ``score`` of which higher is better."""
        return [name for name in self.score([], []) if not name.endswith(_LOWER_IS_BETTER)]

    @abstractmethod
    def from_text(self, text: str, text_pair: str | None = None) -> Any:
        """The example of a text, or of a pair, that is to be answered."""

    def with_choices(self, example: Any, choices: Sequence[str]) -> Any:
        """The example as a choice between texts.

        Raises:
            InputError: When the task has no such examples.
        """
        raise InputError(
            f"choices (--choice) are for a model of multiple choice; this one's task is {self.name}"
        )

    @abstractmethod
    def read_texts(self, source: str) -> list[Any]:
        """The examples of a file that are to be answered, one for every row.

        Labels are ignored; a text may be empty.
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
    def score(self, examples: Sequence[Any], predictions: Predictions) -> dict[str, float]:
        """The task's metrics, by their names in the field; shares are fractions."""

    @abstractmethod
    def texts_of(self, example: Any) -> dict[str, str]:
        """The texts of an example, by their names in files of answers."""

    @abstractmethod
    def row(self, example: Any, prediction: Prediction) -> list[str]:
        """The answer as a row of a table, under ``columns``."""

    @abstractmethod
    def mistake(self, example: Any, prediction: Prediction) -> Mistake | None:
        """The mistake in an answer; None when it is right."""

    def confusion(self, examples: Sequence[Any], predictions: Predictions) -> Confusion | None:
        """The confusion matrix; None where the task has none."""
        return None

    @abstractmethod
    def is_labeled(self, example: Any) -> bool:
        """Tell whether an example has the labels that answers are scored by."""

    def counted(self, examples: Sequence[Any], labeled: bool) -> tuple[int, str]:
        """The number of answers that a metric counts, and what they are called.

        Args:
            examples: The examples.
            labeled: Whether they have labels.
        """
        return len(examples), "texts"

    @abstractmethod
    def decisions(self, prediction: Prediction) -> list[Any] | None:
        """The values of an answer that are right or wrong; None where it is a measurement.

        An example has the same number of them whichever model answers it.
        """

    def usage(self, is_pair: bool) -> str:
        """An answer to a text, a pair or a question."""
        first, more = '["A text."]', ', ["Another text."]' if is_pair else ""
        if self.answers_questions:
            first, more = '["A question?"]', ', ["A text with the answer."]'
        return f"print(bert_keras.predict(model, {first}{more}))"

    def measure(
        self,
        model: BertModel,
        examples: Sequence[Any],
        features: Sequence[Feature],
        batch_size: int = 32,
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The model's losses and metrics on labeled examples, and its answers to them."""
        return self.judge(examples, features, *run_model(model, features, batch_size))

    def judge(
        self,
        examples: Sequence[Any],
        features: Sequence[Feature],
        outputs: Sequence[Outputs],
        means: Mapping[str, float],
    ) -> tuple[dict[str, float], list[Prediction]]:
        """The losses and metrics by a model's outputs, and the answers; see ``run_model``."""
        predictions = self.decode(examples, features, outputs)
        losses = {name: value for name, value in means.items() if name.endswith(LOSS)}
        return losses | self.score(examples, predictions), predictions


def run_model(
    model: BertModel,
    features: Sequence[Feature],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> tuple[list[Outputs], dict[str, float]]:
    """The outputs for each feature and, where they have targets, the model's mean loss.

    Returns:
        For each feature its outputs in float32, those for tokens without padding; and the means
        of the model's objective over all features.
    """
    if not features:
        return [], {}
    most = max(len(feature.window_ends) for feature in features)  # sequences in a row
    batch_size = max(1, batch_size // max(1, most))
    shape = _static_shape(model, features) if lies_on_tpu(model) else ()
    batches, order = ordered_batches(features, batch_size, model.tokenizer_or().pad_id, *shape)
    rows: list[Outputs] = []
    means: list[Means] = []
    has_targets = bool(features[0].targets or features[0].token_targets)
    for batch in batches:
        outputs = model.forward(batch, batch_size)
        if has_targets:
            means.append(model.objective.measure(batch, outputs))
        lengths = batch["attention_mask"].sum(axis=1).tolist()
        rows += _rows(outputs, lengths, model.token_outputs)
        if on_progress:
            on_progress(len(rows), len(features))
    in_order: list[Outputs] = [{}] * len(features)
    for number, row in zip(order, rows, strict=True):
        in_order[number] = row
    return in_order, mean_values(means)


def _static_shape(model: BertModel, features: Sequence[Feature]) -> tuple[int, int | None]:
    """The length and, where there are windows, their number, for all batches of the features.

    Lengths are a few, so that as few programs serve all calls.
    """
    most = max(len(feature.window_ends) for feature in features)
    longest = max(len(each.input_ids) for feature in features for each in feature.windows())
    steps = -(-longest // _LENGTH_STEP)
    return min(steps * _LENGTH_STEP, model.config.longest_sequence), most or None


def _rows(
    outputs: dict[str, tf.Tensor], lengths: Sequence[int], for_tokens: Sequence[str]
) -> list[Outputs]:
    """The outputs of each sequence of a batch."""
    arrays = {name: tf.cast(value, tf.float32).numpy() for name, value in outputs.items()}
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise InputError("the model's answers are not finite numbers: its training went wrong")
    return [
        {name: a[row, :length] if name in for_tokens else a[row] for name, a in arrays.items()}
        for row, length in enumerate(lengths)
    ]
