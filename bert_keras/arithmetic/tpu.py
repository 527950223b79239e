"""The arithmetic for training on a TPU.

What each lever saves by the compiler's estimate is in benchmarks/notes.md.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from bert_keras.arithmetic.few_passes import (
    cross_entropy_backward,
    layer_norm,
    layer_norm_backward,
    layer_norm_forward,
)
from bert_keras.arithmetic.plain import PLAIN, Arithmetic, Function, Layout

AUTO_SELECT = tf.random.Algorithm.AUTO_SELECT.value


class TPU(Arithmetic):
    """Operations whose inner values a TPU keeps or computes again as is cheapest there.

    Heads are split and joined by the products themselves, as a transpose of [.., N, K] with a K of
    64 is a copy into another layout there. Inner values are float32, and rounded at the end.

    Dropout is drawn by the chip's own generator. A draw by Philox takes a TPU twenty times as long,
    which was more than half of a step. The masks are therefore others than on a CPU. They follow
    from the seed all the same: the generator keeps nothing between two draws, and starts each in a
    state that is computed from the seed.
    """

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """LayerNorm that keeps its input alone for the gradient."""
        gamma, beta = (tf.convert_to_tensor(weight) for weight in (layer.gamma, layer.beta))
        return layer_norm(x, gamma, beta, layer.epsilon, layer_norm_forward, layer_norm_backward)

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        """The exact form by erf, which takes less than erfc; its error is below 1e-6."""
        return _gelu(x)

    def gelu_tanh(self, x: tf.Tensor) -> tf.Tensor:
        """Its slope is kept for the gradient."""
        return _gelu_tanh(x)

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """One operation, whose gradient the compiler sums in float32."""
        return tf.nn.bias_add(tokens, bias)

    def project_heads(
        self,
        dense: keras.layers.Dense,
        tokens: tf.Tensor,
        layout: Layout,
        heads: int,
        columns: slice | None = None,
    ) -> list[tf.Tensor]:
        """A product for each projection, which gives [B, N, L, K] at once."""
        if layout.is_packed:
            return super().project_heads(dense, tokens, layout, heads, columns)
        hidden = tokens.shape[-1]
        kernel, bias = (tf.convert_to_tensor(weight) for weight in (dense.kernel, dense.bias))
        if columns is not None:
            kernel, bias = kernel[:, columns], bias[columns]
        kernels_HxCxNxK = tf.reshape(kernel, [hidden, -1, heads, hidden // heads])
        biases_CxNx1xK = tf.reshape(bias, [-1, heads, 1, hidden // heads])
        sequences = layout.to_sequences(tokens)
        return [
            tf.einsum("blh,hnk->bnlk", sequences, kernels_HxCxNxK[:, c]) + biases_CxNx1xK[c]
            for c in range(kernel.shape[-1] // hidden)
        ]

    def join_heads(
        self, dense: keras.layers.Dense, context: tf.Tensor, layout: Layout
    ) -> tf.Tensor:
        """A product that sums over heads and their values."""
        if layout.is_packed:
            return super().join_heads(dense, context, layout)
        kernel, bias = (tf.convert_to_tensor(weight) for weight in (dense.kernel, dense.bias))
        kernel_NxKxH = tf.reshape(kernel, [context.shape[1], context.shape[3], kernel.shape[-1]])
        return self.add_bias(
            layout.to_tokens(tf.einsum("bnlk,nkh->blh", context, kernel_NxKxH)), bias
        )

    def attention_weights(self, scores: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Their gradient is computed from the rounded weights, so that no others are kept."""
        return _attention_weights(scores, bias)

    def random_integers(self, like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """int32, by the generator that TensorFlow takes on the device; Philox elsewhere."""
        # The compiler lays scores of attention out with the last two axes swapped; drawn so, the
        # numbers need no copy into that layout.
        is_swapped = like.shape.rank == 4
        shape = tf.shape(tf.linalg.matrix_transpose(like) if is_swapped else like)
        # TensorFlow's own way to a state drops the upper half of each number of the seed
        # (tf2xla/kernels/random_ops_util.cc, GetU64FromS32Seeds), where the site stands.
        step, place = tf.unstack(tf.bitcast(seed, tf.uint64))
        key = _mixed(tf.bitwise.bitwise_xor(_mixed(step), place))
        draws = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=shape,
            key=key[tf.newaxis],
            # Another key each time, never a later counter: where the generator counts on from it,
            # draws would overlap.
            counter=tf.zeros([2], tf.uint64),
            alg=AUTO_SELECT,
            dtype=tf.int32,
        )
        return tf.linalg.matrix_transpose(draws) if is_swapped else draws

    def cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The cross-entropy without a float32 copy of the logits.

        A label is the most likely class where no logit is greater than its own: of several that
        are equal any counts, which spares a search for the first.
        """
        losses, is_best = _cross_entropy(
            tf.reshape(logits, [-1, logits.shape[-1]]), tf.reshape(labels, [-1])
        )
        return tf.reshape(losses, tf.shape(labels)), tf.reshape(is_best, tf.shape(labels))


def _keeping_its_slope(function: Function) -> Function:
    """``function``, element by element in float32, that keeps its slope for the gradient."""

    @tf.custom_gradient
    def call(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
        with tf.GradientTape() as tape:
            given = tf.cast(x, tf.float32)
            tape.watch(given)
            y = function(given)
        slope = tf.cast(tape.gradient(y, given), x.dtype)
        return tf.cast(y, x.dtype), lambda upstream: upstream * slope

    return call


_gelu = _keeping_its_slope(lambda x: 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5))))
_gelu_tanh = _keeping_its_slope(PLAIN.gelu_tanh)


@tf.custom_gradient
def _attention_weights(scores: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    weights = PLAIN.attention_weights(scores, bias)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        of_weights, kept = (tf.cast(x, tf.float32) for x in (upstream, weights))
        products = of_weights * kept
        of_scores = products - kept * tf.reduce_sum(products, axis=-1, keepdims=True)
        return tf.cast(of_scores, scores.dtype), None

    return weights, gradient


@tf.custom_gradient
def _cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable]:
    """The losses of logits [M, classes], and whether the label's logit is the greatest."""
    with tf.name_scope("cross_entropy"):
        greatest = tf.reduce_max(logits, axis=-1)
        exponents = tf.cast(logits, tf.float32) - tf.cast(greatest, tf.float32)[:, tf.newaxis]
        log_sums = tf.math.log(tf.reduce_sum(tf.exp(exponents), axis=-1))
        log_sums += tf.cast(greatest, tf.float32)
        of_labels = tf.gather(logits, labels, batch_dims=1)

    def gradient(upstream: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, None]:
        with tf.name_scope("cross_entropy"):
            return cross_entropy_backward(logits, labels, log_sums, upstream), None

    return (log_sums - tf.cast(of_labels, tf.float32), of_labels == greatest), gradient


def _mixed(x: tf.Tensor) -> tf.Tensor:
    """Another uint64 for each, with all bits spread: SplitMix64's (Steele et al. 2014, figure 15).

    Neighboring keys would depend on how well the chip spreads them, which is not documented.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = _shifted_onto(x, shift) * tf.constant(factor, tf.uint64)
    return _shifted_onto(x, 31)


def _shifted_onto(x: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint64)))
