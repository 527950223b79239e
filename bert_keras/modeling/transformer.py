"""One Transformer layer as BERT has it: attention, then feed-forward, each post-normalised."""

from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.modeling.layers import BertLayer
from bert_keras.modeling.layout import Layout
from bert_keras.modeling.random import dropout


@keras.saving.register_keras_serializable(package="bert_keras")
class SelfAttention(BertLayer):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Queries, keys and values come from one product with a fused kernel [H, 3H], in that order.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.query_key_value = self.dense(3 * config.hidden_size, "query_key_value")
        self.output_dense = self.dense(config.hidden_size, "output")
        self.dropout_site = self.sub_seed("dropout")

    def build(self, *shapes: Any) -> None:
        """Makes the weights of both products."""
        self.query_key_value.build((None, self.config.hidden_size))
        self.output_dense.build((None, self.config.hidden_size))
        self.built = True

    def call(
        self, tokens: tf.Tensor, layout: Layout, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Lets the tokens [T, H] of each sequence attend to one another; returns [T, H]."""
        layout = Layout(*layout)  # Keras makes a list of it when it loads a functional model
        rate, hidden = self.config.attention_probs_dropout_prob, self.config.hidden_size
        fused_BxLx3H = layout.to_sequences(self.query_key_value(tokens))
        # The mask's shape, not that of this layer's tensor: all layers share its operations.
        shape = tf.shape(layout.attention_mask)
        batch = fused_BxLx3H.shape[0] or shape[0]
        length = fused_BxLx3H.shape[1] or shape[1]
        query_BxNxLxK, key_BxNxLxK, value_BxNxLxK = self.arithmetic.split_heads(
            fused_BxLx3H, (batch, length), 3, self.config.num_attention_heads
        )
        scores_BxNxLxL = tf.matmul(
            query_BxNxLxK * query_BxNxLxK.shape[-1] ** -0.5, key_BxNxLxK, transpose_b=True
        )
        is_padding = 1.0 - tf.cast(layout.attention_mask, tf.float32)
        bias_BxL = is_padding * self.arithmetic.masked_score
        bias_Bx1x1xL = tf.expand_dims(tf.expand_dims(bias_BxL, 1), 1)
        weights = tf.nn.softmax(tf.cast(scores_BxNxLxL, tf.float32) + bias_Bx1x1xL)
        weights = tf.cast(weights, value_BxNxLxK.dtype)
        # The original drops whole connections between tokens too.
        weights = dropout(weights, rate, dropout_seed, self.dropout_site)

        context_BxLxNxK = tf.transpose(tf.matmul(weights, value_BxNxLxK), [0, 2, 1, 3])
        context_BxLxH = tf.reshape(context_BxLxNxK, [batch, length, hidden])
        return self.output_dense(layout.to_tokens(context_BxLxH))


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
        self.attention = self.sublayer(SelfAttention, "attention")
        self.attention_norm = self.layer_norm("attention_layer_norm")
        self.feed_forward = self.sublayer(FeedForward, "feed_forward")
        self.feed_forward_norm = self.layer_norm("feed_forward_layer_norm")
        self.attention_site = self.sub_seed("attention_dropout")
        self.feed_forward_site = self.sub_seed("feed_forward_dropout")

    def build(self, *shapes: Any) -> None:
        """Makes the weights of the parts."""
        self.attention.build()
        self.feed_forward.build()
        for norm in (self.attention_norm, self.feed_forward_norm):
            norm.build((None, self.config.hidden_size))
        self.built = True

    def call(
        self, tokens: tf.Tensor, layout: Layout, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """[T, H] to [T, H].

        Args:
            tokens: [T, H].
            layout: Where the tokens stand; read by attention alone.
            dropout_seed: int64 [2], (step, replica), in training.
        """
        rate = self.config.hidden_dropout_prob
        attended = self.attention(tokens, layout, dropout_seed)
        attended = dropout(attended, rate, dropout_seed, self.attention_site)
        tokens = self.attention_norm(tokens + attended)
        transformed = self.feed_forward(tokens)
        transformed = dropout(transformed, rate, dropout_seed, self.feed_forward_site)
        return self.feed_forward_norm(tokens + transformed)
