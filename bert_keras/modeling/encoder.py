"""The Transformer encoder (Vaswani et al. 2017, section 3; Devlin et al. 2019, section 3).

The feed-forward network and the embeddings are in ``layers.py``, the pooler is in ``heads.py``.
"""

from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.heads import Pooler
from bert_keras.modeling.inputs import as_batch, read_sequences
from bert_keras.modeling.layers import BertEmbeddings, BertLayer, FeedForward
from bert_keras.modeling.layout import Layout, Mask, first_tokens, packed_layout, padded_layout
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.objectives import Batch

COLLECTED = ("hidden_states", "attentions")
Cache = tuple[tf.Tensor, tf.Tensor]


class Attended(NamedTuple):
    """The result of attention.

    Attributes:
        tokens: [T, H], in the query's layout.
        weights: [B, N, L, S], of each token of the memory for each of the query; before dropout.
        cache: Keys and values [B, N, S, K] of the memory, for the tokens that follow.
    """

    tokens: tf.Tensor
    weights: tf.Tensor
    cache: Cache


@keras.saving.register_keras_serializable(package="bert_keras")
class Attention(BertLayer):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2).

    Queries, keys and values are the columns of one kernel [H, 3H], in that order, so that
    self-attention computes all three by a single product.
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
        """Attention of each query token to the tokens of a memory.

        Args:
            query: [T, H].
            layout: The query's.
            memory: Tokens and their layout; ``None`` for self-attention.
            attention_mask: What each token may see; ``None`` for all but padding.
            cache: Keys and values of an earlier call: those of ``memory``, or in self-attention
                those of the tokens before the query, which the mask then covers too.
            dropout_seed: int64 [2], (step, replica), in training.

        Raises:
            InputError: When self-attention has a cache and no mask.
        """
        layout = Layout(*layout)  # Keras makes a list of it when it loads a functional model
        memory_layout = layout
        if memory is None:
            query_BxNxLxK, key_BxNxSxK, value_BxNxSxK = self._project(query, layout, 0, 3)
            if cache is not None:
                key_BxNxSxK = tf.concat([cache[0], key_BxNxSxK], axis=2)
                value_BxNxSxK = tf.concat([cache[1], value_BxNxSxK], axis=2)
                if attention_mask is None:
                    raise InputError("tokens that follow others need the attention_mask of all")
        else:
            memory_layout = Layout(*memory[1])
            (query_BxNxLxK,) = self._project(query, layout, 0, 1)
            key_BxNxSxK, value_BxNxSxK = cache or self._project(memory[0], memory_layout, 1, 3)
        mask = attention_mask or Mask(memory_layout.attention_mask)
        context_BxNxLxK, weights_BxNxLxS = self._attend(
            query_BxNxLxK, key_BxNxSxK, value_BxNxSxK, mask, dropout_seed
        )
        tokens = self.arithmetic.join_heads(self.output_dense, context_BxNxLxK, layout)
        return Attended(tokens, weights_BxNxLxS, (key_BxNxSxK, value_BxNxSxK))

    def _project(self, tokens: tf.Tensor, layout: Layout, first: int, end: int) -> list[tf.Tensor]:
        """Queries, keys and values, numbers ``first`` to ``end`` of the three: [B, N, L, K]."""
        hidden, heads = self.config.hidden_size, self.config.num_attention_heads
        columns = slice(first * hidden, end * hidden) if (first, end) != (0, 3) else None
        return self.arithmetic.project_heads(self.query_key_value, tokens, layout, heads, columns)

    def _attend(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        mask: Mask,
        dropout_seed: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """softmax(Q Kᵀ / √d_k + mask) V (Vaswani et al. 2017, equation 1), and the softmax."""
        scores = tf.matmul(query * query.shape[-1] ** -0.5, key, transpose_b=True)
        if mask.position_bias is not None:
            scores += tf.cast(mask.position_bias, scores.dtype)
        bias = mask.bias(scores, self.arithmetic.masked_score)
        weights = self.arithmetic.attention_weights(scores, bias)
        # As the original, which drops connections between tokens.
        rate = self.config.attention_probs_dropout_prob
        kept = self.dropout(weights, rate, dropout_seed, self.dropout_site)
        return tf.matmul(kept, value), weights


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
            layout: Of the tokens, for attention.
            dropout_seed: int64 [2], (step, replica), in training.
            attention_mask: What each token may see; ``None`` for all but padding.
            return_weights: Whether to return the attention's weights [B, N, L, L] too.
        """
        rate = self.config.hidden_dropout_prob
        attention = self.attention(
            tokens, layout, attention_mask=attention_mask, dropout_seed=dropout_seed
        )
        attended = self.dropout(attention.tokens, rate, dropout_seed, self.attention_site)
        tokens = self.attention_norm(tokens + attended)
        transformed = self.feed_forward(tokens)
        transformed = self.dropout(transformed, rate, dropout_seed, self.feed_forward_site)
        tokens = self.feed_forward_norm(tokens + transformed)
        return (tokens, attention.weights) if return_weights else tokens


class Encoded(NamedTuple):
    """The input of the heads: the last layer's tokens [T, H], and what ``collect`` names."""

    tokens: tf.Tensor
    layout: Layout
    collected: dict[str, tuple[tf.Tensor, ...]]


@keras.saving.register_keras_serializable(package="bert_keras")
class BertEncoder(BertModel):
    """The bidirectional encoder without a head.

    Called with the batch's dictionary: ``input_ids`` int32 [B, L], and where they are given
    ``attention_mask`` (default: no padding) and ``token_type_ids`` (default: all sentence A), both
    int32 [B, L]. In place of ``input_ids`` it may have ``inputs_embeds``, float32 [B, L, H], which
    stand for the words' rows of the embedding table. Other keys are ignored.

    Returns a dictionary of ``sequence_output`` [B, L, H] and, with a pooler, ``pooled_output``
    [B, H] in the compute dtype. ``collect`` adds ``"hidden_states"``, a tuple of the outputs
    [B, L, H] of the embeddings and every layer, and ``"attentions"``, a tuple of every layer's
    weights [B, N, L, L] before dropout. A packed model gives 0 at padding.

    Args:
        with_pooler: Whether there is a pooler; ``None`` for as the class has it: BERT's has one.

    Example:
        >>> encoder = BertEncoder(config)
        >>> outputs = encoder(batch, collect=("hidden_states",))
        >>> outputs["sequence_output"].shape, len(outputs["hidden_states"])
        (TensorShape([4, 32, 16]), 2)
    """

    embeddings_class: ClassVar[type[BertEmbeddings]] = BertEmbeddings
    position_bias_class: ClassVar[type[BertLayer] | None] = None
    has_pooler: ClassVar[bool] = True

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        packed: bool = False,
        with_pooler: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        self.embeddings = self.sublayer(self.embeddings_class, "embeddings")
        bias_class = self.position_bias_class
        self.position_bias: Any = bias_class and self.sublayer(bias_class, "position_bias")
        self.transformer_layers = [
            self.sublayer(TransformerLayer, f"layer_{index}")
            for index in range(config.num_hidden_layers)
        ]
        with_pooler = self.has_pooler if with_pooler is None else with_pooler
        self.pooler: Any = self.sublayer(Pooler, "pooler") if with_pooler else None
        self.dropout_seeds = DropoutSeeds(name="dropout_seeds")
        layers = (self.embeddings, self.position_bias, *self.transformer_layers, self.pooler)
        for layer in filter(None, (*layers, self.dropout_seeds)):
            layer.build()
        self.build()

    def call(
        self,
        inputs: Batch,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        collect: Collection[str] = (),
    ) -> dict[str, Any]:
        """The outputs for a batch; see the class."""
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_seeds.for_call(training, dropout_seed)
        tokens, layout, collected = self.encode(inputs, seed, collect)
        outputs = {"sequence_output": layout.without_padding(layout.to_sequences(tokens))}
        if self.pooler is not None:
            outputs["pooled_output"] = self.pool(tokens, layout)
        return outputs | collected

    def dropout_counter(self) -> DropoutSeeds:
        """The encoder's own counter of training calls."""
        return self.dropout_seeds

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"with_pooler": self.pooler is not None}

    def encode(
        self,
        inputs: Batch,
        dropout_seed: tf.Tensor | None = None,
        collect: Collection[str] = (),
    ) -> Encoded:
        """The outputs for a batch as the heads read them: tokens [T, H] instead of sequences.

        Args:
            inputs: See the class.
            dropout_seed: int64 [2], (step, replica); ``None`` drops nothing.
            collect: See the class.

        Raises:
            InputError: When ``collect`` has another name, or the batch is longer than
                ``longest_sequence`` or has neither ids nor embeddings, or both.
        """
        if unknown := ", ".join(sorted(set(collect) - set(COLLECTED))):
            raise InputError(f"collect must be of {', '.join(COLLECTED)}. Received: {unknown}")
        words, mask, types = read_sequences(inputs, self.config.longest_sequence)
        layout = packed_layout(mask) if self.packed else padded_layout(mask)
        tokens = self.embeddings(words, types, layout, dropout_seed)
        biases = () if self.position_bias is None else (self.position_bias(layout),)
        has_weights = "attentions" in collect
        states, attentions = [tokens], list[tf.Tensor]()
        for layer in self.transformer_layers:
            how = {"dropout_seed": dropout_seed, "return_weights": has_weights}
            call: Any = partial(_outputs_of, layer, layout, **how)
            # Recomputed, dropout masks are the same: they follow from the seed.
            call = tf.recompute_grad(call) if self.arithmetic.rematerialize else call
            outputs = call(tokens, *biases)
            tokens, *weights = outputs if has_weights else (outputs,)
            states.append(tokens)
            attentions += weights
        found = {
            "hidden_states": (layout.without_padding(layout.to_sequences(t)) for t in states),
            "attentions": (layout.without_padding(weights, axis=2) for weights in attentions),
        }
        return Encoded(tokens, layout, {name: tuple(found[name]) for name in collect})

    def pool(self, tokens: tf.Tensor, layout: Layout) -> tf.Tensor:
        """The pooled output [B, H] of the first token of each sequence."""
        return self.pooler(first_tokens(tokens, layout))


def _outputs_of(layer: Any, layout: Layout, tokens: Any, *biases: Any, **how: Any) -> Any:
    """The outputs of a layer; ``tf.recompute_grad`` gives gradients to tokens and biases alone."""
    mask = Mask(layout.attention_mask, position_bias=biases[0]) if biases else None
    return layer(tokens, layout, attention_mask=mask, **how)
