"""The learning rate as a pure function of the step."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="bert_keras")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises from 0 to the peak over the warm-up, and falls to 0 at the last step.

    As the original (Devlin et al. 2019, appendix A.2; ``optimization.py``): the line of the fall
    begins at step 0 with the peak, so after the warm-up the rate drops onto it.

    Args:
        peak: The rate at the end of the warm-up.
        warmup_steps: Steps of the rise; 0 begins at the peak.
        total_steps: The step at which the rate is 0.

    Example:
        >>> rate = WarmupLinearDecay(peak=1e-4, warmup_steps=10, total_steps=100)
        >>> [round(float(rate(step)), 7) for step in (0, 5, 55, 100)]
        [0.0, 5e-05, 4.5e-05, 0.0]
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate at ``step``, from 0; a float32 scalar."""
        step = tf.cast(step, tf.float32)
        falling = tf.maximum(0.0, 1.0 - step / self.total_steps)
        rising = step / max(1, self.warmup_steps)
        return self.peak * tf.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }
