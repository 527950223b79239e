"""LAMB, for batches of thousands of examples."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_keras.optimizers.adamw import AdamW

# Kernels that hold several matrices side by side, and how many: query, key and value.
FUSED = {"query_key_value/kernel": 3}


@keras.saving.register_keras_serializable(package="bert_keras")
class LAMB(AdamW):
    """Adam whose step on each weight matrix is as long as the matrix allows (You et al. 2020).

    Algorithm 2 with φ(z) = z: Adam's direction plus the decay, scaled by the trust ratio
    ‖weights‖ / ‖direction‖. Biases and LayerNorm weights are neither decayed nor scaled, as in the
    authors' own code. Queries, keys and values, though fused in one kernel, have a trust ratio
    each, as where they are three. The algorithm as printed corrects the bias of the moments, the
    authors' code does not: ``bias_correction`` says which.

    Arguments are those of ``AdamW``, after the learning rate by name.

    Example:
        >>> optimizer = LAMB(2e-3, bias_correction=True)
        >>> optimizer.clip_norm
        1.0
    """

    def __init__(self, learning_rate: Any = 1e-3, name: str = "lamb", **kwargs: Any) -> None:
        super().__init__(learning_rate, name=name, **kwargs)

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the moments; notes which kernels are fused."""
        super().build(variables)
        self._parts = [
            next((n for end, n in FUSED.items() if variable.path.endswith(end)), 1)
            for variable in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its moments."""
        index, dtype = self._get_variable_index(variable), variable.dtype
        learning_rate = tf.cast(learning_rate, dtype) * self._rate_factor(index)
        gradient = tf.cast(gradient, dtype)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        is_applied = self.loss_scale.is_applied if self.loss_scale else tf.ones((), dtype)
        first = momentum + (gradient - momentum) * (1 - self.beta_1) * is_applied
        second = velocity + (tf.square(gradient) - velocity) * (1 - self.beta_2) * is_applied
        momentum.assign(first)
        velocity.assign(second)
        if self.bias_correction:
            step = self._updates(dtype)
            first /= 1 - tf.pow(tf.cast(self.beta_1, dtype), step)
            second /= 1 - tf.pow(tf.cast(self.beta_2, dtype), step)
        direction = first / (tf.sqrt(second) + self.epsilon)
        if self._use_weight_decay(variable):
            weights = tf.convert_to_tensor(variable)
            direction += self.weight_decay * weights
            direction *= _trust_ratios(weights, direction, self._parts[index])
        variable.assign_sub(learning_rate * is_applied * direction)


def _trust_ratios(weights: tf.Tensor, direction: tf.Tensor, parts: int) -> tf.Tensor:
    """‖weights‖ / ‖direction‖ of each part of the last axis, 1 where either is 0.

    Returns:
        [1, ..., 1] or, of several parts, [1, ..., last axis], to multiply the direction with.
    """
    weight_norms, direction_norms = (_norms(tensor, parts) for tensor in (weights, direction))
    ratios = tf.where(
        (weight_norms > 0) & (direction_norms > 0),
        tf.math.divide_no_nan(weight_norms, direction_norms),
        1.0,
    )
    return tf.repeat(ratios, weights.shape[-1] // parts) if parts > 1 else ratios


def _norms(tensor: tf.Tensor, parts: int) -> tf.Tensor:
    """The Euclidean norm of each part of the last axis, [parts]."""
    table = tf.reshape(tensor, [-1, parts, tensor.shape[-1] // parts])
    return tf.sqrt(tf.reduce_sum(tf.square(table), axis=[0, 2]))
