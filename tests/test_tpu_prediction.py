"""The prediction of a step on a TPU: the counting, and the real compiler on the smallest step."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks.tpu_compiler import Program

LONG = {
    "cycles": 'backend_config={"estimated_cycles":"%s"}',
    "name": 'metadata={op_name="%s"}',
}
# Lines are long in the compiler's own text: cycles=N and name=TEXT stand for parts of them.
COSTS = re.sub(
    r"(cycles|name)=(\S+)",
    lambda f: LONG[f[1]] % f[2],
    """HloModule step

%fused.product (p: bf16[64,64]) -> bf16[64,64] {
  %p = bf16[64,64]{1,0} parameter(0)
  ROOT %c = bf16[64,64]{1,0} convolution(%p, %p), dim_labels=bf_io->bf
}

%fused.draw (p: u32[64,64]) -> bf16[64,64] {
  %p = u32[64,64]{1,0} parameter(0)
  %d = u32[64,64]{1,0} add(%p, %p), name=layer_0/stateless_random_uniform
  ROOT %s = bf16[64,64]{1,0} select(%d, %d, %d), name=layer_0/SelectV2
}

%body (a: (s32[], bf16[64,64])) -> (s32[], bf16[64,64]) {
  %a = (s32[], bf16[64,64]{1,0}) parameter(0)
  %x = bf16[64,64]{1,0:T(8,128)(2,1)} fusion(%a), calls=%fused.product, cycles=100
  %seen = bf16[64,64]{1,0} reshape(%x), name=layer_0/Reshape
  ROOT %t = (s32[], bf16[64,64]{1,0}) tuple(%a, %x)
}

%condition (a: (s32[], bf16[64,64])) -> pred[] {
  %a = (s32[], bf16[64,64]{1,0}) parameter(0)
  %limit = s32[] constant(12)
  ROOT %less = pred[] compare(%a, %limit), direction=LT
}

ENTRY %main (p: bf16[64,64]) -> bf16[64,64] {
  %p = bf16[64,64]{1,0} parameter(0)
  %drawn = bf16[64,64]{1,0} fusion(%p), calls=%fused.draw, name=layer_0/SelectV2 cycles=7
  %normal = bf16[64,64]{1,0} fusion(%p), calls=%fused.other, name=layer_norm/Cast_1 cycles=5
  %loop = (s32[], bf16[64,64]{1,0}) while(%drawn), condition=%condition, body=%body
  ROOT %r = bf16[64,64]{1,0} get-tuple-element(%loop), index=1
}

%fused.other (p: bf16[64,64]) -> bf16[64,64] {
  ROOT %p = bf16[64,64]{1,0} parameter(0)
}
""",
)


def test_a_loop_counts_as_often_as_it_runs_and_what_has_no_cycles_is_named():
    program = Program.parse(COSTS)
    assert program.loops == {"body": 12}
    assert program.kinds() == {
        "products, with what is fused into them": 1200,
        "random numbers": 7,
        "normalization": 5,
    }
    assert program.without == {"reshape bf16[64,64] Reshape": (12, 12 * 64 * 64 * 2)}


def test_a_loop_whose_trips_are_not_plain_ends_the_count():
    with pytest.raises(SystemExit, match=r"not plain: condition, constants \[12, 3\]"):
        Program.parse(COSTS.replace("constant(12)", "constant(12)\n  %other = s32[] constant(3)"))


@pytest.fixture
def tpu_step(repository, monkeypatch):
    """The module of the steps, which imports its neighbors as a script does."""
    monkeypatch.syspath_prepend(repository / "benchmarks")
    import tpu_step

    return tpu_step


def drawn(algorithm):
    """A draw by a generator: the HLO of a CPU, and TensorFlow's graph."""
    from tensorflow.compiler.xla.service import hlo_pb2

    @tf.function(jit_compile=True)
    def draw(key, counter):
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[4, 8], key=key, counter=counter, alg=algorithm, dtype=tf.int32
        )

    state = tf.constant([5], tf.uint64), tf.constant([7, 9], tf.uint64)
    serialized = draw.experimental_get_compiler_ir(*state)(stage="hlo_serialized")
    graph = draw.get_concrete_function(*state).graph.as_graph_def()
    return hlo_pb2.HloModuleProto.FromString(serialized), graph


