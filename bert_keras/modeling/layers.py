"""What the layers of a BERT share: what they are made of, and how it is serialised."""

from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from bert_keras.arithmetic import PLAIN, Arithmetic
from bert_keras.config import BertConfig
from bert_keras.modeling.random import fold_in, kernel_initializer


@keras.saving.register_keras_serializable(package="bert_keras")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras's LayerNorm, in the operations of an arithmetic."""

    def __init__(self, *, arithmetic: Arithmetic = PLAIN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arithmetic = arithmetic

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        return self.arithmetic.layer_norm(self, inputs)


@keras.saving.register_keras_serializable(package="bert_keras")
class Dense(keras.layers.Dense):
    """Keras's, on tokens [T, in], with a bias that learns under any dtype policy."""

    def __init__(self, units: int, *, arithmetic: Arithmetic = PLAIN, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.arithmetic = arithmetic

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[T, in] to [T, units]."""
        products = tf.matmul(inputs, self.kernel)
        outputs = self.arithmetic.add_bias(products, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


class Configured:
    """What a layer or model of a BERT is made of and hands down to its layers.

    Attributes:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks. ``None`` draws one, which
            ``keras.utils.set_random_seed`` fixes.
        arithmetic: The operations that the layers compute in; not part of what is saved.
        initialize: Whether initial weights were drawn; not part of what is saved. Else they are
            zeros, for those whose every weight is then read in: drawing the weights of a BERT-base
            takes longer than reading them.
    """

    dtype_policy: Any

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        *,
        arithmetic: Arithmetic = PLAIN,
        initialize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        if seed is None:
            seed = int(keras.random.randint((), 0, 2**31 - 1))
        self.seed = seed
        self.arithmetic = arithmetic
        self.initialize = initialize

    def sub_seed(self, name: str) -> int:
        """The seed of a layer in this one."""
        return fold_in(self.seed, name)

    def sublayer(self, layer_class: type, name: str, **arguments: Any) -> Any:
        """A layer in this one, with a seed of its own; the rest is handed down."""
        return layer_class(
            self.config,
            self.sub_seed(name),
            arithmetic=self.arithmetic,
            initialize=self.initialize,
            dtype=self.dtype_policy,
            name=name,
            **arguments,
        )


class BertLayer(Configured, keras.layers.Layer):
    """A Keras layer made of a ``BertConfig`` and a seed; see ``Configured`` for its arguments."""

    def build(self, *shapes: Any) -> None:
        """Makes the weights of the layers in it, which read rows [H] unless one says otherwise."""
        for layer in self._layers:
            layer.build((None, self.config.hidden_size))
        self.built = True

    def initializer(self, name: str) -> keras.initializers.Initializer:
        """BERT's initialiser for a weight or a layer in this one; zeros if none is to be drawn."""
        if not self.initialize:
            return keras.initializers.Zeros()
        return kernel_initializer(self.config.initializer_range, self.sub_seed(name))

    def dense(self, units: int, name: str, activation: Any = None) -> Dense:
        """A dense layer with BERT's initialiser."""
        return Dense(
            units,
            activation=activation,
            kernel_initializer=self.initializer(name),
            arithmetic=self.arithmetic,
            dtype=self.dtype_policy,
            name=name,
        )

    def layer_norm(self, name: str = "layer_norm") -> LayerNorm:
        """LayerNorm over the last axis; its statistics are float32 under any policy."""
        return LayerNorm(
            epsilon=self.config.layer_norm_eps,
            arithmetic=self.arithmetic,
            dtype=self.dtype_policy,
            name=name,
        )

    def activation(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function that ``hidden_act`` names."""
        form = self.config.activation
        own = {"gelu_erf": self.arithmetic.gelu, "gelu_tanh": self.arithmetic.gelu_tanh}
        return own[form] if form in own else keras.activations.get(form)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that are saved."""
        return super().get_config() | {"config": self.config.to_dict(), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the layer from what ``get_config`` gave."""
        return cls(**(config | {"config": BertConfig.from_dict(config["config"])}))
