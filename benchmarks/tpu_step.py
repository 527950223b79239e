"""The training steps that benchmarks/tpu.py compiles, as TensorFlow would give them to a TPU.

    python benchmarks/tpu_step.py base-128 base-128.hlo

writes the step's HLO, serialized: the model, objective, optimizer and ``TrainStep`` of a run, in
bfloat16, with dropout. TensorFlow lowers it for the machine it runs on, which for our operations
differs from a TPU in one thing, the random numbers: where an operation leaves the generator to
TensorFlow (``alg="auto_select"``) that is Philox on a CPU and the chip's own on a TPU
(``DefaultRngAlgForDeviceType``, tf2xla/kernels/rng_converter_utils.cc). ``as_on_tpu`` puts the
chip's generator in its place. Where the operation names its generator, a TPU takes that.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cost import VOCAB_SIZE, forward_flops

from bert_keras.config import BertConfig

PHILOX, AUTO_SELECT = 1, 3  # tf.random.Algorithm
RNG_DEFAULT, RNG_PHILOX = 0, 2  # xla.RandomAlgorithm
# The tokens and the masked words of a sequence that are no padding: means of 1,920 sequences of the
# addresses of presidents (configs/pretrain/small-sotu.toml), and of SST-2's dev sentences.
REAL_128, REAL_512, REAL_SST2 = (121, 18), (430, 65), (24, 0)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A training step of a recipe.

    Attributes:
        preset: The size of the model.
        length: Tokens of a sequence, with padding.
        batch: Sequences.
        predictions: Masked positions of a sequence; 0 for fine-tuning on two labels.
        real: The tokens and masked words of a sequence that are no padding, on average.
        vocab_size: Word pieces.
        rematerialize: As in ``[train]``.
    """

    preset: str
    length: int
    batch: int
    predictions: int
    real: tuple[int, int]
    vocab_size: int = VOCAB_SIZE
    rematerialize: bool = False

    def config(self) -> BertConfig:
        """The architecture."""
        return BertConfig.from_preset(self.preset, vocab_size=self.vocab_size)

    def operations(self) -> int:
        """Those of the products of all real tokens, in three passes; nothing computed twice."""
        layers, heads = forward_flops(self.config(), *self.real)
        return 3 * self.batch * (layers + heads)

    def data(self) -> dict[str, Any]:
        """A batch of the step's shapes."""
        import tensorflow as tf

        sizes: dict[str, tuple[int, ...]] = dict.fromkeys(
            ("input_ids", "token_type_ids", "attention_mask"), (self.batch, self.length)
        )
        if self.predictions:
            masked = (self.batch, self.predictions)
            sizes |= {"masked_lm_positions": masked, "masked_lm_ids": masked}
            sizes |= {"next_sentence_labels": (self.batch,)}
        else:
            sizes |= {"labels": (self.batch,)}
        batch = {name: tf.ones(size, tf.int32) for name, size in sizes.items()}
        if self.predictions:
            batch["masked_lm_weights"] = tf.ones(masked)
        return batch


STEPS = {
    "tiny": Step(preset="tiny", length=16, batch=2, predictions=3, real=(16, 3), vocab_size=1000),
    # colab/pretrain_on_tpu.ipynb as it comes.
    "notebook": Step(
        preset="mini", length=128, batch=256, predictions=20, real=REAL_128, vocab_size=8000
    ),
    "base-128": Step(preset="base", length=128, batch=128, predictions=20, real=REAL_128),
    "base-512": Step(preset="base", length=512, batch=32, predictions=77, real=REAL_512),
    "large-128": Step(preset="large", length=128, batch=32, predictions=20, real=REAL_128),
    "finetune-128": Step(preset="base", length=128, batch=32, predictions=0, real=REAL_SST2),
}
STEPS |= {
    f"{name}-rematerialized": replace(STEPS[name], rematerialize=True)
    for name in ("base-128", "base-512", "large-128")
}