def instructions(module, opcode):
    return [i for c in module.computations for i in c.instructions if i.opcode == opcode]


def test_a_draw_that_leaves_the_generator_to_tensorflow_gets_the_chips(tpu_step):
    module, graph = drawn(tpu_step.AUTO_SELECT)
    tpu_step.as_on_tpu(module, tpu_step.algorithms(graph))
    (draw,) = instructions(module, "rng-bit-generator")
    assert draw.rng_algorithm == tpu_step.RNG_DEFAULT
    (cut,) = instructions(module, "slice")
    assert list(draw.operand_ids) == [cut.id]
    # The key and the first counter, in TensorFlow's order: random_ops_util.cc, BitGenerator.
    (state,) = instructions(module, "concatenate")
    assert list(cut.operand_ids) == [state.id]
    assert [(d.start, d.limit) for d in cut.slice_dimensions] == [(0, 2)]
    assert list(draw.shape.tuple_shapes[0].dimensions) == list(cut.shape.dimensions) == [2]
    assert len(instructions(module, "get-tuple-element")) == 2  # the numbers, and the result


def test_a_draw_that_names_its_generator_keeps_it(tpu_step):
    module, graph = drawn(tpu_step.PHILOX)
    before = module.SerializeToString(deterministic=True)
    tpu_step.as_on_tpu(module, tpu_step.algorithms(graph))
    assert module.SerializeToString(deterministic=True) == before


def test_draws_that_cannot_be_told_apart_are_refused(tpu_step):
    module, _ = drawn(tpu_step.PHILOX)
    with pytest.raises(SystemExit, match="cannot be told apart"):
        tpu_step.as_on_tpu(module, {tpu_step.PHILOX, tpu_step.AUTO_SELECT})


def test_a_key_that_a_tpu_makes_otherwise_is_refused(tpu_step):
    draw = tf.function(lambda seed: tf.random.stateless_uniform([4], seed))
    graph = draw.get_concrete_function(tf.constant([1, 2])).graph.as_graph_def()
    with pytest.raises(SystemExit, match="its key is another one on a TPU"):
        tpu_step.algorithms(graph)


def test_only_the_products_of_real_tokens_count(tpu_step):
    """BERT-Base's 86 million weights in the layers, 6 operations for each and each real token."""
    step = tpu_step.STEPS["finetune-128"]
    tokens = step.batch * step.real[0]
    in_layers = 6 * tokens * 12 * 12 * 768**2
    assert 1.0 < step.operations() / in_layers < 1.02  # attention's own products, and the pooler's
    again = tpu_step.STEPS["base-128-rematerialized"].operations()
    assert again == tpu_step.STEPS["base-128"].operations()


@pytest.mark.slow
def test_the_compiler_of_a_tpu_takes_the_step(repository, tmp_path):
    python = Path(os.environ.get("BERT_KERAS_TPU", repository / ".venv-tpu")) / "bin" / "python"
    if not python.exists():
        pytest.skip(f"needs jax and libtpu in {python.parent.parent}: make bench-tpu makes it")
    out = tmp_path / "tpu.json"
    command = [sys.executable, "benchmarks/tpu.py", "--compiler", python, "--only", "tiny"]
    command += ["--keep-hlo", tmp_path / "hlo", "--json", out]
    subprocess.run(command, cwd=repository, check=True)
    assert (tmp_path / "hlo" / "tiny.hlo").stat().st_size > 0
    found = json.loads(out.read_text())["steps"]["tiny"]["chips"]["v5e"]
    assert found["compiles"], found
    assert sum(found["kinds"].values()) == found["cycles"] > 0
    assert found["kinds"]["products, with what is fused into them"] > 0
    assert found["memory"]["results"] < found["memory"]["arguments"] / 10  # updated in place
    assert 0 < found["share"] < 1
