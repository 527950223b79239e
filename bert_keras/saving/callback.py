"""The best model of a training on the disk."""

import math
from pathlib import Path
from typing import Any

import keras

from bert_keras.errors import InputError
from bert_keras.files import check_replaceable
from bert_keras.saving.files import save
from bert_keras.tokenization import Tokenizer


class SaveBest(keras.callbacks.Callback):
    """Save the model as a Hugging Face directory whenever an epoch was the best so far.

    Args:
        path: The directory; each better model replaces the one before, or what ``save`` wrote
            there earlier, once it is whole.
        monitor: A measure of the logs, such as ``"val_classification_accuracy"``.
        mode: ``"min"`` or ``"max"``; by default ``"min"`` for what ends in ``loss``.
        tokenizer: Saved with the model; by default the one that it was loaded with.

    Raises:
        InputError: When the logs lack the measure; the message names those they have. Before
            training begins, when the directory has files that ``save`` did not write.

    Example:
        >>> model = BertForPreTraining(config)
        >>> model.compile()
        >>> best = SaveBest("best", monitor="loss", tokenizer=tokenizer)
        >>> history = model.fit(batches, epochs=2, steps_per_epoch=1, callbacks=[best], verbose=0)
        >>> best.best == min(history.history["loss"])
        True
    """

    def __init__(
        self,
        path: str | Path,
        monitor: str,
        mode: str | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self.monitor = monitor
        self.mode = mode or ("min" if monitor.endswith("loss") else "max")
        if self.mode not in ("min", "max"):
            raise InputError(f'mode must be "min" or "max". Received: {mode!r}')
        self.tokenizer = tokenizer
        self.best = math.inf if self.mode == "min" else -math.inf

    def on_train_begin(self, logs: Any = None) -> None:
        """Check the directory before there is anything to lose."""
        check_replaceable(self.path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if this epoch was better than all before."""
        logs = logs or {}
        if self.monitor not in logs:
            raise InputError(
                f"SaveBest: the logs have no {self.monitor!r}; they have {', '.join(logs)}"
            )
        self.save_if_better(float(logs[self.monitor]))

    def is_better(self, value: float) -> bool:
        """Tell whether a value beats the best so far; one that is not a number never does."""
        return value < self.best if self.mode == "min" else value > self.best

    def save_if_better(self, value: float) -> None:
        """Save the model that has this value if no other had a better one."""
        if self.is_better(value):
            self.best = value
            save(self.model, self.path, self.tokenizer)
