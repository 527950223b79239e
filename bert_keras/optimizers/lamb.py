"""LAMB, for batches of thousands of examples."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_keras.optimizers.adamw import AdamW

# Kernels of several matrices side by side, and how many: query, key and value.
FUSED = {"query_key_value/kernel": 3}


@keras.saving.register_keras_serializable(package="bert_keras")
class LAMB(AdamW):
    """Adam with a step on each weight matrix in proportion to its norm (You et al. 2020).

    Algorithm 2 with φ(z) = z: Adam's direction plus the decay, scaled by the trust ratio
    ‖weights‖ / ‖direction‖. Biases and LayerNorm weights are neither decayed nor scaled, as in the
    authors' code. Queries, keys and values share a kernel, but each has its own trust ratio. The
    printed algorithm corrects the bias of the moments, the authors' code does not;
    ``bias_correction`` chooses.

    Arguments are those of ``AdamW``, after the learning rate by name.

    Example:
        >>> optimizer = LAMB(2e-3, bias_correction=True)
        >>> optimizer.clip_norm
        1.0
    """

    def __init__(self, learning_rate: Any = 1e-3, name: str = "lamb", **kwargs: Any) -> None:
        super().__init__(learning_rate, name=name, **kwargs)

    def build(self, variables: Sequence[Any]) -> None:
        """Make the moments, and note the fused kernels."""
        super().build(variables)
        self._matrices = [
            next((n for end, n in FUSED.items() if variable.path.endswith(end)), 1)
            for variable in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable and its moments."""
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
            direction *= _trust_ratios(weights, direction, self._matrices[index])
        variable.assign_sub(learning_rate * is_applied * direction)


def _trust_ratios(weights: tf.Tensor, direction: tf.Tensor, count: int) -> tf.Tensor:
    """‖weights‖ / ‖direction‖ of each matrix in a kernel, 1 where either is 0.

    Returns:
        Factors of the direction: [1], or for several matrices [last axis].
    """
    weight_norms, direction_norms = (_norms(tensor, count) for tensor in (weights, direction))
    ratios = tf.where(
        (weight_norms > 0) & (direction_norms > 0),
        tf.math.divide_no_nan(weight_norms, direction_norms),
        1.0,
    )
    return tf.repeat(ratios, weights.shape[-1] // count) if count > 1 else ratios


def _norms(tensor: tf.Tensor, count: int) -> tf.Tensor:
    """The Euclidean norm of each of the matrices side by side, [count]."""
    table = tf.reshape(tensor, [-1, count, tensor.shape[-1] // count])
    return tf.sqrt(tf.reduce_sum(tf.square(table), axis=[0, 2]))
