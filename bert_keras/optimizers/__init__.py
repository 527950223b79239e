"""The optimizers and the learning-rate schedule that BERT was trained with."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.optimizers.adamw import AdamW
from bert_keras.optimizers.lamb import LAMB
from bert_keras.optimizers.schedule import WarmupLinearDecay

__all__ = ["LAMB", "AdamW", "WarmupLinearDecay"]
