"""Checks of an objective against the model and the devices that train on it."""

from typing import TYPE_CHECKING

import tensorflow as tf

from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError

if TYPE_CHECKING:
    from bert_keras.objectives.steps import Model, Objective


def check_may_split(
    objective: "Objective", strategy: tf.distribute.Strategy, settings: ArithmeticConfig
) -> None:
    """Check that an objective allows its batches to be split as a run splits them.

    Raises:
        InputError: When it compares examples, and not by an output of the model alone.
    """
    replicas, micro_batches = strategy.num_replicas_in_sync, settings.accumulation_steps
    may_split = objective.is_additive or bool(getattr(objective, "compares", False))
    if not may_split and (replicas > 1 or micro_batches > 1):
        raise InputError(
            f"{type(objective).__name__} compares the examples of a batch with each other, which "
            "must not be split: train it on one device, with train.accumulation_steps = 1. "
            f"Received: {replicas} devices, accumulation_steps = {micro_batches}"
        )


def check_head(model: "Model", objective: "Objective") -> None:
    """Check that the layer of an objective is trained with the model.

    Raises:
        InputError: When the objective has one and is not the model's own.
    """
    head = getattr(objective, "head", None)
    trained = {id(variable) for variable in model.weights}
    if head and not all(id(variable) in trained for variable in head.weights):
        name = type(objective).__name__
        raise InputError(
            f"{name} has a layer of its own, which is trained where it is the model's objective "
            f"alone: set model.objective to this {name} before the optimizer is made"
        )
