"""The arithmetic for training on a TPU."""

import tensorflow as tf

from bert_keras.arithmetic.plain import Arithmetic

AUTO_SELECT = tf.random.Algorithm.AUTO_SELECT.value


class TPU(Arithmetic):
    """TensorFlow's own operations, and the random numbers of the chip's own generator.

    By the compiler's estimate a draw by Philox takes a TPU twenty times as long as one by its
    generator, which was more than half of a step (benchmarks/notes.md). The masks are therefore
    others than on a CPU. They follow from the seed all the same: the generator keeps nothing
    between two draws, and starts each in a state that is computed from the seed.
    """

    def random_integers(self, like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """int32, by the generator that TensorFlow takes on the device; Philox elsewhere."""
        # TensorFlow's own way to a state drops the upper half of each number of the seed
        # (tf2xla/kernels/random_ops_util.cc, GetU64FromS32Seeds), where the site stands.
        step, place = tf.unstack(tf.bitcast(seed, tf.uint64))
        key = _mixed(tf.bitwise.bitwise_xor(_mixed(step), place))
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=tf.shape(like),
            key=key[tf.newaxis],
            # Another key each time, never a later counter: where the generator counts on from it,
            # draws would overlap.
            counter=tf.zeros([2], tf.uint64),
            alg=AUTO_SELECT,
            dtype=tf.int32,
        )


def _mixed(x: tf.Tensor) -> tf.Tensor:
    """Another uint64 for each, with all bits spread: SplitMix64's (Steele et al. 2014, figure 15).

    Neighboring keys would depend on how well the chip spreads them, which is not documented.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = _shifted_onto(x, shift) * tf.constant(factor, tf.uint64)
    return _shifted_onto(x, 31)


def _shifted_onto(x: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint64)))
