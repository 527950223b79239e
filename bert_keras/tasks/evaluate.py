"""A model's answers and their scores."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from bert_keras.config.checks import at_least
from bert_keras.errors import InputError, several_texts
from bert_keras.modeling import BARE, Decision
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.answering import (
    Advance,
    AnsweringTask,
    Confusion,
    Mistake,
    Outputs,
    run_model,
)
from bert_keras.tasks.deciding import Choices, DecidingTask, LabelScore
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import Reliability, negative_log_likelihood, reliability
from bert_keras.tasks.reading import and_more
from bert_keras.tasks.registry import task_of
from bert_keras.tasks.summary import long_texts, warn_of_unknown
from bert_keras.tasks.task import Prediction, Task

_logger = logging.getLogger("bert_keras")


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model's answers to labeled examples.

    Attributes:
        metrics: Losses and metrics by name; shares are fractions. Of a model with a decision (see
            ``Decision``) the ``negative_log_likelihood`` and the ``expected_calibration_error`` of
            its probabilities are among them; losses are of the bare logits.
        confusion: The confusion matrix, where the task has one.
        mistakes: The wrong answers, the most confident first.
        confidence: The name of the value that orders the mistakes, highest first.
        predictions: The answers, in the order of the examples.
        decision: The temperature and thresholds that made probabilities and labels.
        before: The evaluation by the bare logits, where the decision changes it; else None.
        reliability: Answers by how sure they are; None where the task gives no probabilities.
        label_scores: Of tasks with several labels for a text, the F1 of each.
    """

    metrics: dict[str, float]
    confusion: Confusion | None
    mistakes: list[Mistake]
    predictions: list[Prediction]
    confidence: str = "confidence"
    decision: Decision = BARE
    before: "Evaluation | None" = None
    reliability: Reliability | None = None
    label_scores: dict[str, LabelScore] = field(default_factory=dict)


class Labeled(NamedTuple):
    """Labeled examples as a model reads them."""

    task: Task
    examples: list[Any]
    features: list[Feature]


def evaluate(model: BertModel, source: str, batch_size: int = 32, **settings: Any) -> Evaluation:
    """Score a model on labeled examples.

    Args:
        model: A model with a task's head, and its tokenizer.
        source: The examples: a file or data set that the task reads.
        batch_size: Sequences in a batch.
        **settings: Fields of the task, such as ``max_seq_length`` or ``text_column``.

    Returns:
        Metrics, confusion matrix, mistakes and answers.

    Raises:
        InputError: When the examples cannot be read, or a label is not one of the model's; names
            the row.

    Example:
        >>> evaluation = evaluate(load("run"), "dev.tsv")
        >>> evaluation.metrics["accuracy"]
        1.0
    """
    at_least("batch_size", batch_size, 1)
    task = task_of(model, **settings)
    labeled = read_labeled(model, task, source)
    if not isinstance(task, AnsweringTask):
        metrics, _ = task.measure(model, labeled.examples, labeled.features, batch_size)
        return Evaluation(metrics, None, [], [])
    return judged(labeled, *run_model(model, labeled.features, batch_size))


def read_labeled(model: BertModel, task: Task, source: str) -> Labeled:
    """The labeled examples of a file or data set.

    Raises:
        InputError: When they cannot be read, or there is none; names the row.
    """
    examples = task.read(source)
    if not examples:
        raise InputError(f"{source} has no examples")
    # So that an example without a label, and what cannot be scored, show before the model has run.
    task.labels_of(examples)
    task.metric("", examples)
    return Labeled(task, examples, _features(model, task, examples))


def judged(labeled: Labeled, outputs: Sequence[Outputs], means: Mapping[str, float]) -> Evaluation:
    """The evaluation of a model's outputs; see ``run_model``."""
    task, examples, features = labeled
    if not isinstance(task, DecidingTask):
        return _scored(labeled, outputs, means)
    choices = task.choices(features, outputs)

    def by(decision: Decision) -> Evaluation:
        decided = labeled._replace(task=replace(task, decision=decision))
        result = _scored(decided, outputs, means)
        return replace(
            result,
            decision=decision,
            reliability=reliability(*choices.at(decision)),
            label_scores=task.label_scores(examples, result.predictions),
        )

    result = by(task.decision)
    if task.decision == BARE:
        return result
    found, bare = (_with_calibration(each, choices) for each in (result, by(BARE)))
    return replace(found, before=bare)


def _with_calibration(result: Evaluation, choices: Choices) -> Evaluation:
    """The evaluation with the likelihood of the right labels and the calibration error."""
    assert result.reliability is not None
    scores = {
        "negative_log_likelihood": negative_log_likelihood(*choices.at(result.decision)),
        "expected_calibration_error": result.reliability.error,
    }
    return replace(result, metrics=result.metrics | scores)


def _scored(labeled: Labeled, outputs: Sequence[Outputs], means: Mapping[str, float]) -> Evaluation:
    """The evaluation without the parts that only deciding tasks have."""
    task, examples, features = labeled
    assert isinstance(task, AnsweringTask)
    metrics, predictions = task.judge(examples, features, outputs, means)
    wrong = (task.mistake(e, p) for e, p in zip(examples, predictions, strict=True))
    mistakes = sorted((m for m in wrong if m is not None), key=lambda m: -m.confidence)
    confusion = task.confusion(examples, predictions)
    return Evaluation(metrics, confusion, mistakes, predictions, task.confidence)


