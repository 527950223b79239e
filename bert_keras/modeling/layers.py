"""What the layers of a BERT share: their config, their seed, and how both are serialised."""

from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.modeling.random import fold_in, kernel_initializer


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

    def layer_norm(self, name: str = "layer_norm") -> keras.layers.LayerNormalization:
        """LayerNorm over the last axis; its statistics are float32 under any policy."""
        return keras.layers.LayerNormalization(
            epsilon=self.config.layer_norm_eps, dtype=self.dtype_policy, name=name
        )

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
    if tokens.dtype not in (tf.bfloat16, tf.float16):
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
        return lambda x: keras.activations.gelu(x, approximate=False)
    if name in ("gelu_new", "gelu_tanh"):
        return lambda x: keras.activations.gelu(x, approximate=True)
    return keras.activations.get(name)
