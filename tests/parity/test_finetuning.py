"""Fine-tuning steps against torch's AdamW on transformers' model (`make parity`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import BertConfig, BertForTokenClassification
from bert_keras.config import ArithmeticConfig, FinetuneOptimizerConfig
from bert_keras.objectives import TrainStep
from bert_keras.training import make_optimizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

STEPS, LABELS, LENGTH = 30, 5, 24
pytestmark = pytest.mark.parity


@pytest.fixture
def model(tmp_path: Path) -> Any:
    config = BertConfig.from_preset(
        "tiny",
        vocab_size=500,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )
    return BertForTokenClassification(config, seed=1, packed=True, labels=LABELS)


def batches() -> list[dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    made = []
    for _ in range(STEPS):
        ids = draw.integers(1, 500, (8, LENGTH)).astype(np.int32)
        mask = (np.arange(LENGTH) < draw.integers(4, LENGTH + 1, (8, 1))).astype(np.int32)
        labels = np.where(mask == 1, ids % LABELS, -100).astype(np.int32)  # something to learn
        made.append(
            {
                "input_ids": ids * mask,
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(ids),
                "labels": labels,
            }
        )
    return made


def torch_losses(path: Path, settings: FinetuneOptimizerConfig) -> list[float]:
    model = transformers.AutoModelForTokenClassification.from_pretrained(path).train()
    is_plain = {n: "bias" in n or "LayerNorm" in n for n, _ in model.named_parameters()}
    groups = [
        {"params": [p for n, p in model.named_parameters() if is_plain[n] == plain], **extra}
        for plain, extra in (
            (True, {"weight_decay": 0.0}),
            (False, {"weight_decay": settings.weight_decay}),
        )
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, eps=settings.epsilon)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    losses = []
    for batch in batches():
        loss = model(**{name: torch.tensor(array).long() for name, array in batch.items()}).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
        schedule.step()
    return losses


def test_thirty_steps_follow_torch_adamw_on_the_same_batches(model: Any, tmp_path: Path) -> None:
    settings = FinetuneOptimizerConfig(learning_rate=2e-3, warmup_ratio=0.0)
    bert_keras.save(model, tmp_path / "start")
    optimizer = make_optimizer(settings, STEPS)
    step = TrainStep(
        tf.distribute.get_strategy(), model, optimizer, model.objective, ArithmeticConfig()
    )
    losses = []
    for batch in batches():
        ratio = step({name: tf.constant(array) for name, array in batch.items()})["tagging_loss"]
        losses.append(float(ratio.value()))
    theirs = torch_losses(tmp_path / "start", settings)
    assert theirs[-1] < theirs[0] - 0.1
    np.testing.assert_allclose(losses, theirs, rtol=2e-4)
