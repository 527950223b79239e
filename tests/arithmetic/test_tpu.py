"""The chip's generator: what its state in the program is computed from."""

import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from bert_keras.arithmetic import TPU
from bert_keras.modeling.random import dropout


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
