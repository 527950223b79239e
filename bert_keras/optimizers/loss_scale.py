"""Dynamic loss scaling for float16."""

from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf


class LossScale:
    """Dynamic loss scaling (Micikevicius et al. 2017, section 3.2).

    Gradients below float16's smallest number become 0; those of a scaled loss do not, and are
    divided by the scale in float32. When one overflows, the step is skipped and the scale halved;
    after ``GROWTH_STEPS`` good steps it is doubled.

    Keras's ``LossScaleOptimizer`` branches around the whole update. Here the graph is the same in
    every step, the gradients are checked after they are summed over the replicas, and the state is
    in the optimizer's variables, and so in checkpoints.

    Args:
        add_variable: The optimizer's method.

    Attributes:
        factor: float32, the scale.
        skipped: int64, the number of steps skipped so far.
        is_applied: float32, 1 where the current step is good, else 0.
    """

    INITIAL: ClassVar[float] = 2.0**15
    GROWTH_STEPS: ClassVar[int] = 2000
    # Else the scale of a model whose gradients are all 0 would grow to infinity.
    LARGEST: ClassVar[float] = 2.0**31

    def __init__(self, add_variable: Callable[..., Any]) -> None:
        def add(name: str, dtype: str, initializer: Any) -> Any:
            return add_variable(
                (), initializer, dtype, aggregation="only_first_replica", name=f"loss_scale_{name}"
            )

        self.factor = add("factor", "float32", tf.constant_initializer(self.INITIAL))
        self.skipped = add("skipped", "int64", "zeros")
        self.is_applied = add("is_applied", "float32", "ones")
        self._good_steps = add("good_steps", "int64", "zeros")

    def unscale(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """The gradients of the unscaled loss, all 0 where one is not finite; adapts the scale.

        Args:
            gradients: Of the scaled loss, summed over the replicas.
        """
        is_good = tf.reduce_all([tf.reduce_all(tf.math.is_finite(grad)) for grad in gradients])
        scale = tf.convert_to_tensor(self.factor)
        gradients = [
            tf.where(is_good, tf.cast(grad, tf.float32) / scale, 0.0) for grad in gradients
        ]
        good_steps = tf.where(is_good, tf.convert_to_tensor(self._good_steps) + 1, 0)
        grows = good_steps >= self.GROWTH_STEPS
        adapted = tf.where(grows, tf.minimum(scale * 2, self.LARGEST), scale)
        self.factor.assign(tf.where(is_good, adapted, tf.maximum(scale / 2, 1.0)))
        self._good_steps.assign(tf.where(grows, tf.zeros_like(good_steps), good_steps))
        self.skipped.assign_add(tf.cast(~is_good, tf.int64))
        self.is_applied.assign(tf.cast(is_good, tf.float32))
        return gradients
