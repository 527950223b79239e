"""The default arithmetic, and the interface of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import keras
import tensorflow as tf

# The original's: far below any score, so that the softmax gives padding exactly 0.
MASKED_SCORE = -10000.0
Function = Callable[[tf.Tensor], tf.Tensor]
Shape = tuple[int | tf.Tensor, int | tf.Tensor]  # numbers where they are static


class Layout(Protocol):
    """The part of ``modeling.layout.Layout`` that the heads of attention need."""

    @property
    def shape(self) -> Shape:
        """B and L."""

    @property
    def is_packed(self) -> bool:
        """Tell whether there are no rows for padding."""

    def to_tokens(self, sequences: tf.Tensor) -> tf.Tensor:
        """[B, L, ...] to [T, ...]."""

    def to_sequences(self, tokens: tf.Tensor) -> tf.Tensor:
        """[T, H] to [B, L, H]."""


@dataclass(frozen=True)
class Arithmetic:
    """The operations of layers: by default TensorFlow's and Keras's own, on any device.

    A model is given it at construction and hands it down to its layers, as ``dtype``; it is not
    saved. A subclass computes the same functions in other operations.

    Args:
        masked_score: The addend of the attention score of a token that must not be seen.
        rematerialize: Whether the backward pass computes each Transformer layer a second time
            instead of keeping its inner values (Chen et al. 2016).

    Example:
        >>> model = BertEncoder(config, arithmetic=OneDNN())  # doctest: +SKIP
    """

    masked_score: float = MASKED_SCORE
    rematerialize: bool = False

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """LayerNorm of each row of ``x`` [T, H], with the layer's weights; float32 within."""
        return keras.layers.LayerNormalization.call(layer, x)

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        """The exact form, by the error function."""
        return keras.activations.gelu(x, approximate=False)

    def gelu_tanh(self, x: tf.Tensor) -> tf.Tensor:
        """The form by tanh."""
        return keras.activations.gelu(x, approximate=True)

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """The tokens [T, n] plus a bias [n].

        On CPUs TensorFlow sums the gradient of a bfloat16 bias in bfloat16, which loses addends
        that are small compared with the sum: a third of 4,096 tokens. A product with ones sums in
        float32, and is faster.
        """
        if tokens.dtype in (tf.bfloat16, tf.float16):
            return _add_bias(tokens, bias)
        return tf.nn.bias_add(tokens, bias)

    def project_heads(
        self,
        dense: keras.layers.Dense,
        tokens: tf.Tensor,
        layout: Layout,
        heads: int,
        columns: slice | None = None,
    ) -> list[tf.Tensor]:
        """Projections of tokens for attention, split into heads.

        Args:
            dense: Its kernel [H, 3 * H] is those of queries, keys and values, side by side.
            tokens: [T, H].
            layout: Of the tokens.
            heads: N.
            columns: Those of the kernel that are wanted; ``None`` for all.

        Returns:
            Each of the projections, [B, N, L, K].
        """
        if columns is None:
            products = dense(tokens)
        else:
            kernel, bias = (tf.convert_to_tensor(weight) for weight in (dense.kernel, dense.bias))
            products = self.add_bias(tf.matmul(tokens, kernel[:, columns]), bias[columns])
        count = products.shape[-1] // tokens.shape[-1]
        return self.split_heads(layout.to_sequences(products), layout.shape, count, heads)

    def join_heads(
        self, dense: keras.layers.Dense, context: tf.Tensor, layout: Layout
    ) -> tf.Tensor:
        """The output of attention, [T, H].

        Args:
            dense: The layer over the heads, side by side.
            context: [B, N, L, K], of each head.
            layout: Of the tokens.
        """
        context_BxLxNxK = tf.transpose(context, [0, 2, 1, 3])
        width = context.shape[1] * context.shape[3]
        return dense(layout.to_tokens(tf.reshape(context_BxLxNxK, [*layout.shape, width])))

    def split_heads(
        self, products: tf.Tensor, shape: Shape, count: int, heads: int
    ) -> list[tf.Tensor]:
        """Products that one kernel computed side by side, each split into its heads.

        Args:
            products: [B, L, count * N * K], such as queries, keys and values.
            shape: B and L.
            count: The number of products.
            heads: N.

        Returns:
            Each product, [B, N, L, K].
        """
        split = tf.reshape(products, [*shape, count, heads, products.shape[-1] // (count * heads)])
        return tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]), axis=0)

    def attention_weights(self, scores: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """The softmax of scores [B, N, L, S] plus a bias, in float32; the scores' dtype again."""
        return tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32) + bias), scores.dtype)

    def random_integers(self, like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Integers that are all equally likely, for dropout.

        Args:
            like: A tensor of the shape that the result shall have.
            seed: int64 [2], (step, site and replica); the result follows from it and the shape.

        Returns:
            Signed integers of at least 16 bits, over their whole range. Here int16, by Philox
            (Salmon et al. 2011): the same on every device, with XLA and without.
        """
        # XLA draws integers as the plain graph does, and floats otherwise. Each gives two of 16
        # bits, as drawing is the cost of dropout.
        count = tf.size(like)
        draws = tf.random.stateless_uniform(
            [(count + 1) // 2], seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
        )
        return tf.reshape(tf.reshape(tf.bitcast(draws, tf.int16), [-1])[:count], tf.shape(like))

    def cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of a softmax over classes.

        Args:
            logits: [..., classes], of any float dtype; the computation is in float32.
            labels: int32 [...].

        Returns:
            The losses in nats, float32 [...], and whether the label is the most likely class,
            bool [...]; of several that are, the first counts.
        """
        logits = tf.cast(logits, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses, tf.argmax(logits, axis=-1, output_type=tf.int32) == labels


PLAIN = Arithmetic()


@tf.custom_gradient
def _add_bias(tokens: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ones = tf.ones([1, tf.shape(upstream)[0]], upstream.dtype)
        return upstream, tf.matmul(ones, upstream)[0]

    return tf.nn.bias_add(tokens, bias), gradient
