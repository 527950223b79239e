"""Recipes of runs that take seconds."""

from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
)


def recipe(model=None, data=None, optimizer=None, train=None):
    """A fine-tuning recipe with these keys of its tables."""
    return FinetuneConfig(
        model=FinetuneModelConfig(**(model or {})),
        data=TaskDataConfig(**({"max_seq_length": 40} | (data or {}))),
        optimizer=FinetuneOptimizerConfig(**({"learning_rate": 2e-3} | (optimizer or {}))),
        train=FinetuneTrainConfig(
            **({"epochs": 12, "batch_size": 16, "log_every_steps": 4} | (train or {}))
        ),
        checkpoint=CheckpointConfig(every_steps=8),
    )
