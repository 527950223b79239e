"""What the layers of a BERT share: their config, their seed, and how both are serialised."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.modeling.fusion import fused
from bert_keras.modeling.random import fold_in, kernel_initializer

_is_for_inference = ContextVar("_is_for_inference", default=False)


@contextmanager
def for_inference() -> Iterator[None]:
    """Layers traced in the block are written in the operations that grappler fuses on a CPU.

    Not for GPUs: cuDNN takes no epsilon as small as BERT's.
    """
    token = _is_for_inference.set(True)
    try:
        yield
    finally:
        _is_for_inference.reset(token)


@keras.saving.register_keras_serializable(package="bert_keras")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras's LayerNorm; for inference as the subgraph that becomes one operation of oneDNN."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        if not _is_for_inference.get():
            return super().call(inputs)
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
    if tokens.dtype not in (tf.bfloat16, tf.float16) or _is_for_inference.get():
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
    if name == "gelu":
        return fused(lambda x: keras.activations.gelu(x, approximate=False))
    if name in ("gelu_new", "gelu_tanh"):
        return fused(lambda x: keras.activations.gelu(x, approximate=True))
    return keras.activations.get(name)
