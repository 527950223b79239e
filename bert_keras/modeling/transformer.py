"""One Transformer layer as BERT has it: attention, then feed-forward, each post-normalised."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.layers import BertLayer
from bert_keras.modeling.layout import Layout, Mask
from bert_keras.modeling.random import dropout

Cache = tuple[tf.Tensor, tf.Tensor]


class Attended(NamedTuple):
    """What attention gives.

    Attributes:
        tokens: [T, H], in the query's layout.
        weights: [B, N, L, S], how much each token of the query takes of each of the memory; before
            dropout.
        cache: Keys and values [B, N, S, K] of the memory, for the tokens that follow.
    """

    tokens: tf.Tensor
    weights: tf.Tensor
    cache: Cache


@keras.saving.register_keras_serializable(package="bert_keras")
class Attention(BertLayer):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Queries, keys and values are the columns of a fused kernel [H, 3H], in that order: of tokens
    that attend to one another they come from one product.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.query_key_value = self.dense(3 * config.hidden_size, "query_key_value")
        self.output_dense = self.dense(config.hidden_size, "output")
        self.dropout_site = self.sub_seed("dropout")

    def call(
        self,
        query: tf.Tensor,
        layout: Layout,
        memory: tuple[tf.Tensor, Layout] | None = None,
        attention_mask: Mask | None = None,
        cache: Cache | None = None,
        dropout_seed: tf.Tensor | None = None,
    ) -> Attended:
        """Lets the tokens of each sequence attend to those of a memory.

        Args:
            query: [T, H].
            layout: Where they stand.
            memory: The tokens that are attended to and their layout; ``None`` for the query itself.
            attention_mask: What each token may see; ``None`` for all that is not padding.
            cache: Of a memory, its keys and values from an earlier call, which are not computed
                again. Of the query itself, those of the tokens before it; the mask is then of all.
            dropout_seed: int64 [2], (step, replica), in training.

        Raises:
            InputError: When the query has tokens before it and no mask.
        """
        layout = Layout(*layout)  # Keras makes a list of it when it loads a functional model
        seen = layout
        if memory is None:
            query_BxNxLxK, key_BxNxSxK, value_BxNxSxK = self._project(query, layout, 0, 3)
            if cache is not None:
                key_BxNxSxK = tf.concat([cache[0], key_BxNxSxK], axis=2)
                value_BxNxSxK = tf.concat([cache[1], value_BxNxSxK], axis=2)
                if attention_mask is None:
                    raise InputError("tokens that follow others need the attention_mask of all")
        else:
            seen = Layout(*memory[1])
            (query_BxNxLxK,) = self._project(query, layout, 0, 1)
            key_BxNxSxK, value_BxNxSxK = cache or self._project(memory[0], seen, 1, 3)
        mask = attention_mask or Mask(seen.attention_mask)
        context_BxNxLxK, weights_BxNxLxS = self._attend(
            query_BxNxLxK, key_BxNxSxK, value_BxNxSxK, mask, dropout_seed
        )
        context_BxLxNxK = tf.transpose(context_BxNxLxK, [0, 2, 1, 3])
        context_BxLxH = tf.reshape(context_BxLxNxK, [*layout.shape, self.config.hidden_size])
        tokens = self.output_dense(layout.to_tokens(context_BxLxH))
        return Attended(tokens, weights_BxNxLxS, (key_BxNxSxK, value_BxNxSxK))

    def _project(self, tokens: tf.Tensor, layout: Layout, first: int, end: int) -> list[tf.Tensor]:
        """Of queries, keys and values, 0 to 2, those from ``first`` to ``end``: [B, N, L, K]."""
        dense, hidden, parts = self.query_key_value, self.config.hidden_size, end - first
        if parts == 3:
            products = dense(tokens)
        else:
            columns = slice(first * hidden, end * hidden)
            kernel, bias = (tf.convert_to_tensor(weight) for weight in (dense.kernel, dense.bias))
            products = tf.matmul(tokens, kernel[:, columns])
            products = self.arithmetic.add_bias(products, bias[columns])
        sequences = layout.to_sequences(products)
        heads = self.config.num_attention_heads
        return self.arithmetic.split_heads(sequences, layout.shape, parts, heads)

    def _attend(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        mask: Mask,
        dropout_seed: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """softmax(Q Kᵀ / √K + mask) V, Vaswani et al. 2017, equation 1, and the softmax."""
        scores = tf.matmul(query * query.shape[-1] ** -0.5, key, transpose_b=True)
        bias = mask.bias(scores, self.arithmetic.masked_score)
        weights = tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32) + bias), value.dtype)
        # The original drops whole connections between tokens too.
        rate = self.config.attention_probs_dropout_prob
        return tf.matmul(dropout(weights, rate, dropout_seed, self.dropout_site), value), weights


@keras.saving.register_keras_serializable(package="bert_keras")
class FeedForward(BertLayer):
    """Two products with the activation between (Vaswani et al. 2017, equation 2)."""

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.intermediate = self.dense(config.intermediate_size, "intermediate", self.activation())
        self.output_dense = self.dense(config.hidden_size, "output")

    def build(self, *shapes: Any) -> None:
        """Makes the weights of both products."""
        self.intermediate.build((None, self.config.hidden_size))
        self.output_dense.build((None, self.config.intermediate_size))
        self.built = True

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """[T, H] to [T, H]."""
        return self.output_dense(self.intermediate(tokens))


@keras.saving.register_keras_serializable(package="bert_keras")
class TransformerLayer(BertLayer):
    """Attention and feed-forward, each followed by dropout, the residual sum and LayerNorm."""

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.attention = self.sublayer(Attention, "attention")
        self.attention_norm = self.layer_norm("attention_layer_norm")
        self.feed_forward = self.sublayer(FeedForward, "feed_forward")
        self.feed_forward_norm = self.layer_norm("feed_forward_layer_norm")
        self.attention_site = self.sub_seed("attention_dropout")
        self.feed_forward_site = self.sub_seed("feed_forward_dropout")

    def call(
        self,
        tokens: tf.Tensor,
        layout: Layout,
        dropout_seed: tf.Tensor | None = None,
        attention_mask: Mask | None = None,
        return_weights: bool = False,
    ) -> Any:
        """[T, H] to [T, H].

        Args:
            tokens: [T, H].
            layout: Where the tokens stand; read by attention alone.
            dropout_seed: int64 [2], (step, replica), in training.
            attention_mask: What each token may see; ``None`` for all that is not padding.
            return_weights: Whether the attention's weights [B, N, L, L] are returned too.
        """
        rate = self.config.hidden_dropout_prob
        attention = self.attention(
            tokens, layout, attention_mask=attention_mask, dropout_seed=dropout_seed
        )
        attended = dropout(attention.tokens, rate, dropout_seed, self.attention_site)
        tokens = self.attention_norm(tokens + attended)
        transformed = self.feed_forward(tokens)
        transformed = dropout(transformed, rate, dropout_seed, self.feed_forward_site)
        tokens = self.feed_forward_norm(tokens + transformed)
        return (tokens, attention.weights) if return_weights else tokens
