"""Arithmetics for models that answer and train no more."""

import math

import keras
import tensorflow as tf

from bert_keras.arithmetic.plain import Arithmetic, Shape


class Inference(Arithmetic):
    """TensorFlow's own operations without what only gradients need; what a GPU serves with."""

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        """By ``Erf``.

        TensorFlow writes it by erfc, which ONNX does not have. oneDNN makes the same operation of
        both: no answer changes by a bit.
        """
        return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """By one operation, which the product before it takes in."""
        return tf.nn.bias_add(tokens, bias)


class OneDNN(Inference):
    """What grappler fuses to operations of oneDNN, on a CPU.

    Not for GPUs: cuDNN takes no epsilon as small as BERT's.
    """

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """By a subgraph that becomes one operation.

        Every row is a channel of its own. grappler looks for this pattern (remapper.cc,
        FindMklLayerNorm), which Keras 2 wrote.
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
    """TFLite's builtin operations, those that XNNPACK runs in few pieces, on a phone."""

    def layer_norm(self, layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
        """By the definition, which takes TFLite 9 operations; Keras's way takes 11.

        With L2_NORMALIZATION it would take 5, but XNNPACK has none: at each the graph falls apart,
        and all of it is slower.
        """
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + layer.epsilon) * layer.gamma + layer.beta

    def add_bias(self, tokens: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """By one operation."""
        return tf.nn.bias_add(tokens, bias)

    def split_heads(
        self, products: tf.Tensor, shape: Shape, parts: int, heads: int
    ) -> list[tf.Tensor]:
        """By a split, since XNNPACK has no UNPACK: at each the graph would fall apart."""
        split = tf.reshape(products, [*shape, parts * heads, products.shape[-1] // (parts * heads)])
        return tf.split(tf.transpose(split, [0, 2, 1, 3]), parts, axis=1)
