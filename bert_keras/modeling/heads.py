"""The pooler and the heads (Devlin et al. 2019, section 3.1 and figure 4)."""

from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.modeling.layers import BertLayer

DENSE_ACTIVATIONS = ("tanh", "linear", "relu", "sigmoid")
PROJECTION = "projection"  # the component of the weights of a ``Projection``


@keras.saving.register_keras_serializable(package="bert_keras")
class Pooler(BertLayer):
    """A tanh layer over the first token, [CLS]; some families have another function."""

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.output_dense = self.dense(
            config.hidden_size, "output", self.activation(config.pooler_activation)
        )

    def call(self, first_tokens: tf.Tensor) -> tf.Tensor:
        """[B, H] to [B, H]."""
        return self.output_dense(first_tokens)


def dimensions_of(
    hidden_size: int, dense_units: int | None = None, truncate_dim: int | None = None
) -> int:
    """The dimensions of the vectors of a ``BertForSentenceEmbedding``, by its arguments."""
    width = dense_units or hidden_size
    return min(truncate_dim or width, width)


@keras.saving.register_keras_serializable(package="bert_keras")
class Projection(BertLayer):
    """A dense layer over the pooled vector of a text: ``Dense`` of sentence-transformers.

    Args:
        config: The architecture.
        seed: Fixes the initial weights.
        units: The dimensions of its output.
        activation: As Keras names it, such as ``"tanh"``; ``"linear"`` for none.
        use_bias: Whether a bias is added.
        **kwargs: Arguments of ``keras.layers.Layer``.
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int = 0,
        units: int = 2,
        activation: str = "tanh",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, **kwargs)
        self.units = units
        self.activation_name = activation
        self.use_bias = use_bias
        self.output_dense = self.dense(units, "output", activation, use_bias)

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """[B, H] to [B, units]."""
        return self.output_dense(vectors)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "units": self.units,
            "activation": self.activation_name,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable(package="bert_keras")
class MaskedLMHead(BertLayer):
    """Scores of every word of the vocabulary at the masked positions.

    Dense, activation, LayerNorm, then the product with the word embeddings (tied) and a bias. The
    dense layer has the width of the embeddings.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        act = self.activation(config.masked_lm_activation)
        self.transform = self.dense(config.embedding_width, "transform", act)
        self.norm = self.layer_norm()

    def build(self, *shapes: Any) -> None:
        """Make the transform's weights and the output bias [vocab_size]."""
        self.norm.build((None, self.config.embedding_width))
        super().build()
        self.output_bias = self.add_weight(
            name="output_bias", shape=(self.config.vocab_size,), initializer="zeros"
        )

    def call(self, tokens: tf.Tensor, word_embeddings: tf.Tensor) -> tf.Tensor:
        """The scores of tokens.

        Args:
            tokens: [M, H], the encoder's output at the masked positions.
            word_embeddings: [vocab_size, E], the encoder's own table.

        Returns:
            Logits [M, vocab_size] in the compute dtype.
        """
        transformed = self.norm(self.transform(tokens))
        table = tf.cast(word_embeddings, transformed.dtype)
        logits = tf.matmul(transformed, table, transpose_b=True)
        return self.arithmetic.add_bias(logits, tf.cast(self.output_bias, logits.dtype))


@keras.saving.register_keras_serializable(package="bert_keras")
class NextSentenceHead(BertLayer):
    """Scores of 0 (B follows A) and 1 (B is random) from the pooled output."""

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.output_dense = self.dense(2, "output")

    def call(self, pooled: tf.Tensor) -> tf.Tensor:
        """[B, H] to logits [B, 2]."""
        return self.output_dense(pooled)


@keras.saving.register_keras_serializable(package="bert_keras")
class Classifier(BertLayer):
    """Dropout and a dense layer: the layer that fine-tuning adds (section 4).

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        units: How many scores each row gets.
        dropout_rate: The share of its input that is dropped in training, in [0, 1).
        **kwargs: Arguments of ``keras.layers.Layer``.
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int = 0,
        units: int = 2,
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, **kwargs)
        self.units = units
        self.dropout_rate = dropout_rate
        self.output_dense = self.dense(units, "output")
        self.dropout_site = self.sub_seed("dropout")

    def call(self, features: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """[T, H] to logits [T, units]; ``dropout_seed`` is int64 [2], ``None`` drops nothing."""
        kept = self.dropout(features, self.dropout_rate, dropout_seed, self.dropout_site)
        return self.output_dense(kept)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "dropout_rate": self.dropout_rate}


@keras.saving.register_keras_serializable(package="bert_keras")
class DeepClassifier(Classifier):
    """A classifier with a dense layer and an activation of its own, which do a pooler's work.

    Dropout, dense, activation, then as ``Classifier``: the head of RoBERTa and ELECTRA in
    transformers.

    Args:
        activation_name: As ``BertConfig.activation`` or Keras names it.
    """

    def __init__(
        self, config: BertConfig, seed: int = 0, activation_name: str = "tanh", **kwargs: Any
    ) -> None:
        super().__init__(config, seed, **kwargs)
        self.activation_name = activation_name
        act = self.activation(activation_name)
        self.transform = self.dense(config.hidden_size, "transform", act)
        self.input_dropout_site = self.sub_seed("input_dropout")

    def call(self, features: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """[B, H] to logits [B, units]; ``dropout_seed`` is int64 [2], ``None`` drops nothing."""
        kept = self.dropout(features, self.dropout_rate, dropout_seed, self.input_dropout_site)
        return super().call(self.transform(kept), dropout_seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"activation_name": self.activation_name}
