"""The optimizer and the learning-rate schedule that BERT was trained with."""

from bert_keras.optimizers.adamw import AdamW
from bert_keras.optimizers.schedule import WarmupLinearDecay

__all__ = ["AdamW", "WarmupLinearDecay"]
