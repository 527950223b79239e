"""Arithmetics for serving and for phones; they leave out what only training needs."""

import math

import keras
import tensorflow as tf

from bert_keras.arithmetic.plain import Arithmetic, Shape


class Inference(Arithmetic):
    """TensorFlow's own operations without those for gradients, to serve on a GPU."""

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        """The exact form by ``Erf``.

        TensorFlow computes it by erfc, which ONNX does not have. oneDNN has the same operation for
        both: the results are the same to the bit.
        """
        return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """One operation, which is fused with the product before it."""
        return tf.nn.bias_add(tokens, bias)


class OneDNN(Inference):
    """Patterns that grappler fuses to oneDNN's operations, to serve on a CPU.

    Not for GPUs: cuDNN refuses an epsilon as small as BERT's.
    """

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """A subgraph that grappler fuses to one operation.

        Each row is a channel. The pattern is that of Keras 2 (remapper.cc, FindMklLayerNorm).
        """
        shape = tf.shape(x)
        rows, empty = shape[0], tf.zeros([0])
        normalized = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, [1, rows, x.shape[-1], 1]),
            scale=tf.fill([rows], 1.0),
            offset=tf.fill([rows], 0.0),
            mean=empty,
            variance=empty,
            epsilon=layer.epsilon,
            data_format="NCHW",
            is_training=True,
        ).y
        gamma, beta = (tf.cast(weight, x.dtype) for weight in (layer.gamma, layer.beta))
        return tf.reshape(normalized, shape) * gamma + beta


class XNNPACK(Arithmetic):
    """Those of TFLite's operations that XNNPACK runs, in few subgraphs, on a phone."""

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """The definition: 9 operations of TFLite, where Keras's form takes 11.

        With L2_NORMALIZATION there were 5, but XNNPACK does not have it: each would split the
        graph, which is slower.
        """
        centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(centered * centered, axis=-1, keepdims=True)
        return centered * tf.math.rsqrt(variance + layer.epsilon) * layer.gamma + layer.beta

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """One operation."""
        return tf.nn.bias_add(tokens, bias)

    def split_heads(
        self, products: tf.Tensor, shape: Shape, count: int, heads: int
    ) -> list[tf.Tensor]:
        """A split: XNNPACK has no UNPACK, and each would split the graph."""
        split = tf.reshape(products, [*shape, count * heads, products.shape[-1] // (count * heads)])
        return tf.split(tf.transpose(split, [0, 2, 1, 3]), count, axis=1)
