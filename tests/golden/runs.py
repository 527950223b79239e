"""Whole runs, as the commands train: phases, micro-batches, dropout, evaluation, the best model."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import bert_keras
from bert_keras.config import (
    CheckpointConfig,
    FinetuneModelConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    ModelConfig,
    OptimizerConfig,
    PhaseConfig,
    TaskDataConfig,
    TrainConfig,
)
from bert_keras.training import pretrain, read_metrics
from tests.golden import inputs, sampling, task_data

_LOGGED = ("mlm_loss", "nsp_loss", "classification_loss", "learning_rate")


def runs_values(folder: Path) -> dict[str, Any]:
    """The log's numbers and the final weights of a run of each kind."""
    pretrained = _pretrained(folder)
    tuned = _finetuned(folder, pretrained / "model")
    runs = {"pretrain": pretrained, "finetune": tuned}
    return {f"{kind}/{name}": v for kind, run in runs.items() for name, v in _found(run).items()}


def _pretrained(folder: Path) -> Path:
    phase = PhaseConfig(
        until=0.5, max_seq_length=16, max_predictions_per_seq=3, batch_size=12, next_sentence="none"
    )
    config = bert_keras.PretrainConfig(
        model=ModelConfig(preset="tiny", initializer_range=0.1, max_position_embeddings=64),
        data=sampling.data_config("nsp", "whole_word", eval_fraction=0.2, phases=(phase,)),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_ratio=0.25),
        train=TrainConfig(
            steps=6,
            batch_size=8,
            log_every_steps=1,
            eval_every_steps=3,
            eval_batches=2,
            accumulation_steps=2,
            rematerialize=True,
        ),
        checkpoint=CheckpointConfig(every_steps=0),
    )
    pretrain(config, folder / "pretrained", inputs.make_corpus(folder))
    return folder / "pretrained"


def _finetuned(folder: Path, start: Path) -> Path:
    task, write, _ = task_data.TASKS["classification"]
    config = bert_keras.FinetuneConfig(
        model=FinetuneModelConfig(frozen_layers=1, head_initializer_range=0.2),
        data=TaskDataConfig(max_seq_length=task.max_seq_length, dev_fraction=0.3),
        optimizer=FinetuneOptimizerConfig(learning_rate=1e-3, layer_decay=0.8),
        train=FinetuneTrainConfig(
            epochs=2, batch_size=4, log_every_steps=1, class_weights="balanced", seed=1
        ),
        checkpoint=CheckpointConfig(every_steps=0),
    )
    bert_keras.finetune(config, folder / "tuned", start, str(write(folder / "pairs")))
    return folder / "tuned"


def _found(run: Path) -> dict[str, Any]:
    lines = read_metrics(run)
    weights = load_file(run / "model" / "model.safetensors")
    # A key's bias adds the same to all scores of a query, and so has no gradient but rounding's.
    norms = {
        name: float(np.linalg.norm(array))
        for name, array in weights.items()
        if not name.endswith("key.bias")
    }
    values: dict[str, Any] = {
        f"{split} {name}": [line[name] for line in lines if line["split"] == split and name in line]
        for split in ("train", "eval")
        for name in _LOGGED
    }
    values = {name: numbers for name, numbers in values.items() if numbers}
    return values | {"weights": norms}
