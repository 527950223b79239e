"""What the layers of a BERT share: their config, their seed, and how both are serialised."""

from typing import Any, Self

import keras

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

    def dense(self, units: int, name: str, activation: Any = None) -> keras.layers.Dense:
        """A dense layer with BERT's initialiser."""
        return keras.layers.Dense(
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


def activation(name: str) -> Any:
    """The activation that ``hidden_act`` names; ``"gelu"`` is the exact erf form."""
    if name == "gelu":
        return lambda x: keras.activations.gelu(x, approximate=False)
    if name in ("gelu_new", "gelu_tanh"):
        return lambda x: keras.activations.gelu(x, approximate=True)
    return keras.activations.get(name)
