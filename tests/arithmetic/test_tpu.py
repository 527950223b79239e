"""The arithmetic of a TPU: what it computes, beside the plain one, and where its draws begin.

LayerNorm, GELU and the cross-entropy are in test_few_passes.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from bert_keras import BertForPreTraining
from bert_keras.arithmetic import PLAIN, TPU
from bert_keras.modeling.layers import Dense
from bert_keras.modeling.layout import packed_layout, padded_layout
from bert_keras.modeling.random import dropout
from tests.support.batches import pretraining_batch
from tests.support.models import small_config

ON_TPU = TPU()
MASK = tf.constant([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])


def gradients_of(function, *given):
    """A function's value, and the gradients of its weighted sum."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = function(*given)
        weights = tf.random.stateless_normal(tf.shape(value), [5, 6])
        total = tf.reduce_sum(value * weights)
    return [value, *tape.gradient(total, given)]


@pytest.mark.parametrize("layout_of", [padded_layout, packed_layout], ids=["padded", "packed"])
@pytest.mark.parametrize("columns", [None, slice(0, 12), slice(12, 36)], ids=["all", "q", "kv"])
def test_heads_are_those_of_one_product_and_a_transpose(layout_of, columns):
    layout = layout_of(MASK)
    tokens = layout.to_tokens(tf.random.stateless_normal([3, 5, 12], [1, 2]))
    dense = Dense(36, bias_initializer=keras.initializers.RandomNormal(seed=1))
    dense.build((None, 12))
    expected, found = (
        gradients_of(
            lambda t, a=arithmetic: tf.stack(a.project_heads(dense, t, layout, 3, columns)), tokens
        )
        for arithmetic in (PLAIN, ON_TPU)
    )
    count = 3 if columns is None else (columns.stop - columns.start) // 12
    assert found[0].shape == (count, 3, 3, 5, 4)
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout_of", [padded_layout, packed_layout], ids=["padded", "packed"])
def test_heads_are_joined_as_by_a_transpose_and_one_product(layout_of):
    layout = layout_of(MASK)
    dense = Dense(12, bias_initializer=keras.initializers.RandomNormal(seed=1))
    dense.build((None, 12))
    context = tf.random.stateless_normal([3, 3, 5, 4], [1, 2])
    expected, found = (
        gradients_of(lambda c, a=arithmetic: a.join_heads(dense, c, layout), context)
        for arithmetic in (PLAIN, ON_TPU)
    )
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)


def test_attention_weights_and_their_gradient_are_those_of_a_softmax():
    scores = 3 * tf.random.stateless_normal([2, 3, 4, 5], [1, 2])
    bias = tf.constant([0.0, 0, 0, -1e4, 0]) * tf.ones([2, 1, 1, 5])
    expected, found = (
        gradients_of(lambda s, a=arithmetic: a.attention_weights(s, bias), scores)
        for arithmetic in (PLAIN, ON_TPU)
    )
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_of_equal_logits_every_label_is_the_most_likely():
    logits = tf.constant([[1.0, 2.0, 2.0], [1.0, 2.0, 2.0], [1.0, 2.0, 2.0]])
    labels = tf.constant([0, 1, 2])
    assert ON_TPU.cross_entropy(logits, labels)[1].numpy().tolist() == [False, True, True]
    assert PLAIN.cross_entropy(logits, labels)[1].numpy().tolist() == [False, True, False]


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
def test_the_losses_and_gradients_of_a_model_are_the_plain_ones(hidden_act):
    config = small_config(50, hidden_act=hidden_act)
    plain = BertForPreTraining(config, seed=1)
    batch = {name: tf.constant(values) for name, values in pretraining_batch().items()}
    results = []
    for model in (plain, plain.copy(arithmetic=ON_TPU)):
        with tf.GradientTape() as tape:
            means = model.objective.measure(batch, model(batch))
            loss = means["mlm_loss"].value() + means["nsp_loss"].value()
        results.append([loss, *tape.gradient(loss, model.trainable_variables)])
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-6)


def test_the_draws_for_attention_have_its_shape_and_those_of_swapped_axes_are_their_transpose():
    seed = tf.constant([7, 1], tf.int64)
    draws = ON_TPU.random_integers(tf.zeros([2, 3, 4, 5]), seed)
    assert draws.shape == (2, 3, 4, 5)
    plain = ON_TPU.random_integers(tf.zeros([120]), seed)
    swapped = tf.linalg.matrix_transpose(tf.reshape(plain, [2, 3, 5, 4]))
    np.testing.assert_array_equal(draws, swapped)


def test_each_draw_of_a_program_begins_in_a_state_that_follows_from_the_seed_alone():
    """Step and replica are the program's argument, and the site a constant in it."""
    arithmetic = TPU()

    @tf.function(jit_compile=True)
    def step(seed, x):
        return dropout(dropout(x, 0.1, seed, 3, arithmetic), 0.1, seed, 4, arithmetic)

    arguments = tf.constant([7, 1], tf.int64), tf.ones([8, 16])
    serialized = step.experimental_get_compiler_ir(*arguments)(stage="hlo_serialized")
    module = hlo_pb2.HloModuleProto.FromString(serialized)
    (entry,) = [c for c in module.computations if c.id == module.entry_computation_id]
    by_id = {instruction.id: instruction for instruction in entry.instructions}

    def sources(number, found):
        """The instructions that one is computed from, itself among them."""
        if number not in found:
            found[number] = by_id[number]
            for operand in by_id[number].operand_ids:
                sources(operand, found)
        return found

    draws = [i for i in entry.instructions if i.opcode == "rng-bit-generator"]
    assert len(draws) == 2
    constants = []
    for draw in draws:
        state = sources(draw.operand_ids[0], {}).values()
        parameters = [i.parameter_number for i in state if i.opcode == "parameter"]
        assert parameters == [0]  # the seed
        opcodes = {i.opcode for i in state}
        assert not [name for name in opcodes if name.startswith(("rng", "custom-call", "infeed"))]
        constants.append(
            sorted(i.literal.SerializeToString() for i in state if i.opcode == "constant")
        )
    assert constants[0] != constants[1]


def test_the_draw_leaves_the_generator_to_the_device():
    graph = tf.function(TPU().random_integers).get_concrete_function(
        tf.ones([4]), tf.constant([7, 1], tf.int64)
    )
    (draw,) = [op for op in graph.graph.get_operations() if op.type.startswith("StatelessRandom")]
    assert draw.type == "StatelessRandomUniformFullIntV2"  # its state is an input
    assert tf.get_static_value(draw.inputs[3]) == tf.random.Algorithm.AUTO_SELECT.value
