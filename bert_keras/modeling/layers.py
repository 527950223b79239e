"""What the layers of a BERT share: their config, their seed, and how both are serialised."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Self

import keras
import tensorflow as tf

from bert_keras.arithmetic.fusion import fused, fuses
from bert_keras.arithmetic.scope import holding
from bert_keras.config import BertConfig
from bert_keras.config.model import ACTIVATIONS
from bert_keras.modeling.random import fold_in, kernel_initializer

_inference_on = ContextVar("_inference_on", default="")


def for_inference(on: str = "cpu") -> AbstractContextManager[None]:
    """Layers traced in the block are written for one kind of machine, and no more for training.

    Args:
        on: ``"cpu"``: in the operations that grappler fuses; not for GPUs, since cuDNN takes no
            epsilon as small as BERT's. ``"gpu"``: in TensorFlow's own. ``"phone"``: in those of
            TFLite's that its XNNPACK runs in few pieces.
    """
    return holding(_inference_on, on)


def inference_on() -> str:
    """What ``for_inference`` was told; empty outside of it."""
    return _inference_on.get()


@keras.saving.register_keras_serializable(package="bert_keras")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras's LayerNorm, in the operations that the machine is quick at."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        if inference_on() == "cpu":
            return self._as_batch_norm(inputs)
        if inference_on() == "phone":
            return self._plain(inputs)
        if fuses(inputs):
            gamma, beta = (tf.convert_to_tensor(weight) for weight in (self.gamma, self.beta))
            return _normalized_in_few_passes(inputs, gamma, beta, self.epsilon)
        return super().call(inputs)

    def _plain(self, inputs: tf.Tensor) -> tf.Tensor:
        # The definition takes TFLite 9 operations, Keras's way 11. With L2_NORMALIZATION it would
        # take 5, but XNNPACK has none: at each the graph falls apart, and all of it is slower.
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta

    def _as_batch_norm(self, inputs: tf.Tensor) -> tf.Tensor:
        # This subgraph becomes one operation of oneDNN.
        shape = tf.shape(inputs)
        rows, empty = shape[0], tf.zeros([0])
        # Every row is a channel of its own. grappler looks for this pattern (remapper.cc,
        # FindMklLayerNorm), which Keras 2 wrote.
        normalized = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(inputs, [1, rows, inputs.shape[-1], 1]),
            scale=tf.fill([rows], 1.0),
            offset=tf.fill([rows], 0.0),
            mean=empty,
            variance=empty,
            epsilon=self.epsilon,
            data_format="NCHW",
            is_training=True,
        ).y
        gamma, beta = (tf.cast(weight, inputs.dtype) for weight in (self.gamma, self.beta))
        return tf.reshape(normalized, shape) * gamma + beta


def _normalized_in_few_passes(
    inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """LayerNorm that keeps nothing but its input for the gradient; float32 between."""

    @tf.custom_gradient
    def normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return _normalization_gradient(x, gamma, upstream, epsilon)

        return _normalization(x, gamma, beta, epsilon), gradient

    return normalize(inputs, gamma, beta)


@tf.function(jit_compile=True)
def _normalization(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    standardized, _ = _standardized(x, epsilon)
    return tf.cast(standardized * gamma + beta, x.dtype)


@tf.function(jit_compile=True)
def _normalization_gradient(
    x: tf.Tensor, gamma: tf.Tensor, upstream: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The gradients of the input, gamma and beta."""
    standardized, scale = _standardized(x, epsilon)
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gamma
    mean = tf.reduce_mean(inner, axis=-1, keepdims=True)
    slope = tf.reduce_mean(inner * standardized, axis=-1, keepdims=True)
    of_x = scale * (inner - mean - slope * standardized)
    of_gamma = tf.reduce_sum(upstream * standardized, axis=0)
    return tf.cast(of_x, x.dtype), of_gamma, tf.reduce_sum(upstream, axis=0)


def _standardized(x: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each row [H] the values at mean 0 and variance 1, and what they were scaled with."""
    x = tf.cast(x, tf.float32)
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(centred * centred, axis=-1, keepdims=True) + epsilon)
    return centred * scale, scale


class BertLayer(keras.layers.Layer):
    """A Keras layer made of a ``BertConfig`` and a seed.

    Args:
        config: The architecture.
        seed: Fixes the layer's initial weights and its dropout masks.
        **kwargs: Arguments of ``keras.layers.Layer``.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.seed = seed

    def sub_seed(self, name: str) -> int:
        """The seed of a part of this layer."""
        return fold_in(self.seed, name)

    def dense(self, units: int, name: str, activation: Any = None) -> "Dense":
        """A dense layer with BERT's initialiser."""
        return Dense(
            units,
            activation=activation,
            kernel_initializer=kernel_initializer(
                self.config.initializer_range, self.sub_seed(name)
            ),
            dtype=self.dtype_policy,
            name=name,
        )

    def layer_norm(self, name: str = "layer_norm") -> LayerNorm:
        """LayerNorm over the last axis; its statistics are float32 under any policy."""
        return LayerNorm(epsilon=self.config.layer_norm_eps, dtype=self.dtype_policy, name=name)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"config": self.config.to_dict(), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the layer from what ``get_config`` gave."""
        return cls(**(config | {"config": BertConfig.from_dict(config["config"])}))


@keras.saving.register_keras_serializable(package="bert_keras")
class Dense(keras.layers.Dense):
    """Keras's, on tokens [T, in], with a bias that learns under any dtype policy."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[T, in] to [T, units]."""
        outputs = add_bias(tf.matmul(inputs, self.kernel), tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


def add_bias(tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias [n] to each of the tokens [T, n].

    On CPUs TensorFlow sums the gradient of a bfloat16 bias in bfloat16, where small addends vanish
    beside the sum: of 4,096 tokens a third was lost. A product with ones sums in float32, and is
    the faster of the two.
    """
    if tokens.dtype not in (tf.bfloat16, tf.float16) or inference_on():
        return tf.nn.bias_add(tokens, bias)

    @tf.custom_gradient
    def add(tokens: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            ones = tf.ones([1, tf.shape(upstream)[0]], upstream.dtype)
            return upstream, tf.matmul(ones, upstream)[0]

        return tf.nn.bias_add(tokens, bias), gradient

    return add(tokens, bias)


def activation(name: str) -> Any:
    """The activation that ``hidden_act`` names; ``"gelu"`` is the exact erf form."""
    form = ACTIVATIONS[name]
    if form == "gelu_erf":
        return fused(_gelu)
    if form == "gelu_tanh":
        return fused(lambda x: keras.activations.gelu(x, approximate=True))
    return keras.activations.get(form)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    if inference_on() in ("cpu", "gpu"):
        # TensorFlow writes it by erfc, which ONNX does not have. oneDNN makes the same operation
        # of both: no answer changes by a bit.
        return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))
    return keras.activations.gelu(x, approximate=False)
