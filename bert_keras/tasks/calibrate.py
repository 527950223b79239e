"""A model's temperature and thresholds, found on labeled examples that it has not learned."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bert_keras.errors import InputError, listed
from bert_keras.modeling import Decision
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.answering import Outputs, run_model
from bert_keras.tasks.deciding import DecidingTask
from bert_keras.tasks.evaluate import Evaluation, Labeled, judged, read_labeled
from bert_keras.tasks.metrics import best_f1_threshold, best_temperature
from bert_keras.tasks.registry import TASKS, task_of
from bert_keras.tasks.task import Task

_logger = logging.getLogger("bert_keras")


def calibrate(
    model: BertModel,
    source: str,
    batch_size: int = 32,
    *,
    temperature: bool = True,
    thresholds: bool = False,
    **settings: Any,
) -> Evaluation:
    """Find what a model decides by on labeled examples, and set it as its ``decision``.

    The temperature is the one number that the logits are divided by (Guo et al. 2017, "On
    Calibration of Modern Neural Networks", section 4.2) at which the labels of the examples are the
    likeliest. With several labels for a text it is one for all their sigmoids. It is fitted to the
    bare logits, whatever temperature the model has; which labels are given does not change:
    thresholds that are not found anew move along.

    The thresholds of a multi-label model are those with the highest F1 of each label, by the
    probabilities at the temperature, the new one if it is fitted as well. A label that no example
    has keeps 0.5; see ``best_f1_threshold`` for equal ones.

    Use examples that the model was not trained on; training drops what was found.

    Args:
        model: A model of the task classification, multi_label or tagging, and its tokenizer.
        source: The examples: a file or data set that the task reads.
        batch_size: Sequences in a batch.
        temperature: Whether to fit the temperature.
        thresholds: Whether to find the thresholds.
        **settings: Fields of the task, such as ``text_column``.

    Returns:
        The evaluation by what was found; its ``before`` is the one by the bare logits.

    Raises:
        InputError: When the model gives no probabilities, has no thresholds, the examples cannot be
            read, or no temperature is best on them: all are answered right, or no better than by
            guessing. The model stays as it was.

    Example:
        >>> model = load("run")
        >>> found = calibrate(model, "hard.tsv")
        >>> found.decision == model.decision
        True
        >>> errors = [e.metrics["expected_calibration_error"] for e in (found.before, found)]
        >>> errors[0] > errors[1]
        True
        >>> save(model, "calibrated")
    """
    task = _checked(task_of(model, **settings), temperature, thresholds)
    labeled = read_labeled(model, task, source)
    outputs, means = run_model(model, labeled.features, batch_size)
    decision = _decision(task, labeled, outputs, temperature, thresholds)
    found = labeled._replace(task=replace(task, decision=decision))
    model.decision = decision
    return judged(found, outputs, means)


def deciding(task: Task) -> DecidingTask:
    """The task, if its models give labels probabilities.

    Raises:
        InputError: When they do not.
    """
    if not isinstance(task, DecidingTask):
        names = [name for name, kind in TASKS.items() if issubclass(kind, DecidingTask)]
        raise InputError(
            f"a model of the task {task.name} gives no probabilities of labels, so nothing can be "
            f"calibrated; models of {listed(names)} give them"
        )
    return task


def _checked(task: Task, temperature: bool, thresholds: bool) -> DecidingTask:
    """The task, if what is asked can be found for it."""
    if not (temperature or thresholds):
        raise InputError("calibrate finds a temperature or thresholds; ask for one of them")
    checked = deciding(task)
    if thresholds and not checked.many:
        raise InputError(
            f"thresholds are for models that give several labels. Received: one of the task "
            f"{task.name}, which gives the likeliest label whatever its probability"
        )
    return checked


def _decision(
    task: DecidingTask,
    labeled: Labeled,
    outputs: Sequence[Outputs],
    temperature: bool,
    thresholds: bool,
) -> Decision:
    """The task's decision with what is asked for found anew: the temperature first."""
    decision = task.decision
    _note_on_former(decision, temperature, thresholds)
    if temperature:
        choices = task.choices(labeled.features, outputs)
        decision = decision.at_temperature(best_temperature(*choices))
    if thresholds:
        decision = replace(decision, thresholds=_thresholds(labeled, outputs, decision))
    return decision


def _note_on_former(decision: Decision, temperature: bool, thresholds: bool) -> None:
    """Say what becomes of what the model decides by already."""
    if temperature and decision.temperature != 1:
        _logger.info(
            "the model has a temperature of %.6g: it is fitted anew, to the bare logits",
            decision.temperature,
        )
    if decision.thresholds and thresholds:
        _logger.info("the model has thresholds: they are found anew")
    elif decision.thresholds:
        _logger.info("the model's thresholds move along, so that the same labels are given")


def _thresholds(
    labeled: Labeled, outputs: Sequence[Outputs], decision: Decision
) -> tuple[float, ...]:
    """The best threshold of each label, by the probabilities at a temperature."""
    task, examples, features = labeled
    assert isinstance(task, DecidingTask)
    answers = replace(task, decision=decision).decode(examples, features, outputs)
    shares = np.array([[answer["scores"][name] for name in task.labels] for answer in answers])
    has_label = task.label_table(examples).astype(bool)
    absent = [task.labels[number] for number in np.flatnonzero(~has_label.any(axis=0))]
    if absent:
        _logger.warning("no example has %s: the threshold stays at 0.5", listed(absent, 10))
    return tuple(map(best_f1_threshold, shares.T, has_label.T))
