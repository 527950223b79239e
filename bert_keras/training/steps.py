"""One step of training and one of evaluation, over all replicas."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_keras.modeling.ratio import Ratio, total_loss

Ratios = dict[str, Ratio]


def make_train_step(
    strategy: tf.distribute.Strategy, model: Any, optimizer: Any, jit_compile: bool
) -> Callable[[Any], Ratios]:
    """A function from a global batch to its ratios, which updates the weights on the way."""

    def replica_step(batch: dict[str, tf.Tensor]) -> Ratios:
        with tf.GradientTape() as tape:
            ratios = model.ratios(batch, model(batch, training=True))
            loss = total_loss(ratios)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return ratios | {"tokens": _real_tokens(batch)}

    return _over_replicas(strategy, replica_step, jit_compile)


def make_eval_step(
    strategy: tf.distribute.Strategy, model: Any, jit_compile: bool
) -> Callable[[Any], Ratios]:
    """A function from a global batch to its ratios; changes nothing."""

    def replica_step(batch: dict[str, tf.Tensor]) -> Ratios:
        return model.ratios(batch, model(batch, training=False))

    return _over_replicas(strategy, replica_step, jit_compile)


def _over_replicas(
    strategy: tf.distribute.Strategy, replica_step: Callable, jit_compile: bool
) -> Callable[[Any], Ratios]:
    compiled = tf.function(replica_step, jit_compile=True) if jit_compile else replica_step

    @tf.function(reduce_retracing=True)  # lengths differ from batch to batch in fine-tuning
    def step(batch: Any) -> Ratios:
        ratios = strategy.run(compiled, args=(batch,))
        return tf.nest.map_structure(
            lambda part: strategy.reduce(tf.distribute.ReduceOp.SUM, part, axis=None), ratios
        )

    return step


def _real_tokens(batch: dict[str, tf.Tensor]) -> Ratio:
    """The tokens of a batch without its padding, per step."""
    count = tf.reduce_sum(tf.cast(batch["attention_mask"], tf.float32))
    return Ratio(count, tf.ones(()))