def predict(
    model: BertModel,
    texts: str | Sequence[str],
    text_pairs: str | Sequence[str] | None = None,
    batch_size: int = 32,
    on_progress: Advance | None = None,
    choices: Sequence[str] | Sequence[Sequence[str]] | None = None,
    **settings: Any,
) -> list[Prediction]:
    """A model's answers to texts, or to pairs of texts.

    A text without a token is answered too, from the special tokens alone, as exported models do.

    Args:
        model: A model with a task's head, and its tokenizer.
        texts: One text or several; the questions, where the task is to find answers.
        text_pairs: The second texts, as many; the texts in which the answers stand.
        batch_size: Sequences in a batch; the answers do not depend on it.
        on_progress: Called with the sequences done so far and their total number.
        choices: For a model of multiple choice the choices of each text, or of the one text; then
            ``text_pairs`` are what stands before the choices, such as a question.
        **settings: Fields of the task, such as ``max_seq_length``.

    Returns:
        An answer for each text in their order, of plain Python values; the task's class says
        what is in it: ``{"label", "score", "scores"}``, say.

    Raises:
        InputError: When the model has no head for a task, or no tokenizer; a row is not one text
            or two; or there are not as many second texts as first ones.

    Example:
        >>> answers = predict(load("run"), ["a fine film", "a dull film"])
        >>> [answer["label"] for answer in answers]
        ['good', 'bad']
    """
    at_least("batch_size", batch_size, 1)
    if choices is not None:
        choices = _listed_choices(texts, choices)
    texts = [texts] if isinstance(texts, str) else several_texts("texts", texts, "text_pairs")
    pairs = [text_pairs] if isinstance(text_pairs, str) else text_pairs
    pairs = None if pairs is None else several_texts("text_pairs", pairs)
    if pairs is not None and len(pairs) != len(texts):
        raise InputError(f"{len(texts)} texts need as many second ones. Received: {len(pairs)}")
    task = answering(task_of(model, **settings))
    if not texts:
        return []
    partners: Sequence[str | None] = pairs or [None] * len(texts)
    examples = [task.from_text(*row) for row in zip(texts, partners, strict=True)]
    if choices is not None:
        examples = [task.with_choices(*pair) for pair in zip(examples, choices, strict=True)]
    return answer(model, task, examples, batch_size, on_progress)


def _listed_choices(texts: str | Sequence[str], choices: Sequence[Any]) -> list[list[str]]:
    """The choices of each text.

    Raises:
        InputError: When they are not texts, or not as many lists of them as texts.
    """
    rows = [choices] if isinstance(texts, str) else list(choices)
    for number, row in enumerate(rows):
        if isinstance(row, str) or not all(isinstance(choice, str) for choice in row):
            raise InputError(f"choices[{number}] is not a list of texts. Received: {row!r:.60}")
    count = 1 if isinstance(texts, str) else len(texts)
    if len(rows) != count:
        raise InputError(f"{count} texts need as many lists of choices. Received: {len(rows)}")
    return [list(row) for row in rows]


def answering(task: Task) -> AnsweringTask:
    """The task, if its models answer texts.

    Raises:
        InputError: When they do not.
    """
    if not isinstance(task, AnsweringTask):
        raise task.no_answers()
    return task


def answer(
    model: BertModel,
    task: AnsweringTask,
    examples: Sequence[Any],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> list[Prediction]:
    """The model's answer to each example of a task; see ``predict``."""
    features = _features(model, task, examples)
    outputs, _ = run_model(model, features, batch_size, on_progress)
    return task.decode(examples, features, outputs)


def answer_rows(
    model: BertModel,
    task: AnsweringTask,
    examples: Sequence[Any],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> list[Prediction | None]:
    """The model's answer to each row of a file; None, with a warning, where it has no text.

    A row is without text if it has no token; a pair, if either half has none.
    """
    features = _features(model, task, examples)
    empty = {feature.example for feature in features if not feature.has_text()}
    if empty:
        where, more = examples[min(empty)].where, and_more(len(empty) - 1)
        _logger.warning("%s: the text is empty; its answer is null%s", where, more)
    kept = [number for number in range(len(examples)) if number not in empty]
    if not kept:
        return [None] * len(examples)
    new = {number: place for place, number in enumerate(kept)}
    features = [replace(f, example=new[f.example]) for f in features if f.example in new]
    outputs, _ = run_model(model, features, batch_size, on_progress)
    answered = task.decode([examples[number] for number in kept], features, outputs)
    found = dict(zip(kept, answered, strict=True))
    return [found.get(number) for number in range(len(examples))]


def _features(model: BertModel, task: Task, examples: Sequence[Any]) -> list[Feature]:
    """The sequences of examples; logs how many texts are too long or unknown to the model."""
    features = task.features(examples, model.tokenizer_or())
    warn_of_unknown(task, examples, features, model.tokenizer_or())
    if note := long_texts(task, features):
        _logger.info("%s", note)
    return features