def lowered(step: Step) -> bytes:
    """The step's HLO, serialized."""
    import tensorflow as tf
    from tensorflow.compiler.xla.service import hlo_pb2

    from bert_keras.arithmetic import TPU
    from bert_keras.config import ArithmeticConfig, OptimizerConfig
    from bert_keras.modeling import BertForPreTraining, BertForSequenceClassification
    from bert_keras.objectives import TrainStep
    from bert_keras.training import make_optimizer

    train = ArithmeticConfig(
        precision="mixed_bfloat16", jit_compile=True, rematerialize=step.rematerialize
    )
    model = (BertForPreTraining if step.predictions else BertForSequenceClassification)(
        step.config(),
        dtype=train.precision,
        arithmetic=TPU(rematerialize=train.rematerialize),
        initialize=False,
    )
    optimizer = make_optimizer(OptimizerConfig(), 1_000_000)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    update = TrainStep(strategy, model, optimizer, model.objective, train).update
    batch = step.data()
    serialized = update.experimental_get_compiler_ir(batch)(stage="hlo_serialized")
    module = hlo_pb2.HloModuleProto.FromString(serialized)
    as_on_tpu(module, algorithms(update.get_concrete_function(batch).graph.as_graph_def()))
    return module.SerializeToString()


def algorithms(graph: Any) -> set[int]:
    """The generators that the random draws of a ``GraphDef`` name."""
    import tensorflow as tf

    found = set()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            if node.op == "StatelessRandomGetKeyCounter":
                raise SystemExit(f"{node.name}: its key is another one on a TPU")
            if node.op.startswith("StatelessRandom") and len(node.input) > 3:
                constant = by_name[node.input[3].split(":")[0]]
                found.add(int(tf.make_ndarray(constant.attr["value"].tensor)))
    return found


def as_on_tpu(module: Any, generators: Iterable[int]) -> None:
    """Put the chip's own generator where TensorFlow takes it on a TPU; changes ``module``.

    Args:
        module: An ``HloModuleProto``, lowered for a CPU.
        generators: Those that the draws name in TensorFlow's graph.
    """
    if AUTO_SELECT not in generators:
        return
    if PHILOX in generators:
        raise SystemExit("draws by Philox and by auto_select cannot be told apart in HLO")
    for computation in module.computations:
        instructions = list(computation.instructions)
        last = max(instruction.id for instruction in instructions)
        changed = []
        for instruction in instructions:
            if (
                instruction.opcode == "rng-bit-generator"
                and instruction.rng_algorithm == RNG_PHILOX
            ):
                last += 1
                changed.append(_first_two(instruction, last))
                instruction.operand_ids[0] = last
                instruction.rng_algorithm = RNG_DEFAULT
                instruction.shape.tuple_shapes[0].CopyFrom(changed[-1].shape)
            changed.append(instruction)
        kept = _needed(changed, computation.root_id)
        del computation.instructions[:]
        computation.instructions.extend(kept)


def _first_two(draw: Any, number: int) -> Any:
    """The instruction that cuts the state of Philox, [key, counter, counter], to a TPU's two."""
    cut = type(draw)(name=f"state.{number}", opcode="slice", id=number)
    cut.operand_ids.append(draw.operand_ids[0])
    cut.shape.CopyFrom(draw.shape.tuple_shapes[0])
    cut.shape.dimensions[0] = 2
    cut.slice_dimensions.add(start=0, limit=2, stride=1)
    return cut


def _needed(instructions: list[Any], root: int) -> list[Any]:
    """Those that the root is computed from, and the parameters.

    TensorFlow computes the generator's next state, and nothing reads it: its shape is another one.
    """
    needed = {root}
    for instruction in reversed(instructions):
        if instruction.id in needed or instruction.opcode == "parameter":
            needed |= {instruction.id, *instruction.operand_ids}
            needed.update(instruction.control_predecessor_ids)
    return [instruction for instruction in instructions if instruction.id in needed]


def main() -> None:
    """Write one step's HLO."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("hlo", type=Path, help="a file that does not exist")
    options = parser.parse_args()
    if options.hlo.exists():
        parser.error(f"{options.hlo} exists: give another name")
    serialized = lowered(STEPS[options.step])
    with options.hlo.open("xb") as file:
        file.write(serialized)


if __name__ == "__main__":
    main()
