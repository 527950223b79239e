"""A model so small that a run of it takes a moment: a line through points."""

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import CheckpointConfig, PretrainConfig, TrainConfig, WatchConfig
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.objectives import SquaredError
from bert_keras.optimizers import AdamW
from bert_keras.training.phases import Phase
from bert_keras.training.trainer import Trainer

STEPS = 60


class Line(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="zeros", name="dense")
        self.dense.build((None, 3))
        self.seeds = DropoutSeeds(name="dropout_seeds")
        self.seeds.build()
        self.built = True

    def dropout_counter(self):
        return self.seeds

    def call(self, batch, training=False, dropout_seed=None):
        return {"logits": self.dense(batch["x"])}


def batch(number):
    x = tf.random.stateless_normal([8, 3], [7, number])
    noise = tf.random.stateless_normal([8], [8, number])
    y = tf.reduce_sum(x, 1) + 0.1 * noise + 3
    return {"x": x, "labels": y, "attention_mask": tf.ones([8, 3], tf.int32)}


def points(step):
    """Endless batches, each a function of its number."""
    return tf.data.Dataset.counter(step).map(batch)


class Kill(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class At(keras.callbacks.Callback):
    """Does something once, when a step has been reached for the n-th time."""

    def __init__(self, step, action, time=1):
        super().__init__()
        self.step, self.action, self.times_left = step, action, time

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.step:
            self.times_left -= 1
            if not self.times_left:
                self.action()


def kill():
    raise Kill


def train(workdir, batches=points, callbacks=(), phases=None, train=None, checkpoint=None, **watch):
    """Trains or goes on with a run; returns its weights."""
    keras.utils.set_random_seed(0)
    model = Line()
    config = PretrainConfig(
        train=TrainConfig(
            **{"steps": STEPS, "log_every_steps": 10, "eval_every_steps": 1000} | (train or {})
        ),
        checkpoint=CheckpointConfig(**({"every_steps": 6, "keep": 5} | (checkpoint or {}))),
        watch=WatchConfig(**({"input_share": 1.0} | watch)),
    )
    trainer = Trainer(
        model,
        AdamW(0.05, bias_correction=True),
        SquaredError("line"),
        config,
        tf.distribute.get_strategy(),
        workdir,
        callbacks,
    )
    trainer.fit(phases or [Phase(STEPS, batches)])
    return np.concatenate([w.numpy().ravel() for w in model.weights])
