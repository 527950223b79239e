"""The base of BERT's layers, and those that the encoder is built from."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from bert_keras.arithmetic import PLAIN, Arithmetic
from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.layout import Layout, lookup
from bert_keras.modeling.random import dropout, fold_in, kernel_initializer

NO_QUANTIZATION = (
    "Keras does not quantize these layers; export_tflite with quantize='dynamic' or 'int8' writes "
    "weights of 8 bits"
)


@keras.saving.register_keras_serializable(package="bert_keras")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras's LayerNorm, computed by an arithmetic."""

    def __init__(self, *, arithmetic: Arithmetic = PLAIN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arithmetic = arithmetic

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        return self.arithmetic.layer_norm(self, inputs)


@keras.saving.register_keras_serializable(package="bert_keras")
class Dense(keras.layers.Dense):
    """Keras's dense layer on tokens [T, in], the bias added by an arithmetic."""

    def __init__(self, units: int, *, arithmetic: Arithmetic = PLAIN, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.arithmetic = arithmetic

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[T, in] to [T, units]."""
        outputs = tf.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = self.arithmetic.add_bias(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


class Configured:
    """The settings of a layer or model of a BERT, which it hands down to its layers.

    Attributes:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks. ``None`` draws one, which
            ``keras.utils.set_random_seed`` fixes.
        arithmetic: The operations that the layers compute in; not part of what is saved.
        initialize: Whether initial weights were drawn; not part of what is saved. Else they are
            zeros, for a model whose weights are all read from a file: drawing those of a BERT-base
            takes longer than reading them.

    Raises:
        InputError: When the dtype policy is one of quantized weights.
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
        if self.dtype_policy.quantization_mode:
            raise InputError(f"dtype={self.dtype_policy.name!r}: {NO_QUANTIZATION}")
        self.config = config
        if seed is None:
            seed = int(keras.random.randint((), 0, 2**31 - 1))
        self.seed = seed
        self.arithmetic = arithmetic
        self.initialize = initialize

    def sub_seed(self, name: str) -> int:
        """The seed of a sublayer."""
        return fold_in(self.seed, name)

    def sublayer(self, layer_class: type, name: str, **arguments: Any) -> Any:
        """A sublayer with its own seed and this one's config, arithmetic and dtype policy."""
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
    """A Keras layer made from a ``BertConfig`` and a seed; see ``Configured`` for its arguments."""

    config_class: ClassVar[type[BertConfig]] = BertConfig

    def build(self, *shapes: Any) -> None:
        """Make the weights of the sublayers that are not built; their inputs are [T, H]."""
        for layer in self._layers:
            if not layer.built:
                layer.build((None, self.config.hidden_size))
        self.built = True

    def initializer(self, name: str) -> keras.initializers.Initializer:
        """The initializer of BERT for a weight or sublayer; zeros without ``initialize``."""
        if not self.initialize:
            return keras.initializers.Zeros()
        return kernel_initializer(self.config.initializer_range, self.sub_seed(name))

    def dense(self, units: int, name: str, activation: Any = None, use_bias: bool = True) -> Dense:
        """A dense sublayer with BERT's initializer."""
        return Dense(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=self.initializer(name),
            arithmetic=self.arithmetic,
            dtype=self.dtype_policy,
            name=name,
        )

    def layer_norm(self, name: str = "layer_norm") -> LayerNorm:
        """A LayerNorm over the last axis; its statistics are float32 under any dtype policy."""
        return LayerNorm(
            epsilon=self.config.layer_norm_eps,
            arithmetic=self.arithmetic,
            dtype=self.dtype_policy,
            name=name,
        )

    def dropout(
        self, x: tf.Tensor, rate: float, dropout_seed: tf.Tensor | None, site: int
    ) -> tf.Tensor:
        """``x`` after dropout, drawn by this layer's arithmetic; see ``random.dropout``."""
        return dropout(x, rate, dropout_seed, site, self.arithmetic)

    def activation(self, form: str | None = None) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function of a name of ``BertConfig.activation``, by default the config's own."""
        form = form or self.config.activation
        own = {"gelu_erf": self.arithmetic.gelu, "gelu_tanh": self.arithmetic.gelu_tanh}
        return own[form] if form in own else keras.activations.get(form)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that are saved."""
        return super().get_config() | {"config": self.config.to_dict(), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer of a ``get_config``."""
        return cls(**(config | {"config": cls.config_class.from_dict(config["config"])}))


@keras.saving.register_keras_serializable(package="bert_keras")
class BertEmbeddings(BertLayer):
    """The sum of three embeddings, LayerNorm and dropout (Devlin et al. 2019, figure 2).

    Where the tables are narrower than the tokens (factorized: Lan et al. 2020, section 3.1), a
    dense layer follows.

    The sum and its gradient are float32 under any dtype policy: a frequent word's row collects
    hundreds of gradients a step, which bfloat16 would round away.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.norm = self.layer_norm()
        self.project: Any = None
        if config.embedding_width != config.hidden_size:
            self.project = self.dense(config.hidden_size, "project")
        self.dropout_site = self.sub_seed("dropout")

    def build(self, *shapes: Any) -> None:
        """Make the tables [vocab_size, E], [max_position_embeddings, E], [type_vocab_size, E]."""
        width = self.config.embedding_width
        for name, rows in self.table_sizes().items():
            table = self.add_weight(
                name=name,
                shape=(rows, width),
                initializer=self.initializer(name),
                autocast=False,
            )
            setattr(self, name, table)
        for layer in self._layers:
            layer.build((None, width))
        self.built = True

    def table_sizes(self) -> dict[str, int]:
        """The rows of each table."""
        sizes = {
            "word_embeddings": self.config.vocab_size,
            "position_embeddings": self.config.max_position_embeddings,
        }
        types = {"token_type_embeddings": self.config.type_vocab_size}
        return sizes | (types if self.config.has_token_types else {})

    def fix_positions(self) -> None:
        """Make the positions sines and cosines, which are not trained.

        Position p has sin(p / 10000^(2i/H)) in column 2i and the cosine of the same in 2i + 1
        (Vaswani et al. 2017, section 3.5), times ``initializer_range``: there, too, words are about
        as large as positions. A file of the model has an ordinary table.
        """
        positions, width = self.position_embeddings.shape
        angles = np.arange(positions)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
        table = np.empty((positions, width), np.float32)
        table[:, 0::2] = np.sin(angles)
        table[:, 1::2] = np.cos(angles[:, : width // 2])
        self.position_embeddings.assign(self.config.initializer_range * table)
        self.position_embeddings.trainable = False

    def call(
        self,
        words: tf.Tensor,
        token_type_ids: tf.Tensor,
        layout: Layout,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The embeddings of a batch.

        Args:
            words: Their ids, int32 [B, L], or in place of the table's rows vectors [B, L, E].
            token_type_ids: int32 [B, L], 0 in sentence A, 1 in sentence B.
            layout: Of the tokens.
            dropout_seed: int64 [2], (step, replica), in training.

        Returns:
            [T, H] in the compute dtype.
        """
        layout = Layout(*layout)  # Keras makes a list of it when it loads a functional model
        positions = self.positions(words, token_type_ids)
        summed = self.summed(*map(layout.to_tokens, (words, positions, token_type_ids)))
        rate = self.config.hidden_dropout_prob
        tokens = self.dropout(self.norm(summed), rate, dropout_seed, self.dropout_site)
        return tokens if self.project is None else self.project(tokens)

    def summed(self, words: tf.Tensor, positions: tf.Tensor, types: tf.Tensor) -> tf.Tensor:
        """The sum [T, E] for the words, positions and types [T] of tokens."""
        summed = words if words.dtype.is_floating else lookup(self.word_embeddings, words)
        summed += lookup(self.position_embeddings, positions)
        if self.config.has_token_types:
            summed += lookup(self.token_type_embeddings, types)
        return summed

    def positions(self, words: tf.Tensor, token_type_ids: tf.Tensor) -> tf.Tensor:
        """The row of the table of positions of each token, int32 [B, L], from the same."""
        return tf.zeros_like(token_type_ids) + tf.range(tf.shape(token_type_ids)[1])


@keras.saving.register_keras_serializable(package="bert_keras")
class FeedForward(BertLayer):
    """Two dense layers, an activation after the first (Vaswani et al. 2017, section 3.3)."""

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.intermediate = self.dense(config.intermediate_size, "intermediate", self.activation())
        self.output_dense = self.dense(config.hidden_size, "output")

    def build(self, *shapes: Any) -> None:
        """Make the weights of both dense layers."""
        self.intermediate.build((None, self.config.hidden_size))
        self.output_dense.build((None, self.config.intermediate_size))
        self.built = True

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        return self.output_dense(self.intermediate(tokens))
